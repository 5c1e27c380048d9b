"""Hourly prices, limits on them, and places where a deployment could run. Pure."""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

from attrs import frozen

from di_async.core.errors import InvalidInputError, PriceLimitError

__all__ = [
    "HourlyPrice",
    "MaxHourly",
    "Placement",
    "amount_text",
    "check_price",
    "offer_problem",
    "parse_max_hourly",
    "ranked",
    "total",
]

S = TypeVar("S")


def amount_text(amount: Decimal) -> str:
    """Return an amount of money with two decimals at least, and all of its digits."""
    exponent = amount.as_tuple().exponent
    return f"{amount:.2f}" if isinstance(exponent, int) and exponent > -2 else f"{amount:f}"


@frozen
class HourlyPrice:
    """What a deployment costs an hour while it runs with all of its replicas."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{amount_text(self.amount)} {self.currency}/h"


Amount = Decimal | int | float | str
MaxHourly = Amount | HourlyPrice | Mapping[str, Amount]
"""A limit in any currency, in one, or one limit for each currency code."""


@frozen
class Placement(Generic[S]):
    """A place where a spec could run."""

    region: str
    """A region slug, region number or zone, as the vendor names it."""
    accelerator: str
    """A GPU slug, flavor or GPU family."""
    spec: S
    """The spec changed to run there."""
    price: HourlyPrice | None = None
    """None if the vendor publishes no price."""
    free: int | None = None
    """How many replicas the region has room for; None if the vendor does not say."""
    reason: str | None = None
    """Why it cannot run there now; None if it can."""


def total(parts: Iterable[tuple[HourlyPrice | None, int]]) -> HourlyPrice | None:
    """Return the sum of prices, each times a count; None if one is unknown or currencies differ."""
    amount, currencies = Decimal(0), set()
    for price, count in parts:
        if price is None:
            return None
        amount += price.amount * count
        currencies.add(price.currency)
    return HourlyPrice(amount, currencies.pop()) if len(currencies) == 1 else None


def ranked(places: Iterable[Placement[S]], *, include_full: bool) -> list[Placement[S]]:
    """Return places, usable and cheap ones first; those that are full only on request."""
    found = [place for place in places if include_full or place.reason is None]
    return sorted(found, key=_rank)


def _rank(place: Placement[Any]) -> tuple[bool, bool, Decimal]:
    amount = Decimal(0) if place.price is None else place.price.amount
    return place.reason is not None, place.price is None, amount


def parse_max_hourly(limit: MaxHourly) -> Mapping[str, Decimal]:
    """Return the limit for each currency; the key "" stands for any currency.

    Raises:
        InvalidInputError: A limit is not a number of at least 0, or the mapping is empty.
    """
    if isinstance(limit, HourlyPrice):
        return {limit.currency.upper(): _amount(limit.amount)}
    if isinstance(limit, Mapping):
        if not limit:
            raise InvalidInputError(
                "max_hourly: expected a limit for at least one currency, such as {'EUR': 10}; "
                "None sets no limit"
            )
        return {str(code).upper(): _amount(value) for code, value in limit.items()}
    return {"": _amount(limit)}


def _amount(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise InvalidInputError(
            "max_hourly: expected a number of at least 0, such as 10, or a mapping of currencies "
            f"to numbers, such as {{'EUR': 10}}, not {value!r}"
        )
    return amount


def offer_problem(
    offers: Mapping[str, Collection[str]],
    region: str,
    accelerator: str,
    *,
    place: str = "region",
    noun: str = "size",
) -> str | None:
    """Return why an accelerator has no price in a region; None if it is on offer there.

    Args:
        offers: the accelerators on offer in each region.
        region: where the accelerator is wanted.
        accelerator: the size, flavor or GPU family.
        place: what the provider calls a region.
        noun: what the provider calls an accelerator.
    """
    here = offers.get(region, ())
    if accelerator in here:
        return None
    known = dict.fromkeys(name for names in offers.values() for name in names)
    if region not in offers:
        problem = f"no {place} {region!r}{_choices(region, offers)}"
        if accelerator not in known:
            problem += f"; no {noun} {accelerator!r}{_choices(accelerator, known)}"
        return problem
    problem = f"no {noun} {accelerator!r} in {place} {region!r}"
    elsewhere = [name for name, sizes in offers.items() if accelerator in sizes]
    if elsewhere:
        problem += f", but in {', '.join(elsewhere)}"
    return problem + _choices(accelerator, here, "on offer there")


def _choices(name: str, known: Collection[str], title: str = "there are") -> str:
    """Return the names to choose from, similar ones first."""
    from difflib import get_close_matches  # only such messages need it

    similar = get_close_matches(name, known, 3)
    listed = ", ".join([*similar, *sorted(set(known) - set(similar))])
    return f"; {title}: {listed or 'none'}"


def check_price(
    price: HourlyPrice | None,
    limit: MaxHourly,
    *,
    allow_unknown_price: bool = False,
    problem: str | None = None,
) -> None:
    """Check an hourly price against a limit.

    `problem`: why a price is missing, such as an unknown region; see `offer_problem`. What is not
    on offer is refused even if unknown prices are allowed.

    Raises:
        PriceLimitError: The price is higher than the limit, there is a problem, or the price
            cannot be compared and `allow_unknown_price` is false.
        InvalidInputError: The limit is not an amount.
    """
    limits = parse_max_hourly(limit)
    advice = ""
    if price is None:
        if problem is not None:
            raise PriceLimitError(f"{problem}. Nothing was created or changed.", on_offer=False)
        unknown = "the price is not known"
    else:
        most = limits.get(price.currency.upper(), limits.get(""))
        if most is None:
            codes = ", ".join(sorted(limits))
            unknown = f"the price is in {price.currency}, and the limit is in {codes}"
            advice = f"add a limit in {price.currency}, or "
        elif price.amount <= most:
            return
        else:
            raise PriceLimitError(
                f"max_hourly: it would cost {price}, more than the limit of {most} "
                f"{price.currency}/h; "
                "nothing was created or changed",
                price=price,
            )
    if not allow_unknown_price:
        raise PriceLimitError(
            f"max_hourly: {unknown}; {advice}pass allow_unknown_price=True to accept any price. "
            "Nothing was created or changed",
            price=price,
        )
