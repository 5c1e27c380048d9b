"""Exoscale's own Python client and its waits, against the emulator.

It has no setting for its poll interval, so its pause between two polls (3 s at first) advances the
emulator's clock instead.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import exoscale.api.v2 as sdk  # type: ignore[import-untyped]
import pytest
import requests
from attrs import Factory, define
from exoscale.api.exceptions import (  # type: ignore[import-untyped]
    ExoscaleAPIAuthException,
    ExoscaleAPIClientException,
    ExoscaleAPIServerException,
)
from exoscale_auth import ExoscaleV2Auth  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from di_async.emulator import Emulator, Lifecycle, Options, threaded
from di_async.emulator.cloud.http import ApiError, parse_request
from di_async.emulator.exoscale.signature import verify

MODEL = "mistralai/Mistral-7B-Instruct-v0.3"
ZONE = "ch-gva-2"


@define
class Clock:
    """A clock that advances with each pause."""

    now: float = Factory(time.time)  # signatures expire by the real time

    def read(self) -> float:
        """Return the current time."""
        return self.now

    def pause(self, *_: object) -> None:
        """Advance by the vendor client's first pause."""
        self.now += 3


@pytest.fixture
def clock() -> Clock:
    """Return the emulator's clock."""
    return Clock()


@pytest.fixture(params=["documented", "observed"])
def emu(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Emulator]:
    """Run an emulator for each dialect, in which a create settles within two polls."""
    options: Options = {
        "time_scale": 100.0,
        "clock": clock.read,
        "lifecycle": Lifecycle(create=600, update=400, delete=300),
        "seed": 0,
        "dialect": request.param,
    }
    with threaded(**options) as emulator:
        yield emulator


