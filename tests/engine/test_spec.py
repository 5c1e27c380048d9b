"""Tests of what all clouds' specs share, on a minimal spec."""

import sys
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import field, frozen

from di_async import InvalidInputError
from di_async.core.validation import filled_text, in_request, whole_number
from di_async.engine.spec import Spec, parse_text
from di_async.exoscale import DeploymentSpec
from di_async.gcore import InferenceDeploymentSpec
from tests.builders.gcore import a_spec


@frozen(kw_only=True)
class CartSpec(Spec):
    """A spec of two fields."""

    root: ClassVar[str] = "cart"
    read_only: ClassVar[frozenset[str]] = frozenset({"id"})

    name: str = field(metadata=in_request(filled_text()))
    wheels: int = field(default=2, metadata=in_request(whole_number(1)))


def test_read_and_write() -> None:
    """Read-only keys are dropped, and defaults are filled in."""
    assert CartSpec.from_dict({"name": "a", "id": 7}).to_dict() == {"name": "a", "wheels": 2}


def test_values_are_left_to_the_check() -> None:
    """A mapping with an invalid value can be read; `check` rejects it with its path."""
    spec = CartSpec.from_dict({"name": "a", "wheels": 0})
    with pytest.raises(InvalidInputError, match=r"^cart\.wheels: expected a whole number"):
        spec.check()


def test_structure_is_not() -> None:
    """A mapping that cannot be read is rejected with all its faults, invalid values included."""
    with pytest.raises(InvalidInputError) as caught:
        CartSpec.from_dict({"wheels": 0})
    assert caught.value.problems == (
        "cart.name: required",
        "cart.wheels: expected a whole number of 1 or more, not 0",
    )


def test_read_an_update() -> None:
    """An update may omit required fields, but has no unknown ones."""
    assert CartSpec.read({"wheels": 3}, update=True) == {"wheels": 3}
    with pytest.raises(InvalidInputError, match=r"cart\.weels: no such field"):
        CartSpec.read({"weels": 3}, update=True)


def test_gcore_and_exoscale_specs_from_files(tmp_path: Path) -> None:
    """Every cloud's spec can be read from a file."""
    path = tmp_path / "spec.yaml"
    path.write_text("name: web\nmodel: org/m\ngpu-type: gpua5000\n")
    assert DeploymentSpec.from_file(path) == DeploymentSpec(
        name="web", model="org/m", gpu_type="gpua5000"
    )
    path.write_text(str(a_spec()).replace("'", '"'))
    assert InferenceDeploymentSpec.from_file(path).to_dict() == a_spec()


def test_yaml_without_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the YAML package, the message says what to install."""
    monkeypatch.setitem(sys.modules, "di_async.engine.yaml_text", None)
    with pytest.raises(InvalidInputError, match=r"the spec is not JSON .*di-async\[cli\]"):
        parse_text("name: web", source="the spec")


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a", "wheels": 1, "wheels": 8}',
        '{"name": "a", "axles": [{"wheels": 1, "wheels": 8}]}',
        '{"name": "a", "\\u0077heels": 1, "wheels": 8}',
        "name: a\nwheels: 1\nwheels: 8\n",
    ],
)
def test_a_key_twice(text: str) -> None:
    """A key that appears twice is refused by name, in JSON as in YAML: no value is guessed."""
    with pytest.raises(InvalidInputError, match=r"^a file.*: the key 'wheels' appears twice"):
        parse_text(text, source="a file")


@pytest.mark.parametrize(
    "text", ['{"wheels": NaN}', f'{{"wheels": {"9" * 5000}}}', '{"wheels": ' + "[" * 100_000]
)
def test_what_only_python_reads_as_json(text: str) -> None:
    """NaN, a number of 5,000 digits and endless nesting are refused as invalid input."""
    with pytest.raises(InvalidInputError):
        CartSpec.from_text(text).check()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_only_python_writes(number: str) -> None:
    """What `json.dumps` writes for NaN is refused; read as YAML it would be sent as text."""
    with pytest.raises(InvalidInputError, match=rf"^a file: {number} is not a number of JSON"):
        parse_text(f'{{"name": "a", "config": {{"limit": {number}}}}}', source="a file")


def test_two_spellings_of_a_key() -> None:
    """`gpu-type` and `gpu_type` in one mapping are refused, and both are named."""
    spec = {"name": "a", "model": "m", "gpu-type": "gpua5000", "gpu_type": "other"}
    with pytest.raises(InvalidInputError, match="'gpu-type' and 'gpu_type' are the same field"):
        DeploymentSpec.from_dict(spec)
