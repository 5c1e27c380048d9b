"""Writes: what may be sent again, what a lost response has done, and `ensure`."""
