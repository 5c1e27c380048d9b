"""Tests of the public API: names, docstrings, signatures and defaults."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import di_async
from di_async import DigitalOcean, PollPolicy, RequestBudget, RetryPolicy
from di_async.digitalocean import DedicatedInferences
from di_async.engine.waiting.change import DEFAULT, Change

ERRORS = [
    "DIError",
    "TransportError",
    "ConnectError",
    "RequestTimeoutError",
    "OutcomeUnknownError",
    "APIError",
    "BadRequestError",
    "AuthenticationError",
    "PermissionDeniedError",
    "PriceLimitError",
    "NotFoundError",
    "ConflictError",
    "UnprocessableEntityError",
    "RateLimitError",
    "ServerError",
    "DecodeError",
    "WaitError",
    "WaitTimeoutError",
    "DeploymentFailedError",
    "ResourceVanishedError",
    "SupersededError",
    "WaitRefusedError",
    "ClientClosedError",
    "CleanupError",
    "NoCapacityError",
    "InvalidInputError",
]
PROMISED = [
    *("DigitalOcean", "GatewayError", "Gcore", "Exoscale", "Change", "Secret", "StatusChange"),
    *("RetryPolicy", "PollPolicy", "RequestBudget", "DurationModel", *ERRORS),
    *("WaitReport", "Inventory", "as_completed", "scan", "wait_all"),
    *("Ensured", "HourlyPrice", "Placement", "ServingEndpoint"),
    *("Attempt", "ReapReport", "reap"),
    *("ApplyReport", "Fleet", "apply"),
]
CLASSES = [kind for name in PROMISED if inspect.isclass(kind := getattr(di_async, name))]
FUNCTIONS = [
    di_async.apply,
    di_async.as_completed,
    di_async.reap,
    di_async.scan,
    di_async.wait_all,
]
NEEDED = inspect.Parameter.empty


def test_all_has_the_promised_names() -> None:
    """`__all__` has the promised names, sorted."""
    assert sorted(PROMISED) == sorted(di_async.__all__)
    assert di_async.__all__ == sorted(di_async.__all__)


def test_no_other_public_names() -> None:
    """The package has no other public name, except its subpackages."""
    public = {
        n for n, v in vars(di_async).items() if not n.startswith("_") and not _is_subpackage(v)
    }
    assert public == set(di_async.__all__)


def _is_subpackage(value: object) -> bool:
    return inspect.ismodule(value)


def test_star_import() -> None:
    """`from di_async import *` imports all of `__all__`."""
    names: dict[str, Any] = {}
    exec("from di_async import *", names)  # noqa: S102 - a star is not allowed in a function
    assert set(di_async.__all__) <= set(names)


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the class's own public methods and properties."""
    for base in kind.__mro__:
        if base.__module__.startswith("di_async"):
            for name, value in vars(base).items():
                if not name.startswith("_") and (callable(value) or isinstance(value, property)):
                    yield f"{base.__name__}.{name}", value


@pytest.mark.parametrize("kind", [*CLASSES, DedicatedInferences], ids=lambda c: c.__name__)
def test_every_public_name_has_a_docstring(kind: type) -> None:
    """Every public class, method and property has a docstring."""
    assert (kind.__doc__ or "").strip()
    silent = [name for name, value in members(kind) if not inspect.getdoc(value)]
    assert silent == []


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_every_public_callable_is_typed(kind: type) -> None:
    """Every argument and result of a public callable has a type."""
    for name, value in members(kind):
        function = inspect.unwrap(getattr(value, "fget", value))
        if not inspect.isfunction(function):
            continue
        signature = inspect.signature(function)
        bare = [
            p for n, p in signature.parameters.items() if n != "self" and p.annotation is NEEDED
        ]
        assert (bare, signature.return_annotation is NEEDED) == ([], False), name


def shape(function: Any) -> dict[str, tuple[bool, Any]]:
    """Return for each argument whether it is keyword-only, and its default."""
    arguments = inspect.signature(function).parameters.items()
    return {
        name: (p.kind is inspect.Parameter.KEYWORD_ONLY, p.default)
        for name, p in arguments
        if name != "self"
    }


