"""Exoscale Dedicated Inference: models, deployments, operations, in every zone."""
