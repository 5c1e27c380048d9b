"""The result of a scan: rows, their totals, and how two scans differ. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from attrs import frozen

from di_async.core.inventory import InventoryRow
from di_async.core.pricing import amount_text
from di_async.core.printable import printable
from di_async.fleet.fleet_page import render_page
from di_async.fleet.notebook import notebook_html

__all__ = ["Inventory", "InventoryDiff", "InventoryRow", "ScanError"]

_UNKNOWN = "unknown"
_SINGULAR = {"regions": "region", "statuses": "status", "accelerators": "accelerator"}


@frozen
class ScanError:
    """A part of a scan that failed; its rows, or some of them, are missing.

    `what` is "list", "details", "accelerators" or "prices"; `region` is None where the part was
    not about one; `id` is the instance.
    """

    client: str
    region: str | None
    what: str
    error: Exception
    id: str | None = None

    def __str__(self) -> str:
        about = " ".join(filter(None, (self.client, self.region, self.id)))
        return printable(f"{self.what} of {about}: {self.error}")

    def hides(self, row: InventoryRow) -> bool:
        """Return whether that row may exist although it was not listed."""
        whole = self.region is None or self.region == row.region
        return self.what == "list" and _account(self.client) == _account(row.client) and whole


@frozen
class InventoryDiff:
    """The difference between two scans; `changed` holds pairs of before and after."""

    added: tuple[InventoryRow, ...] = ()
    removed: tuple[InventoryRow, ...] = ()
    changed: tuple[tuple[InventoryRow, InventoryRow], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        lines = [f"+ {_describe(row)}" for row in self.added]
        lines += [f"- {_describe(row)}" for row in self.removed]
        lines += [f"~ {_describe(before)} -> {_describe(after)}" for before, after in self.changed]
        return "\n".join(map(printable, lines)) or "no difference"


@frozen
class Inventory:
    """All instances that a scan found.

    Attributes:
        rows: in the order of the lists.
        errors: what could not be read; the other rows are complete.
        taken_at: when the scan began.
    """

    rows: tuple[InventoryRow, ...] = ()
    errors: tuple[ScanError, ...] = ()
    taken_at: datetime | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[InventoryRow]:
        return iter(self.rows)

    @property
    def by_region(self) -> dict[str, int]:
        """Instances by region, most first."""
        return self._count(lambda row: row.region)

    @property
    def by_status(self) -> dict[str, int]:
        """Instances by status, most first."""
        return self._count(lambda row: row.status)

    @property
    def by_accelerator(self) -> dict[str, int]:
        """Accelerators by kind, most first; "unknown" counts *instances* that show none."""
        counts: Counter[str] = Counter()
        for row in self.rows:
            counts.update({_UNKNOWN: 1} if row.accelerators is None else _summed(row))
        return dict(counts.most_common())

    @property
    def hourly_cost(self) -> dict[str, Decimal]:
        """Total by currency, without the instances that `unknown_cost` counts."""
        costs: dict[str, Decimal] = {}
        for row in self.rows:
            cost = row.hourly_cost
            if cost is not None:
                costs[row.currency or ""] = costs.get(row.currency or "", Decimal(0)) + cost
        return costs

    @property
    def unknown_cost(self) -> int:
        """Instances without a published price, or whose row does not show the accelerators."""
        return sum(row.hourly_cost is None for row in self.rows)

    @property
    def pending(self) -> int:
        """Instances with a change in progress."""
        return sum(row.pending for row in self.rows)

    @property
    def oldest_pending(self) -> InventoryRow | None:
        """The pending instance that was updated longest ago; None if there is none."""
        dated = [row for row in self.rows if row.pending and row.last_change]
        return min(dated, key=lambda row: row.last_change, default=None)  # type: ignore[arg-type,return-value]

    def diff(self, before: "Inventory") -> InventoryDiff:
        """Return what changed since `before`.

        What one of the two scans could not list is neither added nor removed.

        Instances are matched by client and id: a row does not show its account, and ids at Gcore
        are names. So pass the same clients, in the same order, to both scans; further ones may
        follow. `gcore` and `gcore-1` both stand for the first client of Gcore.
        """
        then = {_key(row): row for row in before.rows}
        now = {_key(row): row for row in self.rows}
        added = (row for key, row in now.items() if key not in then)
        removed = (row for key, row in then.items() if key not in now)
        both = ((then[key], row) for key, row in now.items() if key in then)
        return InventoryDiff(
            tuple(row for row in added if not _hidden(row, before.errors)),
            tuple(row for row in removed if not _hidden(row, self.errors)),
            tuple((old, new) for old, new in both if _state(old) != _state(new)),
        )

    def to_rows(self) -> list[dict[str, Any]]:
        """Return each row as a dict of JSON types; decimals and times are text."""
        return [_plain(row) for row in self.rows]

    def to_json(self) -> str:
        """Return the inventory as a JSON document."""
        return orjson.dumps(self.to_dict(), option=orjson.OPT_INDENT_2).decode()

    def to_dict(self) -> dict[str, Any]:
        """Return the inventory in JSON types."""
        oldest = self.oldest_pending
        return {
            "taken_at": _text(self.taken_at),
            "instances": len(self.rows),
            "pending": self.pending,
            "by_region": self.by_region,
            "by_status": self.by_status,
            "by_accelerator": self.by_accelerator,
            "hourly_cost": {currency: str(sum_) for currency, sum_ in self.hourly_cost.items()},
            "unknown_cost": self.unknown_cost,
            "oldest_pending": None if oldest is None else oldest.id,
            "errors": [
                {"client": e.client, "region": e.region, "what": e.what, "id": e.id,
                 "error": f"{type(e.error).__name__}: {e.error}"}
                for e in self.errors
            ],
            "rows": self.to_rows(),
        }  # fmt: skip

    def to_html(self, title: str = "Fleet") -> str:
        """Return the inventory as one HTML page, with charts of counts and costs.

        The page needs no network and has no script. Tables of large fleets are cut, with a note.
        """
        return render_page(self, title)

    def __str__(self) -> str:
        return "\n".join(printable(f"{title}: {text}") for title, text in self.summary())

    def summary(self) -> Iterator[tuple[str, str]]:
        """Return the summary for people, as titles and texts."""
        yield "instances", f"{len(self.rows)} ({self.pending} pending)"
        for title, counts in (
            ("regions", self.by_region),
            ("statuses", self.by_status),
            ("accelerators", self.by_accelerator),
        ):
            yield title, ", ".join(_counts(title, counts)) or "-"
        cost = ", ".join(
            f"{amount_text(sum_)} {currency}" for currency, sum_ in self.hourly_cost.items()
        )
        unknown = f"{self.unknown_cost} of unknown price" if self.unknown_cost else ""
        yield "cost per hour", "; ".join(filter(None, (cost, unknown))) or "-"
        oldest = self.oldest_pending
        if oldest is not None:
            yield "oldest pending", f"{_describe(oldest)} since {_utc(oldest.last_change)}"
        for error in self.errors:
            yield "failed", str(error)

    def _repr_html_(self) -> str:
        return notebook_html(self.summary(), self.to_rows())

    def _count(self, by: Callable[[InventoryRow], str | None]) -> dict[str, int]:
        return dict(Counter(by(row) or _UNKNOWN for row in self.rows).most_common())


def _summed(row: InventoryRow) -> Mapping[str, int]:
    sums: Counter[str] = Counter()
    for slug, count in row.accelerators or ():
        sums[slug] += count
    return sums


def _hidden(row: InventoryRow, errors: tuple[ScanError, ...]) -> bool:
    return any(error.hides(row) for error in errors)


def _state(row: InventoryRow) -> tuple[object, ...]:
    """Return what counts as a change; prices and times do not."""
    return row.name, row.region, row.status, row.models, row.accelerators, row.pending


def _counts(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    """Yield the counts; "unknown" says of what."""
    for name, count in counts.items():
        if name == _UNKNOWN:
            plural = "s" if count != 1 else ""
            yield f"{count} instance{plural} of unknown {_SINGULAR[title]}"
        else:
            yield f"{count} x {name}"


def _describe(row: InventoryRow) -> str:
    gpus = ", ".join(f"{count} x {slug}" for slug, count in row.accelerators or ())
    return " ".join(filter(None, (row.name or row.id, row.region, row.status, gpus)))


def _utc(time: datetime | None) -> str:
    """Return a time for people, in the format of the command's tables."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if time else "-"


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time is not None else None


def _plain(row: InventoryRow) -> dict[str, Any]:
    gpus = row.gpus
    return {
        "client": row.client,
        "id": row.id,
        "name": row.name,
        "region": row.region,
        "status": row.status,
        "models": list(row.models),
        "accelerators": None if row.accelerators is None else dict(_summed(row)),
        "hourly_cost": None if row.hourly_cost is None else str(row.hourly_cost),
        "currency": row.currency,
        "pending": row.pending,
        "failure_reason": row.failure_reason,
        "created_at": _text(row.created_at),
        "updated_at": _text(row.updated_at),
        "gpus": None
        if gpus is None
        else [{"id": gpu.id, "slug": gpu.slug, "status": gpu.status} for gpu in gpus],
    }


def _key(row: InventoryRow) -> tuple[str, ...]:
    """Return what identifies a row in two scans; not every API lists ids."""
    account = _account(row.client)
    if row.id:
        return account, row.id
    return account, "", row.region or "", row.name or "", str(row.created_at)


def _account(label: str) -> str:
    """Return one label for a provider's first client; with a second one it is numbered."""
    return label.removesuffix("-1")
