"""No secret is shown by an error: not by its text, nor by the variables of the library's frames."""

import inspect
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import attrs
import pytest
from msgspec import Struct
from rich.pretty import pretty_repr

import di_async
from di_async import (
    DIError,
    DigitalOcean,
    Exoscale,
    Fleet,
    Gcore,
    RetryPolicy,
    Secret,
    TransportError,
    apply,
)
from di_async.core.http import Request, Response
from di_async.core.redaction import SECRET_FIELDS
from di_async.engine.client import Client
from di_async.fleet.apply_report import ApplyReport
from tests.support import VIRTUAL

PLANT = "PLANTED"
TOKEN = "dop-v1-PLANTED-account-token"
ID = "11111111-1111-4111-8111-111111111111"

DO_SPEC = {
    "name": "one",
    "region": "atl1",
    "model_deployments": [
        {
            "model_slug": "openai/gpt-oss-20b",
            "accelerators": [{"accelerator_slug": "gpu-mi300x1-192gb"}],
        }
    ],
}
GCORE_SPEC = {
    "name": "chat",
    "image": "x",
    "listening_port": 80,
    "flavor_name": "f",
    "command": ["serve", "--api-key", "PLANTED-command"],
    "envs": {"KEY": "PLANTED-env"},
    "containers": [{"region_id": 1, "scale": {"min": 1, "max": 1}}],
}
EXOSCALE_SPEC = {
    "name": "c",
    "model": "m",
    "gpu-type": "a",
    "inference-engine-parameters": ["--api-key", "PLANTED-parameter"],
}
HF = {"hugging_face_token": "hf-PLANTED-token"}
KEY = "PLANTED-key"


class Network:
    """A transport whose every request ends in the same way."""

    def __init__(self, end: Callable[[Request], Response]) -> None:
        self._end = end

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def send(
        self, request: Request, headers: Mapping[str, str], again: Callable[[], Awaitable[None]]
    ) -> Response:
        """Return or raise what `end` does."""
        return self._end(request)


JSON = {"content-type": "application/json"}


def lost(request: Request) -> Response:
    """Lose the answer."""
    raise TransportError("lost", method=request.method, path=request.path)


def echo(request: Request) -> Response:
    """Refuse, and quote the request in every known error form."""
    import orjson

    sent = (request.body or b"").decode()
    fields = dict.fromkeys(
        ("id", "message", "title", "detail", "exception_class", "error", "request_id"), sent
    )
    return Response(422, JSON, orjson.dumps(fields))


def wrong_shape(request: Request) -> Response:
    """Succeed with a body of the wrong shape that holds a one-time token."""
    value = b'"PLANTED-one-time"'
    body = b'{"token":{"value":%s},"api-key":[%s],"tasks":%s,"dedicated_inference":%s,"id":[1]}'
    return Response(200, JSON, body % ((value,) * 4))


async def enter(context: AbstractAsyncContextManager[Any]) -> None:
    """Enter a context manager, which raises."""
    async with context:
        pass


def fleet(provider: str, spec: Mapping[str, Any]) -> Fleet:
    """Return a fleet of one deployment."""
    return Fleet.from_dict({"deployments": [{"provider": provider, "spec": spec}]})


