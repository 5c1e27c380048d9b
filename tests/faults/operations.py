"""Every public operation of the three providers, grouped by what a fault may do to it.

The groups are the columns of the table of expected outcomes:

read      one GET of a resource by its id
facts     one GET of what has no id: prices, logs, certificates
list      one or more list pages
create    a create under a unique name
unnamed   a create where names are not unique, so that nothing is adopted
token     a create whose answer holds what is shown only once
update    a write that sets values, with a wait
set       a small write that sets values, without a wait
delete    a delete, with a wait
revoke    a delete without a wait
wait      a wait for a resource to become ready or to change
active    the same without a write before it
gone      a wait for a resource to be gone
watch     the first event of a stream of one resource
stream    the first event of a stream of the account
scan      an inventory, which reports errors and raises none
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import evolve, frozen

from di_async import scan
from di_async.digitalocean import ModelSource
from di_async.emulator.gcore.catalog import FLAVORS
from tests.clouds.support import CLOUDS, Cloud, OnGcoreDeployments
from tests.faults.scene import PLACED, Scene

__all__ = ["GROUPS", "OPERATIONS", "Operation"]

GROUPS = (
    "read", "facts", "list", "create", "unnamed", "token", "update", "set", "delete", "revoke",
    "wait", "active", "gone", "watch", "stream", "scan",
)  # fmt: skip
NEW = "web-new"
_DO, _V2, _V3, _EXO = CLOUDS

Run = Callable[[Scene], Awaitable[Any]]
Check = Callable[[Scene, Any], bool]


@frozen
class Operation:
    """One call, the group of its outcomes, and what is right."""

    name: str
    cloud: Cloud
    group: str
    run: Run
    check: Check
    prepare: Run | None = None
    """What must be done before the fault begins."""
    exists: Callable[[Scene], bool] | None = None
    """Whether the emulator has what a revoke deletes."""

    @property
    def writes(self) -> bool:
        """Whether the fault strikes its write and not its reads."""
        return self.group in {"create", "unnamed", "token", "update", "set", "delete", "revoke"}

    @property
    def waits(self) -> bool:
        """Whether it is a wait."""
        return self.group in {"wait", "gone"}

    def __str__(self) -> str:
        return f"{self.cloud.name}:{self.name}"


def _named(name: str) -> Check:
    return lambda _, found: (found.name or name) == name


def _id(found: Any) -> str:
    """Return an id; a Gcore v3 deployment's is its name."""
    return str(found.id if hasattr(found, "id") else found.name)


def _placed(scene: Scene, found: Any) -> bool:
    return found is not None and _id(found) == scene.placed


def _lists_placed(scene: Scene, rows: Any) -> bool:
    return scene.placed in map(_id, rows)


def _scanned(scene: Scene, inventory: Any) -> bool:
    """Return whether a scan has the resource, or reports the error that hid it."""
    return scene.placed in map(_id, inventory.rows) or bool(inventory.errors)


def _filled(_: Scene, found: Any) -> bool:
    return bool(found)


def _any(_: Scene, found: Any) -> bool:
    return True


def _nothing(_: Scene, found: Any) -> bool:
    return found is None


def _changes(scene: Scene, change: Any) -> bool:
    truth = scene.world.truth(change.id)
    return truth.exists or change.action == "delete"


async def _collect(listing: Any) -> list[Any]:
    return [row async for row in listing]


async def _first_event(stream: Any) -> Any:
    async with asyncio.timeout(300):
        return await anext(stream)


async def _events(change: Any) -> list[Any]:
    return [event async for event in change.events(timeout=300)]


def _everywhere() -> list[Operation]:
    return [operation for cloud in CLOUDS for operation in _common(cloud)]


