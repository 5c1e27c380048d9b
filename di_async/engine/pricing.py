"""Check the hourly price of a deployment before it is created."""

from collections.abc import Awaitable, Callable
from functools import partial

from di_async.core.pricing import HourlyPrice, MaxHourly, check_price, parse_max_hourly

__all__ = ["enforce_max_hourly", "price_check"]


async def enforce_max_hourly(
    read_price: Callable[[], Awaitable[HourlyPrice | None]],
    max_hourly: MaxHourly | None,
    *,
    allow_unknown_price: bool,
) -> None:
    """Read the price and compare it with the limit; do nothing without a limit.

    Raises:
        PriceLimitError: too expensive, or of unknown price. InvalidInputError: not an amount.
        APIError, TransportError: the price could not be read.
    """
    if max_hourly is None:
        return
    parse_max_hourly(max_hourly)  # raises before a request is sent
    check_price(await read_price(), max_hourly, allow_unknown_price=allow_unknown_price)


def price_check(
    read_price: Callable[[], Awaitable[HourlyPrice | None]],
    max_hourly: MaxHourly | None,
    allow_unknown_price: bool,
) -> Callable[[], Awaitable[None]]:
    """Return `enforce_max_hourly` of these arguments, to be called later.

    Raises:
        InvalidInputError: `max_hourly` is not an amount.
    """
    if max_hourly is not None:
        parse_max_hourly(max_hourly)
    return partial(
        enforce_max_hourly, read_price, max_hourly, allow_unknown_price=allow_unknown_price
    )
