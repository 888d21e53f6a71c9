"""Many people at a complete site: what it serves, how soon, whether the words stay whole, and what is full first."""