def _common(cloud: Cloud) -> list[Operation]:
    create = "unnamed" if cloud in (_V2, _EXO) else "create"

    async def grown(scene: Scene) -> None:
        scene.extra["change"] = await cloud.grow(scene.client, scene.placed)

    async def deleted(scene: Scene) -> None:
        scene.extra["change"] = await cloud.delete(scene.client, scene.placed)

    async def made(scene: Scene) -> None:
        scene.extra["change"] = await cloud.create(scene.client, NEW)

    def right_size(_: Scene, found: Any) -> bool:
        return cloud.size(found) == 2

    def wait(scene: Scene) -> Any:
        return scene.extra["change"].wait(timeout=300)

    return [
        Operation("get", cloud, "read", lambda s: s.api.get(s.placed), _placed),
        Operation("list", cloud, "list", lambda s: _collect(s.api.list()), _lists_placed),
        Operation("collect", cloud, "list", lambda s: s.api.list().collect(), _lists_placed),
        Operation("create", cloud, create, lambda s: cloud.create(s.client, NEW), _changes),
        Operation("update", cloud, "update", lambda s: cloud.grow(s.client, s.placed), _changes),
        Operation("delete", cloud, "delete", lambda s: cloud.delete(s.client, s.placed), _changes),
        Operation("wait for a create", cloud, "wait", wait, _named(NEW), made),
        Operation("wait for an update", cloud, "wait", wait, right_size, grown),
        Operation("wait for a delete", cloud, "gone", wait, _nothing, deleted),
        Operation("events", cloud, "wait", lambda s: _events(s.extra["change"]), _filled, grown),
        Operation(
            "wait_until_active",
            cloud,
            "active",
            lambda s: s.api.wait_until_active(s.placed, timeout=300),
            _placed,
        ),
        Operation(
            "wait_until",
            cloud,
            "active",
            lambda s: s.api.wait_until(s.placed, lambda _: True, timeout=300),
            _placed,
        ),
        Operation(
            "wait_until_deleted",
            cloud,
            "gone",
            lambda s: s.api.wait_until_deleted(s.placed, timeout=300),
            _nothing,
            deleted,
        ),
        Operation(
            "resume and wait",
            cloud,
            "wait",
            lambda s: s.api.resume(s.extra["change"].resume_token).wait(timeout=300),
            right_size,
            grown,
        ),
        Operation(
            "watch one",
            cloud,
            "watch",
            lambda s: _first_event(s.api.watch(s.placed)),
            _filled,
        ),
        Operation(
            "watch all",
            cloud,
            "stream",
            lambda s: _first_event(s.api.watch()),
            _filled,
        ),
    ]


def _digitalocean() -> list[Operation]:
    def api(scene: Scene) -> Any:
        return scene.client.dedicated_inferences

    def operation(name: str, group: str, run: Run, check: Check = _filled) -> Operation:
        return Operation(name, _DO, group, run, check)

    return [
        operation("find", "list", lambda s: api(s).find(PLACED), _placed),
        operation("scale", "update", lambda s: api(s).scale(s.placed, 2), _changes),
        operation(
            "list_accelerators", "list", lambda s: _collect(api(s).list_accelerators(s.placed))
        ),
        operation(
            "get_accelerator",
            "read",
            lambda s: api(s).get_accelerator(s.placed, s.extra["accelerator"]),
        ),
        operation("list_tokens", "list", lambda s: _collect(api(s).list_tokens(s.placed))),
        operation("create_token", "token", lambda s: api(s).create_token(s.placed, "second")),
        Operation(
            "revoke_token",
            _DO,
            "revoke",
            lambda s: api(s).revoke_token(s.placed, s.extra["token"]),
            _nothing,
            exists=lambda s: s.extra["token"] in s.world.digitalocean.store.tokens[s.placed],
        ),
        operation("ca_certificate", "facts", lambda s: api(s).ca_certificate(s.placed)),
        operation("sizes", "facts", lambda s: api(s).sizes()),
        operation("gpu_model_configs", "facts", lambda s: api(s).gpu_model_configs()),
        operation("scan", "scan", lambda s: scan(s.client), _scanned),
    ]


def _custom_models() -> list[Operation]:
    def api(scene: Scene) -> Any:
        return scene.client.custom_models

    async def imported(scene: Scene) -> None:
        change = await api(scene).import_model("first/model", source=_SOURCE)
        await change.wait()
        scene.extra["custom"] = change.id

    async def import_new(scene: Scene) -> Any:
        change = await api(scene).import_model("new/model", source=_SOURCE)
        return change.initial  # the import takes longer than the waits of the matrix

    def operation(name: str, group: str, run: Run, check: Check = _filled) -> Operation:
        return Operation(name, _DO, group, run, check, imported)

    return [
        operation("get custom model", "read", lambda s: api(s).get(s.extra["custom"])),
        operation("list custom models", "list", lambda s: _collect(api(s).list())),
        operation("import model", "unnamed", import_new),
        operation(
            "update metadata",
            "set",
            lambda s: api(s).update_metadata(s.extra["custom"], description="new"),
        ),
        operation(
            "delete custom model", "delete", lambda s: api(s).delete(s.extra["custom"]), _any
        ),
        operation("model catalog", "list", lambda s: _collect(s.client.model_catalog())),
    ]


def _gcore() -> list[Operation]:
    def api(scene: Scene) -> Any:
        return scene.client.inference_deployments

    def operation(name: str, group: str, run: Run, check: Check = _changes) -> Operation:
        return Operation(name, _V3, group, run, check)

    async def stopped(scene: Scene) -> None:
        await (await api(scene).stop(scene.placed)).wait()

    return [
        operation("stop", "update", lambda s: api(s).stop(s.placed)),
        Operation("start", _V3, "update", lambda s: api(s).start(s.placed), _changes, stopped),
        operation("logs", "facts", lambda s: api(s).logs(s.placed), _any),
        operation("scan", "scan", lambda s: scan(s.client), _scanned),
        operation("hourly_price", "facts", lambda s: api(s).hourly_price(_SPEC), _any),
        operation("check_limits", "facts", lambda s: api(s).check_limits(_SPEC), _any),
    ]