def calls() -> Iterator[Any]:
    """Yield the provider, a name and a function for each call that handles a secret."""
    do: dict[str, Callable[[Any], Awaitable[Any]]] = {
        "create": lambda c: c.dedicated_inferences.create(DO_SPEC, access_tokens=HF),
        "update": lambda c: c.dedicated_inferences.update(ID, access_tokens=HF),
        "create_token": lambda c: c.dedicated_inferences.create_token(ID, "n"),
        "list_tokens": lambda c: c.dedicated_inferences.list_tokens(ID).collect(),
        "request": lambda c: c.request("POST", "/v2/x", json={"token": "PLANTED-json"}),
        "bad id": lambda c: c.dedicated_inferences.update("", access_tokens=HF),
        "bad path": lambda c: c.request("POST", "x", json={"token": "PLANTED-json"}),
        "bad json": lambda c: c.request("POST", "/x", json={"token": "PLANTED-json", "x": {1, 2}}),
        "bad argument": lambda c: c.dedicated_inferences.create(DO_SPEC, tokens=HF),
        "connect": lambda c: c.dedicated_inferences.connect(ID, access_token=KEY, timeout=0),
        "connect a change": lambda c: c.dedicated_inferences.begin_wait(ID).connect(
            access_token=KEY, timeout=0
        ),
        "bad key": lambda c: c.dedicated_inferences.connect(ID, access_token=f"{KEY}\n"),
        "bad kind of key": lambda c: c.dedicated_inferences.connect(ID, access_token=[KEY]),
        "temporary": lambda c: enter(
            c.dedicated_inferences.temporary(
                DO_SPEC, connect=True, connect_options={"access_token": KEY}, access_tokens=HF
            )
        ),
        "temporary, bad key": lambda c: enter(
            c.dedicated_inferences.temporary(
                DO_SPEC, connect=True, connect_options={"access_token": f"{KEY}\n"}
            )
        ),
        "temporary, bad argument": lambda c: enter(
            c.dedicated_inferences.temporary(DO_SPEC, tokens=HF)
        ),
        "first": lambda c: c.dedicated_inferences.create_first_available(
            DO_SPEC, regions=["atl1"], access_tokens=HF
        ),
        "apply": lambda c: apply(
            fleet("digitalocean", DO_SPEC), c, options={"digitalocean": {"access_tokens": HF}}
        ),
        "apply without client": lambda c: apply(
            fleet("gcore", GCORE_SPEC), c, options={"gcore": {"envs": KEY}}
        ),
    }
    gcore: dict[str, Callable[[Any], Awaitable[Any]]] = {
        "create": lambda c: c.inference_deployments.create(GCORE_SPEC),
        "update": lambda c: c.inference_deployments.update(
            "chat", {"envs": {"KEY": "PLANTED-env"}, "command": ["PLANTED-command"]}
        ),
        "bad spec": lambda c: c.inference_deployments.create({**GCORE_SPEC, "name": 5}),
        "temporary": lambda c: enter(c.inference_deployments.temporary(GCORE_SPEC)),
        "temporary, bad spec": lambda c: enter(
            c.inference_deployments.temporary({**GCORE_SPEC, "name": 5})
        ),
        "first": lambda c: c.inference_deployments.create_first_available(
            GCORE_SPEC, regions=[1, 2]
        ),
        "apply": lambda c: apply(fleet("gcore", GCORE_SPEC), c),
        "bad command": lambda c: c.inference_deployments.create(
            {**GCORE_SPEC, "command": "PLANTED-command"}
        ),
        "secret": lambda c: c.secrets.create(
            "n", aws_access_key_id="PLANTED-id", aws_secret_access_key=Secret("PLANTED-aws")
        ),
    }
    exoscale: dict[str, Callable[[Any], Awaitable[Any]]] = {
        "create": lambda c: c.deployments.create(EXOSCALE_SPEC),
        "create_model": lambda c: c.models.create("m", Secret("hf-PLANTED-token")),
        "reveal": lambda c: c.deployments.reveal_api_key(ID),
        "temporary": lambda c: enter(c.deployments.temporary(EXOSCALE_SPEC)),
        "apply": lambda c: apply(fleet("exoscale", EXOSCALE_SPEC), c),
        "bad parameters": lambda c: c.deployments.create(
            {**EXOSCALE_SPEC, "inference-engine-parameters": "PLANTED-parameter"}
        ),
    }
    for make, table in ((digitalocean, do), (gcore_client, gcore), (exoscale_client, exoscale)):
        for name, call in table.items():
            yield pytest.param(make, call, id=f"{make.__name__}-{name}")


def digitalocean(network: Network) -> Client:
    """Return a DigitalOcean client."""
    return DigitalOcean(TOKEN, transport=network, budget=None, retry=RetryPolicy(attempts=1))


def gcore_client(network: Network) -> Client:
    """Return a Gcore client."""
    retry = RetryPolicy(attempts=1)
    return Gcore("1$PLANTEDkey", 1, transport=network, budget=None, retry=retry)


def exoscale_client(network: Network) -> Client:
    """Return an Exoscale client."""
    retry = RetryPolicy(attempts=1)
    return Exoscale("EXOkey", "PLANTED-secret", transport=network, budget=None, retry=retry)


