"""The hourly price that a command prints before it spends money, and the limit on it."""

import re
from collections.abc import Awaitable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

from di_async import BadRequestError, DIError, InvalidInputError, UnprocessableEntityError
from di_async.cli.inputs import WriteOptions
from di_async.cli.run import Cli

if TYPE_CHECKING:
    from di_async import HourlyPrice
    from di_async.cli.clouds.base import Cloud

__all__ = ["PriceLimit"]

T = TypeVar("T")
_LIMIT = re.compile(r"(\d+\.?\d*|\.\d+) ?([A-Za-z]{3})?", re.ASCII)


@frozen
class PriceLimit:
    """The options --max-hourly and --allow-unknown-price."""

    by_currency: dict[str, Decimal]
    """The limit for each currency; the key "" stands for any. Empty without --max-hourly."""
    allow_unknown: bool = False

    @classmethod
    def parse(cls, texts: Sequence[str] | None, *, allow_unknown: bool) -> "PriceLimit":
        """Parse the values of --max-hourly, such as 10 or 10USD.

        Raises:
            InvalidInputError: a value is malformed, or a currency has two limits.
        """
        limits: dict[str, Decimal] = {}
        for text in texts or ():
            match = _LIMIT.fullmatch(text.strip())
            if match is None:
                raise InvalidInputError(
                    f"--max-hourly: expected an amount such as 10 or 10USD, not {text!r}"
                )
            currency = (match[2] or "").upper()
            if currency in limits:
                of = f" of {currency}" if currency else ""
                raise InvalidInputError(f"--max-hourly: use one amount{of}, not several")
            limits[currency] = Decimal(match[1])
        return cls(limits, allow_unknown)

    async def check_create(self, cli: Cli, cloud: "Cloud[Any, Any]", options: WriteOptions) -> None:
        """Print the price of a create, and check it.

        Raises:
            PriceLimitError: it is higher than the limit, not known, or not on offer.
        """
        price, problem = await self._read(cli, _offer(cloud, options), (None, None))
        if problem is None or not self.by_currency or self.allow_unknown:
            cli.message(_text(cloud, price) + (f": {problem}" if problem else ""))
        self._check(price, problem)

    async def check_scale(
        self, cli: Cli, cloud: "Cloud[Any, Any]", id: str, options: WriteOptions
    ) -> None:
        """Print the price before and after a scale, and check it unless it does not rise.

        Raises:
            PriceLimitError: it rises above the limit, or is not known.
        """
        before, after = await self._read(cli, cloud.scale_prices(id, options), (None, None))
        if before or after:
            cli.message(f"before: {_text(cloud, before)}; after: {_text(cloud, after)}")
        else:
            cli.message(_text(cloud, None))
        rises = not (
            before and after and before.currency == after.currency and after.amount <= before.amount
        )
        if rises:
            self._check(after)

    async def _read(self, cli: Cli, read: Awaitable[T], unknown: T) -> T:
        """Return the price. Without a limit, a price that cannot be read is only not known."""
        try:
            return await read
        except InvalidInputError:
            raise
        except DIError as error:
            if self.by_currency:
                raise
            # The API refuses the same input in the create, whose error is printed.
            if not isinstance(error, BadRequestError | UnprocessableEntityError):
                cli.message(f"the price could not be read: {error}")
            return unknown

    def _check(self, price: "HourlyPrice | None", problem: str | None = None) -> None:
        if self.by_currency:
            from di_async.core.pricing import check_price

            check_price(
                price, self.by_currency, allow_unknown_price=self.allow_unknown, problem=problem
            )


async def _offer(
    cloud: "Cloud[Any, Any]", options: WriteOptions
) -> "tuple[HourlyPrice | None, str | None]":
    """Return the price of a create or, if it has none, why, such as an unknown region."""
    price = await cloud.hourly_price(options)
    return price, await cloud.offer_problem(options) if price is None else None


def _text(cloud: "Cloud[Any, Any]", price: "HourlyPrice | None") -> str:
    return f"{cloud.price_word} {price}" if price else "price not known"
