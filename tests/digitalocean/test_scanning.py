"""Rows of a scan: decoding them from bytes equals decoding models."""

from typing import Any

import orjson
import pytest

from di_async import DecodeError
from di_async.core.inventory import InventoryRow, Prices
from di_async.digitalocean import scanning
from di_async.digitalocean.models import CODEC, DedicatedInference
from di_async.digitalocean.row_summaries import KEY
from di_async.digitalocean.scanning import decode_row, read_rows, row_of
from di_async.emulator import World

STATUSES = ("active", "updating", "error", "new", "deleting", "provisioning")
PLAIN: dict[str, Any] = {
    "id": "x",
    "status": "ACTIVE ",
    "name": "web",
    "region": "atl1",
    "spec": {
        "name": "web",
        "model_deployments": [
            {"model_slug": "m", "accelerators": [{"accelerator_slug": "g", "scale": 2}]}
        ],
    },
}
UNUSUAL: tuple[dict[str, Any], ...] = (
    {"spec": None, "provider_model_id": "m"},
    {"spec": None, "provider_model_id": None},
    {"spec": None, "deployment_spec": PLAIN["spec"]},
    {"spec": None, "pending_deployment_spec": PLAIN["spec"]},
    {"name": None},
    {"region": None, "spec": {**PLAIN["spec"], "region": "tor1"}},
    {"status": None},
    {"spec": {"model_deployments": None}},
    {"spec": {"model_deployments": [{"model_slug": None, "accelerators": None}]}},
    {"spec": {"model_deployments": [{"accelerators": [{"accelerator_slug": "g"}]}]}},
    {"spec": {"model_deployments": [
        {"model_slug": "m", "accelerators": [{"accelerator_slug": "g", "scale": "3"}]}]}},
    {"updated_at": "1970-01-01T00:00:00Z", "created_at": "nonsense"},
    {"updated_at": "2030-01-01T00:00:00", "created_at": "2030-01-01T02:00:00.5+02:00"},
    {"updated_at": ""},
    {"pending_deployment_spec": {}},
    {"spec": {}},
    {"id": 7},
)  # fmt: skip


def both(raw: dict[str, Any]) -> tuple[Any, Any]:
    """Return the row decoded from bytes, and by way of a model."""
    prices = Prices()
    return (
        decode_row(read_rows(orjson.dumps({KEY: [raw]}), "do", prices).rows[0], "do", prices),
        row_of(CODEC.structure(raw, DedicatedInference), "do", prices),
    )


def rows(body: bytes) -> list[InventoryRow]:
    """Return the rows of a page."""
    return [decode_row(row, "do", Prices()) for row in read_rows(body, "do", Prices()).rows]


@pytest.mark.parametrize("dialect", ["documented", "observed"])
def test_both_ways_agree_on_the_emulator_s_rows(dialect: Any) -> None:
    """The rows are equal in every state and both response shapes."""
    world = World(dialect, seed=0)
    for status in STATUSES:
        world.add_instance(now=0.0, name=status, status=status, scale=2)
    auth = {"authorization": f"Bearer {world.token}", "host": "x"}
    body = orjson.loads(world.handle(1.0, "GET", "/v2/dedicated-inferences", auth).body)
    rows = [both(raw) for raw in body["dedicated_inferences"]]
    assert len(rows) == len(STATUSES)
    assert all(short == long for short, long in rows)


@pytest.mark.parametrize("odd", UNUSUAL, ids=str)
def test_both_ways_agree_on_unusual_rows(odd: dict[str, Any]) -> None:
    """Missing, null and mistyped fields are read as the models read them."""
    short, long = both({**PLAIN, **odd})
    assert short == long


def test_row_that_is_not_an_instance() -> None:
    """The error names the path of the missing field."""
    with pytest.raises(DecodeError, match="id"):
        rows(orjson.dumps({KEY: [{"status": "active", "region": "atl1"}]}))


def test_usual_pages_build_no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Usual rows are decoded without the codec."""
    monkeypatch.setattr(scanning, "CODEC", None)
    page = read_rows(orjson.dumps({KEY: [PLAIN], "meta": {"total": 1}}), "do", Prices())
    assert [row.id for row in page.rows] == ["x"]
    assert page.total == 1
