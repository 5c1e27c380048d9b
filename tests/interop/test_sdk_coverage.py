"""The page of what the client has of the vendors' SDKs."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.sdk_coverage import DIGITALOCEAN, EXOSCALE, GCORE, PAGE, page, reason_of


def test_coverage_page_is_up_to_date() -> None:
    """`docs/coverage.md` is what `python -m tests.sdk_coverage` writes, and nothing is missing."""
    text = PAGE.read_text(encoding="utf-8")
    for package, described in re.findall(r"^(pydo|gcore|exoscale) ([\d.]+)$", text, re.MULTILINE):
        if _numbers(version(package)) < _numbers(described):
            pytest.skip(f"{package} is older than the one that the page describes")
    assert text == page(), "run: python -m tests.sdk_coverage"
    assert "**" not in text


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def test_a_field_without_a_reason_is_missing() -> None:
    """Only named fields may be left out."""
    assert reason_of("hf_token")
    assert reason_of("status") is None


@pytest.mark.parametrize(
    ("file", "operations"),
    [
        ("test_pydo.py", DIGITALOCEAN),
        ("test_gcore.py", GCORE),
        ("test_exoscale.py", EXOSCALE),
    ],
)
def test_every_covered_operation_is_called_by_its_sdk(file: str, operations: Iterable[str]) -> None:
    """The vendor's own SDK uses each of them against the emulator, in the tests beside this one."""
    source = (Path(__file__).parent / file).read_text(encoding="utf-8")
    assert [name for name in operations if not _is_named(name, source)] == []


def _is_named(operation: str, source: str) -> bool:
    """Return whether a test names the method of an operation, with its resource if there is one."""
    *_, resource, method = ("", *operation.replace("-", "_").split("."))
    known = resource in ("", "dedicated_inferences", "genai")
    owner = "" if known else rf"(?:{resource}|{resource.rpartition('_')[2]})\."
    return re.search(rf"\b{owner}{method}\w*\b", source) is not None
