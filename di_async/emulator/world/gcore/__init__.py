"""Gcore Everywhere Inference."""

from .provider import Gcore

__all__ = ["Gcore"]
