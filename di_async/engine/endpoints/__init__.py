"""Endpoints of deployments: connect to one, and wait until its models answer."""
