"""Deployments of any provider: temporary ones, `reap`, and the first place that has room."""
