"""A fleet: the deployments that `apply` creates and updates, from a file or a mapping.

fleet: chat
defaults:
  digitalocean:
    region: atl1
    spec: {model_deployments: [...]}
deployments:
  - provider: digitalocean
    name: web
    count: 2
  - provider: exoscale
    zones: [ch-gva-2, at-vie-2]
    spec: {name: api, model: ..., gpu-type: gpua5000}
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from attrs import field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.fleet_names import FLEET_NAME, OWN_NAME, name_in_fleet
from di_async.core.redaction import masked
from di_async.engine.files import read_file
from di_async.engine.frames import clears_frames
from di_async.engine.spec import parse_text

__all__ = ["PROVIDERS", "Fleet", "FleetEntry"]

PROVIDERS = ("digitalocean", "exoscale", "gcore")
_NEVER_OPEN = ("digitalocean", "exoscale")
_MOST_ENTRIES = 5000
_MOST_COPIES = 1000
_PLACES = ("region", "regions", "zone", "zones")
_DEFAULT_KEYS = (*_PLACES, "spec", "open_to_world")
_ENTRY_KEYS = ("provider", "name", "count", *_DEFAULT_KEYS)


@frozen(kw_only=True)
class FleetEntry:
    """One deployment of a fleet."""

    provider: str
    name: str
    """Its name at the provider."""
    region: str | None = None
    """A region slug, region number or zone; None: the spec's, or the client's zone."""
    spec: Mapping[str, Any] = field(repr=masked)
    """The provider's spec, with the name."""
    open_to_world: bool = False
    """Gcore: allow an endpoint without API keys."""
    place: str = ""
    """Where it stands in the file, such as `deployments[2] (web)`."""


