"""Tests of docs/telemetry.md: its program runs, and it lists what is exported."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "telemetry.md").read_text(encoding="utf-8")
(SCRIPT, *_) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def printed(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects of a text that follow one another."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        found.append(value)
        position += len(text[position:]) - len(text[position:].lstrip())
    return found


@pytest.mark.slow
def test_program_of_the_docs(di_emulator: Any) -> None:
    """It prints the spans and the metrics that the page lists, and nothing else."""
    env = {"DIGITALOCEAN_TOKEN": di_emulator.token, "DI_ASYNC_BASE_URL": di_emulator.url}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    values = printed(done.stdout)
    spans = {value["name"]: value for value in values if "name" in value}
    assert set(spans) == {"deploy", "di_async.wait create"}
    wait = spans["di_async.wait create"]
    assert wait["parent_id"] == spans["deploy"]["context"]["span_id"]
    keys = {key for span in spans.values() for key in span["attributes"]}
    keys |= {key for event in wait["events"] for key in event["attributes"]}
    names = set()
    for scope in _scopes(values):
        for metric in scope["metrics"]:
            names.add(metric["name"])
            keys |= {key for p in metric["data"]["data_points"] for key in p["attributes"]}
    assert names >= {"di.client.requests", "di.wait.duration", "di.wait.settle_delay_bound"}
    assert [name for name in sorted(names | keys) if f"`{name}`" not in PAGE] == []


def _scopes(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        scope
        for value in values
        for resource in value.get("resource_metrics", ())
        for scope in resource["scope_metrics"]
    ]
