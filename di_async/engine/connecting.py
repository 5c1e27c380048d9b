"""Connect to the endpoint of a settled change: read its key, then wait until its models answer."""

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import evolve

from di_async.core.errors import InvalidInputError, WaitTimeoutError
from di_async.core.serving import ConnectOptions, ServingTarget, as_secret
from di_async.core.waiting.observation import Action
from di_async.engine.serving import Probe, ServingEndpoint, checked_probe
from di_async.engine.waiting.failures import name_of
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["Connector", "MakeEndpoint", "checked_options"]

MakeEndpoint = Callable[[str, ServingTarget, str, Probe], ServingEndpoint]
"""Takes the id, where it serves, the client's base URL and the probe; returns the endpoint."""


def checked_options(
    *, access_token: Any, private: bool, probe: Probe, mint_token: str | None
) -> ConnectOptions:
    """Return the options of a `connect`. Raises `InvalidInputError`."""
    if not isinstance(private, bool):
        raise InvalidInputError("private: expected True or False")
    if access_token is not None and mint_token is not None:
        raise InvalidInputError("access_token, mint_token: pass one of them")
    checked_probe(probe)
    return ConnectOptions(
        private=private, access_token=as_secret(access_token), mint_token=mint_token
    )


class Connector:
    """Connects to the endpoints of one client's deployments."""

    def __init__(self, make_endpoint: MakeEndpoint) -> None:
        self._make_endpoint = make_endpoint

    def check(
        self,
        tracker: ChangeTracker[Any],
        *,
        access_token: Any,
        own_token: Any,
        private: bool,
        probe: Probe,
        mint_token: str | None,
    ) -> ConnectOptions:
        """Return the options of a `connect`, checked before anything is awaited.

        `own_token` is the one that the create's answer showed, if any.

        Raises:
            InvalidInputError: one is invalid, or the change leaves no endpoint.
        """
        options = checked_options(
            access_token=access_token, private=private, probe=probe, mint_token=mint_token
        )
        if options.access_token is None:
            options = evolve(options, access_token=as_secret(own_token))
        if tracker.expectation.action is Action.DELETE:
            raise InvalidInputError("what is deleted has no endpoint to connect to")
        if tracker.expectation.action is not Action.PREDICATE:
            tracker.adapter.check_connect(options)
        return options

    async def connect(
        self,
        tracker: ChangeTracker[Any],
        resource: Any,
        options: ConnectOptions,
        probe: Probe,
        until: float | None,
    ) -> ServingEndpoint:
        """Return the endpoint of a settled resource once its models answer.

        Args:
            tracker: its change, whose history records the steps.
            resource: the resource as read last.
            options: what `check` returned.
            probe: what counts as an answer.
            until: the loop time at which this gives up; None: never.

        Raises:
            InvalidInputError: no key is known, or nothing serves.
            WaitTimeoutError: no answer in time.
            WaitRefusedError: the endpoint refuses.
        """
        target = await _serving_target(tracker, resource, options, until)
        endpoint = self._make_endpoint(tracker.target.id, target, tracker.adapter.base_url, probe)
        if target.note:
            tracker.add_note(target.note)
        left = None if until is None else max(0.0, until - tracker.clock.now())
        await endpoint.probe_until(left, tracker.add_note)
        return endpoint


async def _serving_target(
    tracker: ChangeTracker[Any], resource: Any, options: ConnectOptions, until: float | None
) -> ServingTarget:
    limit = asyncio.timeout_at(until)
    try:
        async with limit:
            return await tracker.adapter.serving_target(resource, options)
    except TimeoutError:
        if not limit.expired():
            raise
        raise WaitTimeoutError(
            f"{name_of(tracker)} is settled, but its endpoint's key or CA was not read in time.",
            id=tracker.target.id,
        ) from None
