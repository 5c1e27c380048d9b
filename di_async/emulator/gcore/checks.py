"""Small checks of JSON values, to build larger ones of.

Rules of this file: a check takes a value and yields what is wrong with it, as (place, problem);
the place is empty for the value itself. Nothing here knows Gcore.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping

Problems = Iterator[tuple[str, str]]
Check = Callable[[object], Problems]


def text(least: int = 0, most: int | None = None) -> Check:
    """A text of so many characters."""

    def check(value: object) -> Problems:
        if not isinstance(value, str):
            yield "", "Input should be a valid string"
        elif len(value) < least:
            yield "", f"String should have at least {least} characters"
        elif most is not None and len(value) > most:
            yield "", f"String should have at most {most} characters"

    return check


def whole(least: int | None = None, most: int | None = None) -> Check:
    """An integer in a range, ends included."""

    def check(value: object) -> Problems:
        # A JSON true is no integer, though Python's is.
        if not isinstance(value, int) or isinstance(value, bool):
            yield "", "Input should be a valid integer"
        elif least is not None and value < least:
            yield "", f"Input should be greater than or equal to {least}"
        elif most is not None and value > most:
            yield "", f"Input should be less than or equal to {most}"

    return check


def flag(value: object) -> Problems:
    """A boolean."""
    if not isinstance(value, bool):
        yield "", "Input should be a valid boolean"


def uuid_text(value: object) -> Problems:
    """A UUID as text."""
    try:
        uuid.UUID(value if isinstance(value, str) else "")
    except ValueError:
        yield "", "Input should be a valid UUID"


def anything(value: object) -> Problems:
    """Whatever it is."""
    yield from ()


def nullable(check: Check) -> Check:
    """Null, or what `check` takes."""
    return lambda value: iter(()) if value is None else check(value)


def listing(check: Check, least: int = 0) -> Check:
    """A list of at least so many items that `check` takes."""

    def check_all(value: object) -> Problems:
        if not isinstance(value, list):
            yield "", "Input should be a valid list"
            return
        if len(value) < least:
            yield "", f"List should have at least {least} item after validation"
        for number, item in enumerate(value):
            yield from _within(str(number), check(item))

    return check_all


def texts_by_name(value: object) -> Problems:
    """An object whose values are texts."""
    if not isinstance(value, Mapping):
        yield "", "Input should be a valid dictionary"
        return
    for name, item in value.items():
        yield from _within(str(name), text()(item))


def record(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """An object with fields; other fields are let through, as the vendor lets them."""

    def check_fields(value: object) -> Problems:
        if not isinstance(value, Mapping):
            yield "", "Input should be a valid dictionary"
            return
        for name, check in {**required, **optional}.items():
            if name in value:
                yield from _within(name, check(value[name]))
            elif name in required:
                yield name, "Field required"

    return check_fields


def _within(name: str, problems: Problems) -> Problems:
    for place, problem in problems:
        yield f"{name}.{place}" if place else name, problem
