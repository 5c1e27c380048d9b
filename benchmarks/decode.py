"""Cost of decoding a list page of 200 instances: `python -m benchmarks.decode`.

From the response bytes to the objects that a caller gets, in microseconds per instance.
`constructors` is the baseline: orjson, then our attrs classes called by hand, for one response
form, without nulls or missing fields. `ours` accepts both forms and reports the path of a fault.
The others are orjson alone (dicts), msgspec structs (C, one form) and the models that Stainless
generates. `summaries` is what polling decodes of a changed page: id, status and update time of
each row. `observed` is ours on the form that the vendor's Go client decodes. Memory is what a
decoded page holds.

Good: ours at most 2.1 times the constructors, Stainless at least 2.5 times ours, memory at most 0.7
of the dicts'; summaries no slower than orjson alone.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
import orjson
from gradient._models import construct_type

from benchmarks.rounds import Limit, Row, finish, median_rows, options, ratio, rounds_of
from benchmarks.server import PAGE, Fleet
from benchmarks.stainless import Listed
from di_async.digitalocean import models
from di_async.digitalocean.lifecycle import row_key
from di_async.digitalocean.models import CODEC, DedicatedInference
from di_async.digitalocean.row_summaries import read_summaries

KEY = "dedicated_inferences"
REPEAT = 5


# --- the baseline --------------------------------------------------------------------------------


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _accelerator(raw: Any) -> models.AcceleratorConfig:
    return models.AcceleratorConfig(
        raw["accelerator_slug"],
        raw["scale"],
        raw["type"],
        raw.get("status"),
        raw.get("accelerator_id"),
    )


def _deployment(raw: Any) -> models.ModelDeployment:
    return models.ModelDeployment(
        raw["model_slug"],
        tuple([_accelerator(each) for each in raw["accelerators"]]),
        raw["model_provider"],
        raw.get("model_id"),
        raw.get("provider_model_id"),
        raw["workload_config"],
    )


def _spec(raw: Any) -> models.DeploymentSpec | None:
    if raw is None:
        return None
    return models.DeploymentSpec(
        raw["name"],
        raw["version"],
        raw["region"],
        models.VPC(raw["vpc"]["uuid"]),
        raw["enable_public_endpoint"],
        tuple([_deployment(each) for each in raw["model_deployments"]]),
        raw.get("id"),
        raw.get("status"),
        _time(raw.get("created_at")),
        _time(raw.get("updated_at")),
    )


def _endpoints(raw: Any) -> models.Endpoints | None:
    if raw is None:
        return None
    return models.Endpoints(raw.get("public_endpoint_fqdn"), raw.get("private_endpoint_fqdn"))


def by_hand(raw: Any) -> DedicatedInference:
    """Return an instance in the documented form, by calling the classes."""
    return DedicatedInference(
        raw["id"],
        raw["status"],
        raw["spec"]["name"],
        raw["region"],
        raw["vpc_uuid"],
        _endpoints(raw.get("endpoints")),
        _spec(raw.get("spec")),
        _spec(raw.get("pending_deployment_spec")),
        (),
        _time(raw.get("created_at")),
        _time(raw.get("updated_at")),
    )


# --- other decoders ------------------------------------------------------------------------------


class _Accelerator(msgspec.Struct):
    accelerator_slug: str
    scale: int
    type: str
    status: str | None = None


class _Deployment(msgspec.Struct):
    model_slug: str
    accelerators: list[_Accelerator]
    model_provider: str
    model_id: str | None = None
    workload_config: dict[str, Any] | None = None


class _Vpc(msgspec.Struct):
    uuid: str


class _Spec(msgspec.Struct):
    name: str
    version: int
    region: str
    vpc: _Vpc
    enable_public_endpoint: bool
    model_deployments: list[_Deployment]
    id: str | None = None
    status: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class _Endpoints(msgspec.Struct):
    public_endpoint_fqdn: str | None = None
    private_endpoint_fqdn: str | None = None


class _Instance(msgspec.Struct):
    id: str
    status: str
    region: str
    vpc_uuid: str
    endpoints: _Endpoints | None = None
    spec: _Spec | None = None
    pending_deployment_spec: _Spec | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class _Page(msgspec.Struct):
    dedicated_inferences: list[_Instance]


_PAGE = msgspec.json.Decoder(_Page)


def _rows(body: bytes) -> Any:
    return orjson.loads(body)[KEY]


def _ours(body: bytes) -> list[DedicatedInference]:
    return [CODEC.structure(row, DedicatedInference) for row in _rows(body)]


WAYS: dict[str, Callable[[bytes], list[Any]]] = {
    "orjson": _rows,
    "ours": _ours,
    "constructors": lambda body: [by_hand(row) for row in _rows(body)],
    "msgspec": lambda body: _PAGE.decode(body).dedicated_inferences,
    "stainless": lambda body: _stainless(body).dedicated_inferences,
    "summaries": lambda body: [row_key(row) for row in read_summaries(body).rows],
}


def _stainless(body: bytes) -> Any:
    return construct_type(value=orjson.loads(body), type_=Listed)


# --- the measurement -----------------------------------------------------------------------------


def check(body: bytes, observed: bytes) -> None:
    """Check that all decoders find the same instances, and that ours equals the baseline."""
    ids = [row["id"] for row in _rows(body)]
    ours = _ours(body)
    assert ours == [by_hand(row) for row in _rows(body)]
    assert [row.id for row in _PAGE.decode(body).dedicated_inferences] == ids
    assert [row.id for row in _stainless(body).dedicated_inferences] == ids
    assert [id for id, _ in WAYS["summaries"](body)] == ids
    assert isinstance(ours[0].created_at, datetime)
    assert len(_ours(observed)) == len(ids) == PAGE


def again(way: Callable[[bytes], object], body: bytes) -> Callable[[], Awaitable[None]]:
    """Return the work of one round."""

    async def work() -> None:
        for _ in range(REPEAT):
            way(body)

    return work


def held(way: Callable[[bytes], object], body: bytes) -> float:
    """Return the bytes that a decoded page holds per instance."""
    way(body)  # caches are filled by the first run
    gc.collect()
    tracemalloc.start()
    rows = way(body)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert rows
    return size / PAGE


def measure(rounds: int) -> list[Row]:
    """Return all figures."""
    body, observed = Fleet(PAGE).page(), Fleet(PAGE, dialect="observed").page()
    check(body, observed)
    ways = {name: again(way, body) for name, way in WAYS.items()}
    ways["observed"] = again(_ours, observed)
    times = asyncio.run(rounds_of(ways, rounds, each=REPEAT * PAGE))
    dicts, objects = held(_rows, body), held(_ours, body)
    limits = {
        "ours_x_constructors": (ratio(times, "ours", "constructors"), Limit(most=2.1)),
        "stainless_x_ours": (ratio(times, "stainless", "ours"), Limit(least=2.5)),
        "summaries_x_orjson": (ratio(times, "summaries", "orjson"), Limit(most=1.0)),
        "dict_bytes": (dicts, Limit()),
        "ours_bytes": (objects, Limit()),
        "bytes_x_dict": (objects / dicts, Limit(most=0.7)),
    }
    rows = [limit.row("decode-200", name, value) for name, (value, limit) in limits.items()]
    return [*median_rows("decode-200", times), *rows]


def main() -> None:
    """Measure and print; exit with 1 if a bound is missed."""
    args = options(__doc__, rounds=25).parse_args()
    finish(measure(args.rounds), args.json)


if __name__ == "__main__":
    main()