def test_arguments_of_the_client() -> None:
    """All arguments of the client but the token are keyword-only, with the promised defaults."""
    promised = {
        "token": (False, None),
        "base_url": (True, "https://api.digitalocean.com"),
        "retry": (True, None),
        "polling": (True, None),
        "budget": (True, DEFAULT),
        "request_timeout": (True, 30.0),
        "max_connections": (True, 100),
        "proxy": (True, None),
        "ssl": (True, None),
        "secrets_key": (True, "access_tokens"),
        "user_agent": (True, None),
        "session": (True, None),
        "trace_configs": (True, ()),
    }
    assert promised.items() <= shape(DigitalOcean).items()


ASKED = (False, NEEDED)
METHODS: dict[str, tuple[str, dict[str, tuple[bool, Any]]]] = {
    "list": ("i", {"region": (True, None), "name": (True, None), "page_size": (True, 200)}),
    "get": ("c", {"id": ASKED}),
    "find": ("c", {"name": ASKED}),
    "create": (
        "c",
        {
            "spec": ASKED,
            "access_tokens": (True, None),
            "max_hourly": (True, None),
            "allow_unknown_price": (True, False),
            "name_timeout": (True, 0),
        },
    ),
    "ensure": (
        "c",
        {
            "spec": ASKED,
            "dry_run": (True, False),
            "access_tokens": (True, None),
            "max_hourly": (True, None),
            "allow_unknown_price": (True, False),
            "name_timeout": (True, 0),
        },
    ),
    "hourly_price": ("c", {"spec": ASKED}),
    "find_capacity": ("c", {"spec": ASKED, "include_full": (True, False)}),
    "update": (
        "c",
        {
            "id": ASKED,
            "spec": (True, None),
            "access_tokens": (True, None),
            "ready_timeout": (True, 0),
        },
    ),
    "scale": (
        "c",
        {
            "id": ASKED,
            "replicas": ASKED,
            "model": (True, None),
            "accelerator_slug": (True, None),
            "type": (True, None),
        },
    ),
    "delete": ("c", {"id": ASKED}),
    "wait_until_active": ("c", {"id": ASKED, "timeout": (True, DEFAULT)}),
    "wait_until_deleted": ("c", {"id": ASKED, "timeout": (True, DEFAULT)}),
    "connect": (
        "c",
        {
            "id": ASKED,
            "timeout": (True, DEFAULT),
            "access_token": (True, None),
            "private": (True, False),
            "probe": (True, "chat"),
            "mint_token": (True, None),
        },
    ),
    "begin_wait": ("p", {"id": ASKED, "deleted": (True, False), "seen": (True, None)}),
    "wait_until": ("c", {"id": ASKED, "predicate": ASKED, "timeout": (True, DEFAULT)}),
    "watch": ("i", {"id": (False, None), "region": (True, None)}),
    "resume": ("p", {"token": ASKED}),
    "list_accelerators": ("i", {"id": ASKED, "slug": (True, None)}),
    "list_tokens": ("i", {"id": ASKED}),
    "get_accelerator": ("c", {"id": ASKED, "accelerator_id": ASKED}),
    "create_token": ("c", {"id": ASKED, "name": ASKED}),
    "revoke_token": ("c", {"id": ASKED, "token_id": ASKED}),
    "ca_certificate": ("c", {"id": ASKED}),
    "temporary": (
        "p",
        {"spec": ASKED, "timeout": (True, DEFAULT), "connect": (True, False)},
    ),
    "create_first_available": (
        "c",
        {"spec": ASKED, "regions": (True, None), "accelerators": (True, None)},
    ),
    "deployable": ("p", {}),
    "sizes": ("c", {}),
    "gpu_model_configs": ("c", {}),
}


@pytest.mark.parametrize("name", METHODS)
def test_arguments_and_results_of_methods(name: str) -> None:
    """Each method has its promised arguments and kind: coroutine, async iterator or plain."""
    kind, arguments = METHODS[name]
    method = getattr(DedicatedInferences, name)
    assert arguments.items() <= shape(method).items()
    assert inspect.iscoroutinefunction(method) is (kind == "c")
    if kind == "i":
        returns = inspect.signature(method).return_annotation
        assert hasattr(getattr(returns, "__origin__", returns), "__anext__")


