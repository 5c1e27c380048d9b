"""Waiting: what proves that a change has settled, and when to read next. No I/O."""
