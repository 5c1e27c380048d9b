"""Tests of what the benchmark of waits compares a sweep with."""

import orjson

from benchmarks.waiters import Watched


def page(**statuses: str) -> bytes:
    """Return the body of a list page with these instances."""
    rows = [{"id": id, "status": status, "name": id} for id, status in statuses.items()]
    return orjson.dumps({"dedicated_inferences": rows, "meta": {"total": len(rows)}})


def test_minimum_detects_every_change() -> None:
    """It notices a page's first read, a new status, a new row and a lost one, and nothing else."""
    watched = Watched()
    reads = [
        page(a="new", b="new"),
        page(a="new", b="new"),
        page(a="new", b="active"),
        page(a="new", b="active", c="new"),
        page(a="new", c="new"),
        page(a="new", c="new"),
    ]
    found = [watched.read(1, body) for body in reads]
    assert found == [(2, True), (2, False), (2, True), (3, True), (2, True), (2, False)]
    assert watched.read(2, reads[-1]) == (2, True)
