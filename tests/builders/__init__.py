"""Specs, resources and responses of each cloud for the tests."""
