"""What servers send cannot drive the terminal, whatever command shows it."""

import json
from typing import Any

import pytest
import yaml

from di_async.cli.output import as_json, as_yaml, format_time
from di_async.core.timestamps import parse_time

ATTACK = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\u2066\nerror: forged\r\u2028\ud83d\x7f"


@pytest.fixture(params=["utf-8", "cp1252", "ascii"])
def encoding(request: pytest.FixtureRequest) -> str:
    """An encoding of stdout."""
    return str(request.param)


@pytest.mark.parametrize("value", [ATTACK, "\U0001f680 \u2588", {"\x1b": [ATTACK]}, 2**70])
def test_json_is_exact_and_printable(encoding: str, value: Any) -> None:
    """The document reads back as it was, and holds no control characters."""
    text = as_json({"v": value}, encoding=encoding)
    assert json.loads(text) == {"v": value}
    assert text.replace("\n", "").isprintable()
    text.encode(encoding)


@pytest.mark.parametrize("value", [ATTACK.replace("\ud83d", ""), "\U0001f680 \u2588", "plain"])
def test_yaml_is_exact_and_printable(encoding: str, value: Any) -> None:
    """The same for YAML."""
    text = as_yaml({"v": value}, encoding=encoding)
    assert yaml.safe_load(text) == {"v": value}
    assert text.replace("\n", "").isprintable()
    text.encode(encoding)


def test_far_times() -> None:
    """The end of the calendar is shown as it was sent, where UTC has no such time."""
    assert format_time(parse_time("9999-12-31T23:59:59-14:00")).startswith("9999-12-31 23:59:59")
    assert format_time(parse_time("0001-01-01T00:00:00+14:00")) == "-"
