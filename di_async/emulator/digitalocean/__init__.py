"""DigitalOcean Dedicated Inference.

Rules of this folder: records.py holds values, estate.py changes them, fate.py says how a write
goes on; reads.py and writes.py are the thirteen operations, provider.py their table, site.py what
they share. dataplane.py runs on the instances. wire/ alone knows JSON.
"""

from .provider import DigitalOcean

__all__ = ["DigitalOcean"]