def test_every_method_is_checked() -> None:
    """Every public method of `dedicated_inferences` is checked above."""
    public = {n for n in dir(DedicatedInferences) if not n.startswith("_")}
    assert public == {*METHODS, "capabilities"}


@pytest.mark.parametrize("name", [name for name in METHODS if name != "watch"])
def test_optional_arguments_are_keyword_only(name: str) -> None:
    """Optional arguments are keyword-only, so that others can be added anywhere."""
    loose = [n for n, (by_key, d) in shape(getattr(DedicatedInferences, name)).items()
             if d is not NEEDED and not by_key]  # fmt: skip
    assert loose == []


def test_arguments_of_request() -> None:
    """`request(method, path, *, params=None, json=None)` is a coroutine."""
    promised = {"method": ASKED, "path": ASKED, "params": (True, None), "json": (True, None)}
    assert shape(DigitalOcean.request) == promised
    assert inspect.iscoroutinefunction(DigitalOcean.request)


def test_arguments_of_fleet_functions() -> None:
    """The fleet functions have the promised arguments, optional ones keyword-only."""
    assert shape(di_async.wait_all) == {
        "changes": ASKED,
        "timeout": (True, DEFAULT),
        "return_when": (True, "ALL_COMPLETED"),
    }
    assert shape(di_async.as_completed) == {"changes": ASKED, "timeout": (True, DEFAULT)}
    wanted = {"regions": (True, None), "accelerators": (True, False), "details": (True, False)}
    assert wanted.items() <= shape(di_async.scan).items()
    assert all(inspect.getdoc(function) for function in FUNCTIONS)


def test_members_of_a_change() -> None:
    """A change has the promised members, and no `done()`: polling needs a wait."""
    promised = {"id", "initial", "latest", "outcome", "action", "history", "resume_token"}
    promised |= {"wait", "events", "connect", "attempts"}
    promised |= {"requests", "elapsed", "eta"}  # for live displays; not in the docs' list
    public = {n for n in vars(Change) if not n.startswith("_")}
    assert public == promised
    assert shape(Change.wait) == shape(Change.events) == {"timeout": (True, DEFAULT)}


def test_policies_have_their_promised_defaults() -> None:
    """The policies have the promised defaults in the documented order."""
    assert RetryPolicy() == RetryPolicy(attempts=4, initial_delay=0.5, max_delay=30.0)
    assert PollPolicy() == PollPolicy(target_lag=5.0, max_interval=60.0, confirm="auto")
    assert shape(RequestBudget) == {
        "per_minute": (False, 250),
        "per_hour": (False, 5000),
        "reserve": (False, 0.1),
    }


@pytest.mark.parametrize("policy", [RetryPolicy(), PollPolicy()])
def test_policies_are_values(policy: Any) -> None:
    """Policies are frozen: one may be used by many clients."""
    with pytest.raises(AttributeError):
        policy.attempts = 1


def test_import_is_light() -> None:
    """Importing di_async loads no test tool, CLI library or certificate maker."""
    code = "import json, sys, di_async; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    roots = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not roots & {"pytest", "trustme", "typer", "rich", "yaml", "click", "cryptography"}
    assert "di_async.emulator" not in json.loads(done.stdout)


def test_package_is_marked_as_typed() -> None:
    """The package has a `py.typed` marker."""
    from importlib.resources import files

    assert (files("di_async") / "py.typed").is_file()


def test_errors_are_imported_without_aiohttp() -> None:
    """Importing an error does not load aiohttp, and `dir` lists all names before."""
    code = """
import sys, di_async
assert set(di_async.__all__) <= set(dir(di_async))
di_async.NotFoundError
print([name for name in ("aiohttp", "cattrs", "anyio") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_unknown_name() -> None:
    """An unknown name raises `AttributeError`."""
    with pytest.raises(AttributeError, match="has no attribute 'DigitalOceans'"):
        di_async.DigitalOceans  # type: ignore[attr-defined] # noqa: B018
