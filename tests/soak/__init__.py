"""Weeks of waiting with churn: memory stays flat, and every map bounded."""
