"""Blocking functions for many changes and accounts; the types are in `fleet.pyi`."""

import di_async.blocking.engine  # noqa: F401 - derives what the functions return
from di_async.blocking.derive import carry, derive, derive_function
from di_async.engine.deployments import reap as reap_
from di_async.fleet import applying, scanning, waiting

__all__ = [
    "Completions",
    "Failure",
    "WaitReport",
    "apply",
    "as_completed",
    "reap",
    "scan",
    "wait_all",
]

Failure = carry(waiting.Failure)
WaitReport = carry(waiting.WaitReport)
Completions = derive(waiting.Completions)
apply = derive_function(applying.apply)
as_completed = derive_function(waiting.as_completed)
reap = derive_function(reap_.reap)
scan = derive_function(scanning.scan)
wait_all = derive_function(waiting.wait_all)
