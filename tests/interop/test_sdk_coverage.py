"""The page of what the client has of the vendors' SDKs."""

import re
from importlib.metadata import version

import pytest

from tests.sdk_coverage import PAGE, page, reason_of


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
