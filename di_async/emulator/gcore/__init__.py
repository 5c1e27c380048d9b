"""Gcore Everywhere Inference: v2 instances, v3 deployments, tasks.

Rules of this folder: records.py holds values, words.py reads status words off them, estate.py
changes them, fate.py says how a write goes on. v2.py, v3.py and account.py are the operations
(reads.py and writes.py are what v2 and v3 share), routes.py and provider.py the way to them,
site.py what they share. dataplane.py runs on the deployments. wire/ alone knows JSON.
"""

from .provider import Gcore

__all__ = ["Gcore"]
