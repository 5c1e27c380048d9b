"""Names and digests that a retry of a task computes again. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["deployment_name", "digest"]

_LONGEST = 30
"""Gcore accepts 4 to 30 characters, the others more."""
_DIGEST_LENGTH = 10
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def deployment_name(
    dag_id: str, run_id: str, task_id: str, map_index: int | None = None, item: int | None = None
) -> str:
    """Return the name of the deployment of one task instance; every try has the same one.

    It begins with the end of the task's id and ends with a digest of all arguments.

    Args:
        dag_id: the DAG.
        run_id: its run.
        task_id: the task.
        map_index: of a mapped task; -1 and None are the same.
        item: the place in the list of a task that makes many.
    """
    index = None if map_index is None or map_index < 0 else map_index
    whole = json.dumps([dag_id, run_id, task_id, index, item])
    number = int.from_bytes(hashlib.sha256(whole.encode()).digest()[:8], "big")
    ending = ""
    for _ in range(_DIGEST_LENGTH):
        number, digit = divmod(number, 36)
        ending += _DIGITS[digit]
    own = re.sub(r"[^a-z0-9]+", "-", task_id.rsplit(".", 1)[-1].lower()).strip("-")
    own = own[: _LONGEST - _DIGEST_LENGTH - 1].strip("-")
    if not own[:1].isalpha():
        own = f"t-{own}"[: _LONGEST - _DIGEST_LENGTH - 1].strip("-")
    return f"{own}-{ending}"


def digest(operation: str, given: Mapping[str, Any], zone: str | None = None) -> str:
    """Return a digest of a write: equal for equal JSON, whatever the order of its keys.

    Args:
        operation: what is done, such as `scale`.
        given: the spec, or the id and what changes.
        zone: of Exoscale.
    """
    whole = [operation, zone, given]
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
