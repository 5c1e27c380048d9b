"""Check the hourly price of a deployment before it is created."""

from collections.abc import Awaitable, Callable
from functools import partial

from di_async.core.pricing import HourlyPrice, MaxHourly, check_price, parse_max_hourly

__all__ = ["enforce_max_hourly", "price_check"]

_ReadProblem = Callable[[], Awaitable[str | None]]


async def enforce_max_hourly(
    read_price: Callable[[], Awaitable[HourlyPrice | None]],
    max_hourly: MaxHourly | None,
    *,
    allow_unknown_price: bool,
    read_problem: _ReadProblem,
) -> None:
    """Read the price and compare it with the limit; do nothing without a limit.

    `read_problem` is called where the price is missing, and returns why; see `offer_problem`. If
    unknown prices are allowed, that is left to the provider, which refuses the create.

    Raises:
        PriceLimitError: too expensive, of unknown price, or not on offer.
        InvalidInputError: not an amount.
        APIError, TransportError: the price could not be read.
    """
    if max_hourly is None:
        return
    parse_max_hourly(max_hourly)  # raises before a request is sent
    price, problem = await read_price(), None
    if price is None and not allow_unknown_price:
        problem = await read_problem()
    check_price(price, max_hourly, allow_unknown_price=allow_unknown_price, problem=problem)


def price_check(
    read_price: Callable[[], Awaitable[HourlyPrice | None]],
    max_hourly: MaxHourly | None,
    allow_unknown_price: bool,
    read_problem: _ReadProblem,
) -> Callable[[], Awaitable[None]]:
    """Return `enforce_max_hourly` of these arguments, to be called later.

    Raises:
        InvalidInputError: `max_hourly` is not an amount.
    """
    if max_hourly is not None:
        parse_max_hourly(max_hourly)
    return partial(
        enforce_max_hourly,
        read_price,
        max_hourly,
        allow_unknown_price=allow_unknown_price,
        read_problem=read_problem,
    )
