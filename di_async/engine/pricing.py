"""Check the hourly price of a deployment before it is created."""

from collections.abc import Awaitable, Callable

from di_async.core.pricing import HourlyPrice, MaxHourly, check_price, parse_max_hourly

__all__ = ["price_check"]


def price_check(
    read_price: Callable[[], Awaitable[HourlyPrice | None]],
    read_problem: Callable[[], Awaitable[str | None]],
    max_hourly: MaxHourly | None,
    *,
    allow_unknown_price: bool,
) -> Callable[[], Awaitable[None]]:
    """Return a check that reads the price and compares it with the limit, if there is one.

    The check calls `read_problem` where the price is missing, which returns why; see
    `offer_problem`. If unknown prices are allowed, that is left to the provider, which refuses the
    create. It raises `PriceLimitError` for what is too expensive, of unknown price, or not on
    offer, and the errors of the reads.

    Raises:
        InvalidInputError: `max_hourly` is not an amount.
    """
    if max_hourly is not None:
        parse_max_hourly(max_hourly)

    async def check() -> None:
        if max_hourly is None:
            return
        price, problem = await read_price(), None
        if price is None and not allow_unknown_price:
            problem = await read_problem()
        check_price(price, max_hourly, allow_unknown_price=allow_unknown_price, problem=problem)

    return check
