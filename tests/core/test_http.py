"""Requests as values, and ids that cannot leave their place in a path."""

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.errors import InvalidInputError
from di_async.core.http import Endpoint, Priority, Request, checked_id, json_bytes, query

ONE = Endpoint("get", "GET", "/v2/things/{id}/parts/{part_id}", "part", frozenset({"sizes"}))


@given(id=st.text(min_size=1), part=st.text(min_size=1))
def test_no_id_changes_the_number_of_segments(id: str, part: str) -> None:
    """Whatever an id holds, it is one segment that reads back as itself, or it is refused."""
    try:
        path = ONE.request(id, part).path
    except InvalidInputError:
        assert not id.strip() or not part.strip() or {id, part} & {".", "..", "sizes"}
        return
    segments = path.split("/")
    assert [unquote(segments[3]), unquote(segments[5])] == [id, part]
    assert len(segments) == 6
    assert not {".", ".."} & set(segments)
    assert path.isascii()
    assert not set("?#{} \\") & set(path)


@pytest.mark.parametrize("id", ["", " ", "\t\n", ".", "..", "sizes", None, 5, b"x"])
def test_id_that_would_address_something_else_is_refused(id: Any) -> None:
    """Empty, dots, another endpoint's word, or no text at all."""
    with pytest.raises(InvalidInputError, match=r"^id .*(empty|another endpoint)"):
        ONE.request(id, "p")


def test_lone_surrogates_are_refused_as_input() -> None:
    """Text that has no UTF-8 form cannot be an id."""
    with pytest.raises(InvalidInputError):
        ONE.request("\ud800", "p")


def test_refusal_names_the_parameter() -> None:
    """The second id is told apart from the first."""
    with pytest.raises(InvalidInputError, match="part_id"):
        ONE.request("a", "")


def test_checked_id_gives_the_id_back() -> None:
    """Unchanged: quoting is the path's business."""
    assert checked_id(" a/b ") == " a/b "


def test_endpoint_fills_in_query_and_body() -> None:
    """The request is ready to send as it stands."""
    asked = ONE.request("a", "b", params={"page": 1, "name": None, "all": True}, json={"x": 1})
    assert asked == Request(
        "GET", "/v2/things/a/parts/b", (("page", "1"), ("all", "true")), b'{"x":1}'
    )


@pytest.mark.parametrize(
    ("method", "repeatable", "priority"),
    [
        ("GET", True, Priority.READ),
        ("PUT", True, Priority.MUTATION),
        ("DELETE", True, Priority.MUTATION),
        ("POST", False, Priority.MUTATION),
        ("PATCH", False, Priority.MUTATION),
    ],
)
def test_method_tells_what_may_be_repeated_and_who_goes_first(
    method: str, repeatable: bool, priority: Priority
) -> None:
    """POST and PATCH are never repeated blindly; writes go before reads."""
    asked = Request(method, "/")
    assert (asked.repeatable, asked.priority) == (repeatable, priority)


def test_query_keeps_order_and_writes_flags_as_json_does() -> None:
    """`true`, not `True`; 0 and empty text are values."""
    asked = query({"b": True, "a": 0, "c": "", "d": None})
    assert asked == (("b", "true"), ("a", "0"), ("c", ""))


def test_no_body_is_no_bytes() -> None:
    """None is no body; an empty object is one."""
    assert json_bytes(None) is None
    assert json_bytes({}) == b"{}"


@pytest.mark.parametrize("value", [object(), {1: 2}, {"x": 2**70}, "\ud800", [datetime]])
def test_what_json_cannot_hold_is_an_input_error(value: Any) -> None:
    """Not a traceback out of the JSON library."""
    with pytest.raises(InvalidInputError, match="JSON"):
        json_bytes(value)
