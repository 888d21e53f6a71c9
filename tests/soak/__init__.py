"""A long row of replies with everything that people do to them: what is left in the server's process?"""
