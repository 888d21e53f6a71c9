"""Everything that can break, broken in an order that a seed tells, while people talk; is everything there then?"""
