"""Exoscale's JSON: requests read, answers written."""
