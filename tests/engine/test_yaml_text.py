"""Tests of YAML texts: one meaning for every program, in bounded time and memory."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from di_async import DIError, InvalidInputError
from di_async.core.request_body import to_wire
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.engine.spec import parse_text
from di_async.exoscale import DeploymentSpec
from di_async.gcore import InferenceDeploymentSpec, InferenceInstanceSpec

SPECS = (
    DedicatedInferenceSpec,
    DeploymentSpec,
    InferenceDeploymentSpec,
    InferenceInstanceSpec,
)


def read(text: str) -> Any:
    """Return the value of the key `a`."""
    return parse_text(f"a: {text}", source="spec.yaml")["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("-3", -3),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        # YAML 1.1 and 1.2 disagree:
        *((text, text) for text in ("1:30", "0b11", "1_0", "0o10", "08", "1e3", "yes", "no", "on")),
        *((text, text) for text in ("2026-10-01", "2026-13-45", "2026-02-30T25:61:61Z", "0x_")),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    """A value is a number, true or false only where all versions of YAML agree."""
    found = read(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["# Title\n\nText: with: colons", "a: [b", "a: 'b"])
def test_text_that_is_not_yaml(text: str) -> None:
    """The message says so before the parser's words, which few people know."""
    where = r"^spec\.yaml at line \d+, column \d+: invalid YAML"
    with pytest.raises(InvalidInputError, match=where):
        parse_text(text.encode(), source="spec.yaml")


@pytest.mark.parametrize(
    "text",
    ["010", "-017", ".inf", ".nan", ".NaN", "!!int many", "!!float x", "!!bool maybe", "9" * 5000],
)
def test_invalid_values(text: str) -> None:
    """A value that is ambiguous or that its tag forbids is refused, with its place."""
    with pytest.raises(InvalidInputError, match=r"^spec\.yaml at line 1, column 4: "):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "!!timestamp 2026-01-01",
        "!!binary aa==",
        "!!set {x}",
        "!!python/object/apply:os.getcwd []",
        "!own x",
        "&x [*x]",
        "{<<: 5}",
        "[" * 10_000,
        "1\na: 2",
        "1\n2: b",
        "'\\ud800",
        "1\n---\na: 2",
        "\x07",
    ],
)
def test_invalid_texts(text: str) -> None:
    """Anything else is refused, too, and only ever by `InvalidInputError`."""
    with pytest.raises(InvalidInputError, match=r"^spec\.yaml"):
        read(text)


def bomb(*, merge: bool = False) -> str:
    """Return twelve lines that stand for 9 ** 9 values."""
    lines = ["x0: &x0 {a: b}"]
    for i in range(1, 10):
        aliases = [f"*x{i - 1}"] * 9
        fields = ", ".join(f"k{j}: {alias}" for j, alias in enumerate(aliases))
        lines.append(
            f"x{i}: &x{i} {{<<: [{', '.join(aliases)}]}}" if merge else f"x{i}: &x{i} {{{fields}}}"
        )
    return "\n".join(lines)


@pytest.mark.parametrize("merge", [False, True])
def test_aliases_are_counted(merge: bool) -> None:
    """A text that grows beyond 20,000 values is refused before it grows."""
    with pytest.raises(InvalidInputError, match=r"^a file at line \d+, .*: more than 20000 values"):
        parse_text(bomb(merge=merge), source="a file")


@pytest.mark.parametrize("cls", SPECS)
def test_specs_of_nested_mappings(cls: Any) -> None:
    """A caller's mapping that stands for too many values, or contains itself, is refused."""
    with pytest.raises(InvalidInputError):
        cls.from_dict(yaml.safe_load(bomb()))
    endless: dict[str, Any] = {}
    endless["envs"] = endless["model"] = endless["vpc"] = endless
    with pytest.raises(InvalidInputError):
        cls.from_dict(endless)
    with pytest.raises(InvalidInputError, match="more than 100000 values"):
        to_wire(yaml.safe_load(bomb()))


def test_two_merges() -> None:
    """Two `<<` in one mapping are refused: which one counts is not guessed."""
    with pytest.raises(InvalidInputError, match=r"the key '<<' appears twice; use it once"):
        read("{<<: {region: nyc2}, <<: {region: atl1}}")


def test_a_merge_that_is_merged_again() -> None:
    """A key that overrides a merged one is not a key that appears twice, wherever it is merged."""
    text = "b: &b {scale: 1}\nlist: [&c {<<: *b, scale: 2}]\nlast: {<<: *c, type: t}\n"
    assert parse_text(text, source="a file")["last"] == {"scale": 2, "type": "t"}


def test_numbers_that_json_lacks() -> None:
    """NaN and infinity are refused; JSON would hold null."""
    with pytest.raises(InvalidInputError, match="cannot be sent as JSON"):
        to_wire({"a": [float("nan")]})


@given(st.text() | st.binary())
def test_any_text(raw: str | bytes) -> None:
    """Whatever the input is, the result is a mapping or a named error."""
    try:
        parse_text(raw, source="a file")
    except DIError as error:
        assert isinstance(error, InvalidInputError)  # noqa: PT017
