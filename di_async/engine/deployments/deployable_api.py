"""Temporary deployments, and deployments in the first place that has room."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, TypeVar, overload

from di_async.core.errors import InvalidInputError
from di_async.core.pricing import MaxHourly, check_price, parse_max_hourly
from di_async.core.seconds import checked_seconds
from di_async.core.temporary_names import DEFAULT_PREFIX, LIFETIME_S
from di_async.engine.deployments.cleanup import CLEANUP_TIMEOUT_S
from di_async.engine.deployments.deployable import Deployable
from di_async.engine.endpoints.serving import ServingEndpoint
from di_async.engine.frames import clears_frames
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import DEFAULT, Change, Timeout

__all__ = ["DeployableApi"]

R = TypeVar("R")


class DeployableApi(ResourceApi[R]):
    """What the resource APIs of deployments have in common, besides waits."""

    def deployable(self) -> Deployable[R]:
        """Return these deployments as generic code sees them. No I/O."""
        raise NotImplementedError

    @overload
    def temporary(
        self,
        spec: Any,
        *,
        timeout: Timeout = ...,
        connect: Literal[False] = ...,
        connect_options: dict[str, Any] | None = ...,
        lifetime: float = ...,
        prefix: str = ...,
        cleanup_timeout: float = ...,
        **options: Any,
    ) -> AbstractAsyncContextManager[R]: ...

    @overload
    def temporary(
        self,
        spec: Any,
        *,
        timeout: Timeout = ...,
        connect: Literal[True],
        connect_options: dict[str, Any] | None = ...,
        lifetime: float = ...,
        prefix: str = ...,
        cleanup_timeout: float = ...,
        **options: Any,
    ) -> AbstractAsyncContextManager[ServingEndpoint]: ...

    @overload
    def temporary(
        self,
        spec: Any,
        *,
        timeout: Timeout = ...,
        connect: bool,
        connect_options: dict[str, Any] | None = ...,
        lifetime: float = ...,
        prefix: str = ...,
        cleanup_timeout: float = ...,
        **options: Any,
    ) -> AbstractAsyncContextManager[Any]: ...

    @clears_frames
    def temporary(
        self,
        spec: Any,
        *,
        timeout: Timeout = DEFAULT,
        connect: bool = False,
        connect_options: dict[str, Any] | None = None,
        lifetime: float = LIFETIME_S,
        prefix: str = DEFAULT_PREFIX,
        cleanup_timeout: float = CLEANUP_TIMEOUT_S,
        **options: Any,
    ) -> AbstractAsyncContextManager[Any]:
        """Return an async context manager that yields a deployment and deletes it at the end.

        It is deleted whatever ends the block or the wait before it: an error, a cancellation, the
        end of an async generator around it, SIGINT, and SIGTERM where the program has no handler
        of its own, or the end of the client. An interrupt is logged as a warning that names the
        deployment; further interrupts do not cut the deletion short. A failed deletion is tried
        again, and GET 404 proves it. The name contains its expiry, so that `reap` can delete it
        after a crash.

        Args:
            spec: as for `create`; its name becomes part of the deployment's name.
            timeout: seconds until it is settled (or until it answers, with `connect`).
            connect: yield the endpoint that `change.connect()` returns, and not the resource.
            connect_options: further arguments of `change.connect()`.
            lifetime: seconds after which `reap` may delete it; longer than the wait and the block
                take together.
            prefix: of its name: 1 to 10 lower-case letters, digits or inner dashes.
            cleanup_timeout: seconds that the deletion may take.
            options: further arguments of `create`, such as `max_hourly`.

        Raises:
            InvalidInputError: `lifetime` is shorter than a `timeout` that is given, or `connect`
                could not work with these `connect_options`; nothing was sent.
            CleanupError: it could not be proven deleted; it may bill. Also logged as ERROR.
            TransportError: the response to the create was lost, and what it made was deleted.
            DIError: everything that `create` and `Change.wait` raise.
        """
        from di_async.engine.deployments.temporary import Temporary  # only this call needs it

        return Temporary(
            target=self.deployable(),
            spec=spec,
            timeout=timeout,
            connect=connect,
            connect_options=connect_options or {},
            lifetime=lifetime,
            prefix=prefix,
            cleanup_timeout=cleanup_timeout,
            options=options,
        )

    async def create_first_available(
        self,
        spec: Any,
        *,
        regions: Sequence[Any] | None = None,
        accelerators: Sequence[str] | None = None,
        max_unexplained: int = 2,
        timeout: Timeout = DEFAULT,
        name_timeout: float = 600.0,
        cleanup_timeout: float = CLEANUP_TIMEOUT_S,
        **options: Any,
    ) -> Change[R]:
        """Create a deployment in the first place that has capacity; return its settled change.

        `change.attempts` lists each try, `change.latest` is the resource. What a failed try
        created is deleted, proven by GET 404, before the next one.

        Args:
            spec: as for `create`.
            regions: regions or zones in order; default with `accelerators`: the spec's own.
                Without both, its own place and then those of `find_capacity` are tried; at
                Exoscale those where the model is ready. A zone that cannot be read is left out,
                with a warning and an entry in `.attempts`.
            accelerators: GPU slugs, flavors or GPU families in order; default: the spec's own.
            max_unexplained: how many alternatives are tried after a failure without a reason.
            timeout: seconds for each try to settle.
            name_timeout: seconds to wait for the name of a deleted try to become free.
            cleanup_timeout: seconds that each deletion may take.
            options: further arguments of `create`, such as `max_hourly`.

        Raises:
            NoCapacityError: no place worked; `.attempts` has the reasons.
            InvalidInputError, APIError: the input was refused, so that no other place was tried.
            CleanupError: a failed try could not be proven deleted; it may bill.
            TransportError: the create of a try got no answer; no other place is tried, as it may
                have made something.

        A cancellation is raised after what the current try created is deleted, which takes at most
        `cleanup_timeout` seconds. If its create was cut off, or its response was lost, a note of
        the CancelledError and the log name what may exist, and bill; it is not deleted, as it may
        belong to others.
        """
        from di_async.engine.deployments.first_available import Search  # only this call needs it

        if isinstance(max_unexplained, bool) or not isinstance(max_unexplained, int):
            raise InvalidInputError("max_unexplained: expected a whole number")
        checked_seconds(name_timeout, "name_timeout")
        checked_seconds(cleanup_timeout, "cleanup_timeout", positive=True)
        target = self.deployable()
        target.check_options(options)
        search = Search(
            target=target,
            spec=target.complete(spec),
            regions=regions,
            accelerators=accelerators,
            max_unexplained=max_unexplained,
            timeout=timeout,
            name_timeout=name_timeout,
            cleanup_timeout=cleanup_timeout,
            options=options,
        )
        return await search.run()

    def _price_check(
        self, spec: Any, max_hourly: MaxHourly | None, allow_unknown_price: bool
    ) -> Callable[[], Awaitable[None]]:
        """Return a check that reads a complete spec's price and compares it with the limit.

        The check raises `PriceLimitError` for what is too expensive, of unknown price, or not on
        offer. If unknown prices are allowed, what is not on offer is left to the provider, which
        refuses the create.

        Raises:
            InvalidInputError: `max_hourly` is not an amount.
        """
        if max_hourly is not None:
            parse_max_hourly(max_hourly)

        async def check() -> None:
            if max_hourly is None:
                return
            target, problem = self.deployable(), None
            price = await target.hourly_price(spec)
            if price is None and not allow_unknown_price:
                problem = await target.offer_problem(spec)
            check_price(price, max_hourly, allow_unknown_price=allow_unknown_price, problem=problem)

        return check
