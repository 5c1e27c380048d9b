"""Specs, resources and answers of each cloud, as the tests need them."""
