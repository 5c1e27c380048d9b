"""Find the resource that a user means: by its name, its id, or the beginning of its id."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from di_async import DIError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from di_async.cli.clouds.base import Cloud

__all__ = [
    "AmbiguousNameError",
    "UnknownNameError",
    "checked_ref",
    "find_one",
    "resolve_id",
]

T = TypeVar("T")

# Progress lines show eight characters of an id.
_ID_PREFIX = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,27}", re.IGNORECASE)


class UnknownNameError(DIError):
    """No resource has that name."""


class AmbiguousNameError(DIError):
    """Several resources have that name."""


def checked_ref(ref: str) -> str:
    """Return a name or id that is not blank, as a script's unset variable is.

    Raises:
        InvalidInputError: it is blank.
    """
    if not ref.strip():
        raise InvalidInputError("the ID or name is empty; is a variable of your script unset?")
    return ref.strip()


async def resolve_id(cloud: "Cloud[Any, Any]", ref: str) -> str:
    """Return the id for a name, an id, or the beginning of an id.

    A name may look like an id: an id counts as one only if a resource has it, or none has the name.

    Raises:
        InvalidInputError: the reference is blank.
        UnknownNameError: no resource has that name.
        AmbiguousNameError: several resources have that name.
    """
    ref = checked_ref(ref)
    id = _as_id(ref)
    if id is not None and id == ref.lower() and await _exists(cloud, id):
        return id
    found = await cloud.find_by_name(ref)
    if len(found) > 1:
        raise AmbiguousNameError(
            f"{len(found)} {cloud.noun} {cloud.location} are named {ref!r}; use one of their "
            f"ids: {_ids(cloud, found)}"
        )
    if found:
        return cloud.id_of(found[0])
    return id or await _by_prefix(cloud, ref)


def _as_id(ref: str) -> str | None:
    try:
        return str(UUID(ref))
    except ValueError:
        return None


async def _exists(cloud: "Cloud[Any, Any]", id: str) -> bool:
    try:
        await cloud.api.get(id)
    except NotFoundError:
        return False
    return True


async def _by_prefix(cloud: "Cloud[Any, Any]", ref: str) -> str:
    resources = [resource async for resource in cloud.resources()]
    if _ID_PREFIX.fullmatch(ref):
        found = [one for one in resources if cloud.id_of(one).startswith(ref.lower())]
        if len(found) == 1:
            return cloud.id_of(found[0])
        if found:
            raise AmbiguousNameError(
                f"{len(found)} ids {cloud.location} begin with {ref!r}: {_ids(cloud, found)}"
            )
    names = (getattr(one, "name", None) for one in resources)
    raise UnknownNameError(
        f"no {cloud.noun.removesuffix('s')} named {ref!r} {cloud.location}, and "
        f"{ref!r} is not an id."
        f"{_suggestion(ref, names)} `{cloud.settings.command_line('list')}` lists all"
    )


def _ids(cloud: "Cloud[Any, Any]", found: Sequence[Any]) -> str:
    return ", ".join(map(cloud.id_of, found))


def _suggestion(ref: str, names: Iterable[str | None]) -> str:
    close = get_close_matches(ref, sorted({name for name in names if name}))
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def find_one(known: Sequence[T], ref: str, noun: str, listing: str) -> T:
    """Return the one of this id or, else, of this name.

    Args:
        known: all of them, each with `id` and `name`.
        ref: the id or name.
        noun: what messages call one of them.
        listing: the command line that lists them.

    Raises:
        UnknownNameError: there is none. AmbiguousNameError: several have that name.
    """
    ref = checked_ref(ref)
    items: Sequence[Any] = known
    found = [one for one in items if one.id == ref] or [one for one in items if one.name == ref]
    if len(found) == 1:
        only: T = found[0]
        return only
    if found:
        ids = ", ".join(one.id for one in found)
        raise AmbiguousNameError(
            f"{len(found)} {noun}s are named {ref!r}; use one of their ids: {ids}"
        )
    close = _suggestion(ref, (one.name for one in items))
    raise UnknownNameError(f"there is no {noun} {ref!r}.{close} `{listing}` lists all")
