"""Exoscale Dedicated Inference.

Rules of this folder: records.py holds values, estate.py says what is and what will be, fate.py how
a write goes on; reads.py and writes.py are the operations, provider.py their table, site.py what
they share; signature.py says who asks. wire/ alone knows JSON. What the vendor leaves open and
the choice made stands at its line.
"""

from .provider import Exoscale
from .records import Deployment, Model

__all__ = ["Deployment", "Exoscale", "Model"]
