"""Tests of what providers supply for temporary deployments, and of these."""
