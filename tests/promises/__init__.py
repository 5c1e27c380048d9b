"""A module for each promise of design.md section 4; mutants.py breaks them to see it noticed."""