@frozen
class Fleet:
    """Deployments that belong together.

    Attributes:
        entries: the deployments, at most one of a name in one place. A named fleet may have none:
            `apply` with `prune` then deletes what earlier ones made.
        name: of the fleet; part of the names of its deployments. None: the names are those of the
            specs, and nothing can be pruned.
        source: what messages call it.
    """

    entries: tuple[FleetEntry, ...]
    name: str | None = None
    source: str = "fleet"

    @classmethod
    @clears_frames
    def from_file(cls, path: str | Path) -> Self:
        """Return the fleet in a YAML or JSON file. YAML needs `pip install 'di-async[cli]'`.

        Raises:
            InvalidInputError: (a `ValueError`) the file cannot be read, or holds no valid fleet;
                `.problems` names file, entry and field of each fault.
        """
        return cls.from_text(read_file(path, "fleet file"), source=str(path))

    @classmethod
    @clears_frames
    def from_text(cls, text: str | bytes, *, source: str = "fleet") -> Self:
        """Return the fleet in a YAML or JSON text, which messages call `source`."""
        return cls.from_dict(parse_text(text, source=source), source=source)

    @classmethod
    @clears_frames
    def from_dict(cls, raw: Mapping[str, Any], *, source: str = "fleet") -> Self:
        """Return the fleet in a mapping of the shape of a fleet file."""
        if not isinstance(raw, Mapping):
            raise InvalidInputError(f"{source}: expected a mapping with fleet and deployments")
        reader = _Reader(source)
        name, entries = reader.read(raw)
        reader.raise_problems()
        return cls(tuple(entries), name, source)

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers of its deployments."""
        return tuple(dict.fromkeys(entry.provider for entry in self.entries))


@frozen
class _Reader:
    """Reads one fleet file, and collects its faults."""

    source: str
    problems: list[str] = field(factory=list)

    def fault(self, path: str, message: str) -> None:
        self.problems.append(f"{self.source}: {path}: {message}")

    def raise_problems(self) -> None:
        if self.problems:
            raise InvalidInputError("; ".join(self.problems), problems=tuple(self.problems))

    def read(self, raw: Mapping[str, Any]) -> tuple[str | None, list[FleetEntry]]:
        self._check_keys("", raw, ("fleet", "defaults", "deployments"))
        name = raw.get("fleet")
        if name is not None and not (isinstance(name, str) and FLEET_NAME.fullmatch(name)):
            self.fault(
                "fleet",
                "expected 1 to 16 lower-case letters, digits or inner dashes, a letter first",
            )
            name = None
        defaults = self._defaults(raw.get("defaults", {}))
        rows = raw.get("deployments")
        if not isinstance(rows, list):
            self.fault("deployments", "expected a list of deployments")
            return name, []
        if not rows and raw.get("fleet") is None:
            self.fault(
                "deployments", "expected at least one deployment; only a named fleet may have none"
            )
        entries: list[FleetEntry] = []
        for number, row in enumerate(rows):
            for entry in self._entries(f"deployments[{number}]", row, defaults, name):
                if len(entries) == _MOST_ENTRIES:
                    self.fault("deployments", f"more than {_MOST_ENTRIES}, with counts and regions")
                    return name, entries
                entries.append(entry)
        self._check_names(entries)
        return name, entries

    def _defaults(self, raw: Any) -> Mapping[str, Mapping[str, Any]]:
        if not isinstance(raw, Mapping):
            self.fault("defaults", "expected a mapping of providers")
            return {}
        self._check_keys("defaults.", raw, PROVIDERS)
        found = {}
        for provider, values in raw.items():
            path = f"defaults.{provider}"
            if not isinstance(values, Mapping):
                self.fault(path, f"expected a mapping of {', '.join(_DEFAULT_KEYS)}")
                continue
            self._check_keys(f"{path}.", values, _DEFAULT_KEYS)
            if not isinstance(values.get("spec", {}), Mapping):
                self.fault(f"{path}.spec", "expected a mapping of the spec's fields")
                continue
            found[str(provider)] = values
        return found

    def _check_keys(self, path: str, raw: Mapping[str, Any], known: Iterable[str]) -> None:
        for key in raw:
            if key not in known:
                self.fault(f"{path}{key}", f"unknown; expected one of {', '.join(known)}")

    # -- one entry of the list ----------------------------------------------------------------

    def _entries(
        self,
        place: str,
        row: Any,
        defaults: Mapping[str, Mapping[str, Any]],
        fleet: str | None,
    ) -> Iterator[FleetEntry]:
        """Yield the deployments of one entry: one for each region, times its count."""
        if not isinstance(row, Mapping):
            self.fault(place, "expected a mapping with provider, name and spec")
            return
        before = len(self.problems)
        own = _name_of(row)
        path = f"{place} ({own})" if own else place
        self._check_keys(f"{path}.", row, _ENTRY_KEYS)
        provider = row.get("provider")
        if provider not in PROVIDERS:
            self.fault(f"{path}.provider", f"expected one of {', '.join(PROVIDERS)}")
        shared = defaults.get(str(provider), {})
        given = {**shared}
        if any(key in row for key in _PLACES):
            given = {key: value for key, value in given.items() if key not in _PLACES}
        given |= {key: value for key, value in row.items() if key != "spec"}
        spec = self._spec(path, row, shared)
        regions = self._regions(path, given)
        self._check_values(path, given)
        self._check_name(path, row, own, fleet)
        if len(self.problems) > before:
            return
        for own_name, region in _replicas(str(own), given, regions):
            if fleet and not OWN_NAME.fullmatch(own_name):
                self.fault(path, f"{own_name!r} is not a name of a fleet's deployment")
            name = name_in_fleet(fleet, own_name) if fleet else own_name
            yield FleetEntry(
                provider=str(provider),
                name=name,
                region=region,
                spec={**spec, "name": name},
                open_to_world=bool(given.get("open_to_world")),
                place=f"{place} ({own_name})",
            )

    def _check_values(self, path: str, given: Mapping[str, Any]) -> None:
        count = given.get("count", 1)
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST_COPIES:
            self.fault(f"{path}.count", f"expected a whole number from 1 to {_MOST_COPIES}")
        open_to_world = given.get("open_to_world", False)
        if not isinstance(open_to_world, bool):
            self.fault(f"{path}.open_to_world", "expected true or false")
        elif open_to_world and given.get("provider") in _NEVER_OPEN:
            self.fault(f"{path}.open_to_world", "only gcore has it")

    def _spec(self, path: str, row: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
        spec = row.get("spec", {})
        if not isinstance(spec, Mapping):
            self.fault(f"{path}.spec", "expected a mapping of the spec's fields")
            return {}
        return {**defaults.get("spec", {}), **spec}

    def _regions(self, path: str, given: Mapping[str, Any]) -> list[str | None]:
        used = [key for key in _PLACES if key in given]
        if len(used) > 1:
            self.fault(path, f"{' and '.join(used)} exclude each other")
        if not used:
            return [None]
        value = given[used[0]]
        values = value if used[0].endswith("s") else [value]
        valid = isinstance(values, list) and bool(values) and all(map(_is_region, values))
        if not valid:
            expected = "a list of them" if used[0].endswith("s") else "its name or number"
            self.fault(f"{path}.{used[0]}", f"expected {expected}")
            return []
        found = [str(one) for one in values]
        if len(set(found)) < len(found):
            self.fault(f"{path}.{used[0]}", "one is listed twice")
        return list(found)

    def _check_name(
        self, path: str, row: Mapping[str, Any], own: str | None, fleet: str | None
    ) -> None:
        spec = row.get("spec")
        inner = spec.get("name") if isinstance(spec, Mapping) else None
        if own is None:
            self.fault(f"{path}.name", "expected text")
        elif "name" in row and inner is not None and inner != own:
            self.fault(f"{path}.name", f"is not the spec's name, {inner!r}")
        elif fleet and not OWN_NAME.fullmatch(own):
            self.fault(
                f"{path}.name",
                f"in a named fleet, expected lower-case letters, digits or dashes, not {own!r}",
            )

    def _check_names(self, entries: Iterable[FleetEntry]) -> None:
        """Check that each name is used once; at Exoscale, once in each zone."""
        keys = [(e.provider, e.region if e.provider == "exoscale" else "", e.name) for e in entries]
        for (provider, region, name), times in Counter(keys).items():
            if times > 1:
                where = f" in {region}" if region else ""
                self.fault("deployments", f"{times} of {provider}{where} are named {name!r}")


def _replicas(
    own: str, given: Mapping[str, Any], regions: Iterable[str | None]
) -> Iterator[tuple[str, str | None]]:
    """Yield name and region of each copy of an entry: one for each region, times its count."""
    many = "regions" in given or "zones" in given
    for region in regions:
        for number in range(1, given.get("count", 1) + 1):
            parts = [own, region if many else None, str(number) if "count" in given else None]
            yield "-".join(filter(None, parts)), region


def _name_of(row: Mapping[str, Any]) -> str | None:
    spec = row.get("spec")
    name = row.get("name", spec.get("name") if isinstance(spec, Mapping) else None)
    return name if isinstance(name, str) and name.strip() else None


def _is_region(value: Any) -> bool:
    number = isinstance(value, int) and not isinstance(value, bool)
    return number or (isinstance(value, str) and value == value.strip() != "")
