"""The version of the inference engine that a deployment gets by default."""

import json
from importlib.resources import files

import pytest

from di_async.emulator import threaded
from di_async.emulator.exoscale.catalog import ENGINE_VERSION
from di_async.emulator.world import World


def test_default_is_the_vendors() -> None:
    """The emulator's default is the one of the vendor's newest API description."""
    pytest.importorskip("exoscale")
    description = json.loads((files("exoscale") / "openapi.json").read_text())
    assert description["components"]["schemas"]["inference-engine-version"]["default"] == (
        ENGINE_VERSION
    )


def test_option() -> None:
    """`engine_version` is what deployments get that name no version."""
    with threaded(engine_version="0.19.1") as emu:
        assert emu.add_exoscale_deployment(name="one").version == "0.19.1"


def test_malformed_version() -> None:
    """A version has three numbers."""
    with pytest.raises(ValueError, match="engine_version"):
        World(engine_version="new")