def leaks(error: BaseException) -> list[str]:
    """Return where an error, its causes or any frame but the tests' shows a planted secret."""
    found: list[str] = []
    seen: set[int] = set()
    stack: list[BaseException | None] = [error]
    while stack:
        one = stack.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        stack += [one.__cause__, one.__context__]
        if PLANT in f"{one} {one!r} {getattr(one, '__notes__', '')} {one.__dict__}":
            found.append(f"{type(one).__name__}: {one!r}")
        shown = traceback.TracebackException.from_exception(one, capture_locals=True)
        for frame in shown.stack:
            if "/tests/" not in frame.filename:
                named = (frame.locals or {}).items()
                where = f"{frame.filename.rpartition('/di_async/')[2]} {frame.name}"
                found += [f"{where}: {name}" for name, text in named if PLANT in text]
    return found


@VIRTUAL
@pytest.mark.parametrize("end", [lost, echo, wrong_shape], ids=lambda end: end.__name__)
@pytest.mark.parametrize(("make", "call"), list(calls()))
async def test_no_error_shows_a_secret(
    make: Callable[[Network], Client],
    call: Callable[[Any], Awaitable[Any]],
    end: Callable[[Request], Response],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever goes wrong, no text, cause, log record or local variable shows a secret."""
    caplog.set_level(logging.DEBUG)
    found: list[str] = []
    async with make(Network(end)) as client:
        try:
            result = await call(client)
        except (DIError, TypeError) as error:
            found = leaks(error)
        else:
            if isinstance(result, ApplyReport):
                found = [leak for one in result.failed if one.error for leak in leaks(one.error)]
            raw = isinstance(result, dict)  # of `request`, which returns what the API sends
            found += [repr(result)] if PLANT in repr(result) and not raw else []
    assert found == []
    assert PLANT not in caplog.text


@pytest.mark.parametrize(
    "construct",
    [
        lambda: DigitalOcean(TOKEN, base_url="http://evil.example"),
        lambda: DigitalOcean(TOKEN + " x"),
        lambda: DigitalOcean(TOKEN, proxy="http://user:PLANTED-password@\n"),
        lambda: Gcore(TOKEN, project_id="x"),
        lambda: Exoscale(TOKEN, "PLANTED-secret", base_url="http://evil.example"),
    ],
)
def test_failed_constructor(construct: Callable[[], Client]) -> None:
    """A constructor that raises keeps no credential in the variables of the library's frames."""
    with pytest.raises(DIError) as failed:
        construct()
    shown = traceback.TracebackException.from_exception(failed.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "di_async" in frame.filename.replace("tests", "")]
    assert ours
    for frame in ours:
        if "/tests/" not in frame.filename:
            assert PLANT not in str(frame.locals)
    assert PLANT not in str(failed.value)


def value_classes() -> Iterator[type]:
    """Yield each attrs class and Struct of the package, but for the command and the emulator."""
    for module in walk_packages(di_async.__path__, "di_async."):
        if module.name.split(".")[1] in ("airflow", "cli", "emulator", "telemetry", "__main__"):
            continue
        for found in vars(import_module(module.name)).values():
            if not inspect.isclass(found) or found.__module__ != module.name:
                continue
            if attrs.has(found) or issubclass(found, Struct):
                yield found


def shown_fields(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield name and type of each field that the repr of a class shows as it is."""
    if issubclass(cls, Struct):
        yield from cls.__annotations__.items()
    elif attrs.has(cls):
        yield from ((one.name, one.type) for one in attrs.fields(cls) if one.repr is True)


def test_specs_and_options_are_masked_in_reprs() -> None:
    """What a class holds of a caller's spec, options or environment, its repr does not show."""
    names = SECRET_FIELDS | {"spec", "options", "connect_options", "access_token"}
    shown = [
        f"{cls.__name__}.{name}"
        for cls in value_classes()
        for name, of in shown_fields(cls)
        if name in names and re.search("Any|Mapping|dict", str(of))
    ]
    assert shown == []


@pytest.mark.parametrize(
    ("make", "show"),
    [
        (
            digitalocean,
            lambda c: c.dedicated_inferences.temporary(
                DO_SPEC, connect_options={"access_token": KEY}, access_tokens=HF
            ),
        ),
        (gcore_client, lambda c: c.inference_deployments.temporary(GCORE_SPEC)),
        (exoscale_client, lambda c: c.deployments.temporary(EXOSCALE_SPEC)),
    ],
)
def test_temporary_shows_no_secret(
    make: Callable[[Network], Client], show: Callable[[Any], Any]
) -> None:
    """Neither its repr nor a tool that looks into attrs classes, such as rich, shows one."""
    found = show(make(Network(lost)))
    assert PLANT not in repr(found)
    assert PLANT not in pretty_repr(found, max_width=10_000)
