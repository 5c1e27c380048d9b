"""Tests of requests, and of ids that cannot change a path."""

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from di_async.core.errors import InvalidInputError
from di_async.core.http import Endpoint, Priority, Request, checked_id, json_bytes, query

ONE = Endpoint("get", "GET", "/v2/things/{id}/parts/{part_id}", "part", frozenset({"sizes"}))


@given(id=st.text(min_size=1), part=st.text(min_size=1))
def test_no_id_changes_the_number_of_segments(id: str, part: str) -> None:
    """Any id is quoted as one segment of the path, or rejected."""
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
def test_invalid_id_is_rejected(id: Any) -> None:
    """Empty ids, dots, other endpoints' names and other types are rejected."""
    with pytest.raises(InvalidInputError, match=r"^id .*(empty|another endpoint|must be text)"):
        ONE.request(id, "p")


def test_lone_surrogates_are_rejected() -> None:
    """Text without a UTF-8 form raises `ValueError`."""
    with pytest.raises(InvalidInputError):
        ONE.request("\ud800", "p")


def test_error_names_the_parameter() -> None:
    """The error names the parameter of the invalid id."""
    with pytest.raises(InvalidInputError, match="part_id"):
        ONE.request("a", "")


def test_checked_id_returns_the_id() -> None:
    """`checked_id` returns the id unchanged: the path quotes it."""
    assert checked_id(" a/b ") == " a/b "


def test_endpoint_fills_in_query_and_body() -> None:
    """An endpoint fills in path, query and body."""
    request = ONE.request("a", "b", params={"page": 1, "name": None, "all": True}, json={"x": 1})
    assert request == Request(
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
def test_method_sets_repeatable_and_priority(
    method: str, repeatable: bool, priority: Priority
) -> None:
    """POST and PATCH are not repeatable, and writes have priority over reads."""
    request = Request(method, "/")
    assert (request.repeatable, request.priority) == (repeatable, priority)


def test_a_delete_by_name_is_not_repeatable() -> None:
    """The second one may delete what has the name since; a PUT by name still has one effect."""
    one = Endpoint("delete", "DELETE", "/x/{name}", by_name=True)
    assert not one.request("web").repeatable
    assert replace(one, method="PUT").request("web").repeatable
    assert Endpoint("delete", "DELETE", "/x/{id}").request("7").repeatable


def test_query_keeps_order_and_writes_flags_as_json_does() -> None:
    """A query keeps its order, writes flags as `true`, and keeps 0 and empty text."""
    request = query({"b": True, "a": 0, "c": "", "d": None})
    assert request == (("b", "true"), ("a", "0"), ("c", ""))


def test_no_body_is_no_bytes() -> None:
    """None is no body; an empty object is one."""
    assert json_bytes(None) is None
    assert json_bytes({}) == b"{}"
    assert json_bytes({"x": [None, 1.5]}) == b'{"x":[null,1.5]}'


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"x": 2**70}, "a whole number of more than 64 bits"),
        ("\ud800", "text that is not valid Unicode"),
        ({1: 2}, "a mapping with a key that is not text"),
        ({"x": [None, float("nan")]}, "a number that JSON does not have"),
        ((1.5, {"x": float("-inf")}), "a number that JSON does not have"),
    ],
)
def test_what_json_cannot_hold_is_named(value: Any, reason: str) -> None:
    """The message says in plain words what JSON cannot hold."""
    with pytest.raises(InvalidInputError, match=reason):
        json_bytes(value)


@pytest.mark.parametrize("value", [object(), {1: 2}, {"x": 2**70}, "\ud800", [datetime]])
def test_value_that_json_cannot_hold_is_rejected(value: Any) -> None:
    """A value that JSON cannot hold raises `ValueError`."""
    with pytest.raises(InvalidInputError, match="JSON"):
        json_bytes(value)
