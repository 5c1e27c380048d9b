"""Gcore Everywhere Inference: v2 instances, v3 deployments, tasks, API keys."""
