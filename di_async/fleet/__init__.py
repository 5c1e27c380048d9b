"""Work on many changes, or on whole accounts: wait, scan, apply."""