def _exoscale() -> list[Operation]:
    def operation(name: str, group: str, run: Run, check: Check = _filled) -> Operation:
        return Operation(name, _EXO, group, run, check)

    def is_model(scene: Scene, found: Any) -> bool:
        return bool(found.id == scene.extra["model"])

    async def grown(scene: Scene) -> None:
        change = await scene.client.deployments.scale(scene.placed, 2)
        scene.extra["operation"] = change.initial.id

    return [
        operation("find_all", "list", lambda s: s.client.deployments.find_all(PLACED)),
        operation(
            "rename",
            "update",
            lambda s: s.client.deployments.update(s.placed, name="renamed"),
            _changes,
        ),
        operation(
            "reveal_api_key", "facts", lambda s: s.client.deployments.reveal_api_key(s.placed)
        ),
        operation("logs", "facts", lambda s: s.client.deployments.logs(s.placed)),
        operation("instance_types", "facts", lambda s: s.client.instance_types()),
        operation("inference_engine_help", "facts", lambda s: s.client.inference_engine_help()),
        operation("zones", "facts", lambda s: s.client.zones()),
        Operation(
            "get operation",
            _EXO,
            "read",
            lambda s: s.client.operations.get(s.extra["operation"]),
            _filled,
            grown,
        ),
        operation("get model", "read", lambda s: s.client.models.get(s.extra["model"]), is_model),
        operation("list models", "list", lambda s: _collect(s.client.models.list())),
        operation("find models", "list", lambda s: s.client.models.find_all("free/model")),
        operation("create model", "unnamed", lambda s: s.client.models.create("new/model")),
        operation(
            "delete model", "delete", lambda s: s.client.models.delete(s.extra["model"]), _changes
        ),
        operation("scan", "scan", lambda s: scan(s.client), _scanned),
    ]


def _gcore_account() -> list[Operation]:
    def operation(name: str, group: str, run: Run, check: Check = _filled) -> Operation:
        return Operation(name, _V3, group, run, check, _with_account)

    async def _with_account(scene: Scene) -> None:
        await scene.client.api_keys.create("first-key")
        await scene.client.secrets.create("first", **_AWS)
        change = await _V3.create(scene.client, "to-have-a-task")
        await change.wait()
        scene.extra["task"] = change.initial.tasks[0]

    return [
        operation("get key", "read", lambda s: s.client.api_keys.get("first-key")),
        operation("list keys", "list", lambda s: _collect(s.client.api_keys.list())),
        operation("create key", "token", lambda s: s.client.api_keys.create("second-key")),
        operation(
            "update key", "set", lambda s: s.client.api_keys.update("first-key", description="new")
        ),
        evolve(
            operation(
                "delete key", "revoke", lambda s: s.client.api_keys.delete("first-key"), _nothing
            ),
            exists=lambda s: "first-key" in s.world.gcore.store.keys,
        ),
        operation("get secret", "read", lambda s: s.client.secrets.get("first")),
        operation("list secrets", "list", lambda s: _collect(s.client.secrets.list())),
        operation("create secret", "set", lambda s: s.client.secrets.create("second", **_AWS)),
        operation("replace secret", "set", lambda s: s.client.secrets.replace("first", **_AWS)),
        evolve(
            operation(
                "delete secret", "revoke", lambda s: s.client.secrets.delete("first"), _nothing
            ),
            exists=lambda s: "first" in s.world.gcore.store.secrets,
        ),
        operation("get task", "read", lambda s: s.client.tasks.get(s.extra["task"])),
        operation("list tasks", "list", lambda s: _collect(s.client.tasks.list())),
        operation("acknowledge", "set", lambda s: s.client.tasks.acknowledge(s.extra["task"])),
        operation("flavors", "list", lambda s: s.client.flavors()),
        operation("flavor", "read", lambda s: s.client.flavor(FLAVORS[0].name)),
        operation("capacity", "facts", lambda s: s.client.capacity()),
    ]


def _exoscale_account() -> list[Operation]:
    async def with_key(scene: Scene) -> None:
        scene.extra["key"] = (await scene.client.api_keys.create("first key")).id

    def operation(name: str, group: str, run: Run, check: Check = _filled) -> Operation:
        return Operation(name, _EXO, group, run, check, with_key)

    return [
        operation("get key", "read", lambda s: s.client.api_keys.get(s.extra["key"])),
        operation("list keys", "list", lambda s: _collect(s.client.api_keys.list())),
        operation("create key", "token", lambda s: s.client.api_keys.create("second key")),
        operation("delete key", "delete", lambda s: s.client.api_keys.delete(s.extra["key"]), _any),
        operation("quota", "facts", lambda s: s.client.quota(), _any),
    ]


_SOURCE = ModelSource(repo_id="openai/gpt-oss-20b")
_SPEC = OnGcoreDeployments().body("web-priced")
_AWS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "planted-secret"}
OPERATIONS = (
    *_everywhere(),
    *_digitalocean(),
    *_custom_models(),
    *_gcore(),
    *_gcore_account(),
    *_exoscale(),
    *_exoscale_account(),
)
