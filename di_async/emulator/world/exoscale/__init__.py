"""Exoscale Dedicated Inference."""

from .provider import Exoscale

__all__ = ["Exoscale"]