@pytest.fixture
def client(emu: Emulator, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the vendor's client of the default zone."""
    monkeypatch.setattr(sdk, "_sleep", clock.pause)
    vendors = connect(emu)
    yield vendors
    vendors.http_client.close()


def connect(emu: Emulator, zone: str = ZONE, secret: str | None = None) -> Any:
    """Return the vendor's client of a zone."""
    url = f"{emu.exoscale_url.format(zone=zone)}/v2"
    return sdk.Client(emu.exoscale_api_key, secret or emu.exoscale_api_secret, url=url)


def until_ready(clock: Clock, get: Callable[..., dict[str, Any]], id: str) -> dict[str, Any]:
    """Return the resource once it is ready: the vendor's client only waits for operations."""
    for _ in range(5):
        if (found := get(id=id))["state"] == "ready":
            return found
        clock.pause()
    raise AssertionError(found)


def done(client: Any, operation: dict[str, Any]) -> str:
    """Return the id of a successful operation's resource."""
    assert operation["state"] == "pending"
    finished = client.wait(operation["id"])
    assert finished["state"] == "success"
    return str(finished["reference"]["id"])


def deployed(client: Any, clock: Clock) -> str:
    """Return the id of a ready deployment and of the model created for it."""
    model = done(client, client.create_model(name=MODEL))
    until_ready(clock, client.get_model, model)
    spec = {"name": "web", "gpu_type": "gpua5000", "gpu_count": 1, "replicas": 1}
    id = done(client, client.create_deployment(model={"id": model}, **spec))
    until_ready(clock, client.get_deployment, id)
    return id


def test_lifecycle_of_a_deployment(client: Any, clock: Clock, emu: Emulator) -> None:
    """Model, deployment, scale to zero, update, delete: each operation waited for."""
    id = deployed(client, clock)
    (row,) = client.list_deployments(visibility="private")["deployments"]
    assert (row["id"], row["state"], row["model"]["name"]) == (id, "ready", MODEL)
    assert "inference-engine-version" not in row
    done(client, client.scale_deployment(id=id, replicas=0))
    assert until_ready(clock, client.get_deployment, id)["replicas"] == 0
    done(client, client.update_deployment(id=id, name="new", inference_engine_parameters=[]))
    assert until_ready(clock, client.get_deployment, id)["name"] == "new"
    done(client, client.delete_deployment(id=id))
    with pytest.raises(ExoscaleAPIClientException, match="404"):
        client.get_deployment(id=id)
    (model,) = client.list_models()["models"]
    done(client, client.delete_model(id=model["id"]))
    assert (client.list_models(), emu.truth(id).exists) == ({"models": []}, False)


def test_other_operations(client: Any, clock: Clock) -> None:
    """Key, logs, zones, catalog."""
    id = deployed(client, clock)
    assert client.reveal_deployment_api_key(id=id)["api-key"]
    assert len(client.get_deployment_logs(id=id, tail=1)["logs"]) == 1
    zones = {zone["name"]: zone["api-endpoint"] for zone in client.list_zones()["zones"]}
    assert zones["ch-gva-2"] == client.endpoint
    assert client.list_ai_instance_types()["instance-types"]
    assert client.get_inference_engine_help(version="0.26.0")["parameters"]
    assert client.get_user_org_consumption_quota() == {"quota-uom-per-minute": None}


def test_ai_api_keys(client: Any, clock: Clock) -> None:
    """Its operations for AI API keys; a deletion is waited for as any other operation."""
    made = client.create_ai_api_key(name="ci key", scope="public")
    assert made["value"]
    assert [key["id"] for key in client.list_ai_api_keys()["ai-api-keys"]] == [made["id"]]
    assert "value" not in client.get_ai_api_key(id=made["id"])
    client.wait(client.delete_ai_api_key(id=made["id"])["id"])
    assert client.list_ai_api_keys()["ai-api-keys"] == []


def test_failed_operation_is_raised_with_its_reason(
    client: Any, clock: Clock, emu: Emulator
) -> None:
    """The client reads `reason` without checking that it exists."""
    id = deployed(client, clock)
    for kind, says in (
        ("operation_failed", "failure, unavailable"),
        ("operation_timeout", "timeout"),
    ):
        emu.fault(kind)
        operation = client.scale_deployment(id=id, replicas=2)
        with pytest.raises(ExoscaleAPIServerException, match=says):
            client.wait(operation["id"])


def test_errors_become_its_exceptions(client: Any, clock: Clock, emu: Emulator) -> None:
    """409, 412, 400, 404 and 5xx raise the vendor's exceptions."""
    id = deployed(client, clock)
    (model,) = client.list_models()["models"]
    with pytest.raises(ExoscaleAPIClientException, match=rf"412.*{id}"):
        client.delete_model(id=model["id"])
    emu.fault("no_capacity")
    with pytest.raises(ExoscaleAPIClientException, match=r"412.*Insufficient"):
        client.scale_deployment(id=id, replicas=2)
    with pytest.raises(ExoscaleAPIClientException, match=r"400.*replicas"):
        client.scale_deployment(id=id, replicas=-1)
    emu.fault("operation_stuck")
    client.update_deployment(id=id, name="b")
    with pytest.raises(ExoscaleAPIClientException, match="409"):
        client.delete_deployment(id=id)
    emu.fault("status", status=503)
    with pytest.raises(ExoscaleAPIServerException, match="503"):
        client.get_deployment(id=id)
    other = connect(emu, "de-fra-1")
    with pytest.raises(ExoscaleAPIClientException, match="404"):
        other.get_deployment(id=id)
    other.http_client.close()


def test_wrong_secret_is_its_authentication_error(emu: Emulator) -> None:
    """It is a 403; the list of zones, which is unsigned, still works."""
    stranger = connect(emu, secret="wrong")
    with pytest.raises(ExoscaleAPIAuthException, match="signature does not match"):
        stranger.list_deployments()
    assert stranger.list_zones()["zones"]
    stranger.http_client.close()


def test_wait_survives_a_few_server_errors(client: Any, emu: Emulator) -> None:
    """The client tolerates four server errors in a row, as it promises."""
    operation = client.create_model(name=MODEL)
    emu.fault("status", status=500, on="GET /v2/operation/{id}", times=4)
    assert client.wait(operation["id"])["state"] == "success"


# Blank values are left out: the vendor's two clients do not sign them alike.
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)


@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
    parts=st.lists(WORDS, max_size=3),
    query=st.dictionaries(WORDS.filter(lambda name: not set(name) & set(",;=")), WORDS, max_size=3),
    body=st.binary(max_size=50),
)
def test_signatures_of_the_vendors_signer_verify(
    method: str, parts: list[str], query: dict[str, str], body: bytes
) -> None:
    """Any path, arguments and body verify; with a changed body none does."""
    path = "/".join(["/v2", *(quote(part, safe="") for part in parts)])
    url = f"https://api-{ZONE}.exoscale.com{path}"
    prepared = requests.Request(method, url, params=query, data=body).prepare()
    signed = ExoscaleV2Auth("EXOkey", "secret")(prepared)

    def key(sent: bytes) -> str:
        arrived = parse_request(method, signed.path_url, dict(signed.headers), sent)
        return verify(arrived, {"EXOkey": "secret"}, clock=time.time())

    assert key(body) == "EXOkey"
    with pytest.raises(ApiError, match="does not match"):
        key(body + b"x")
