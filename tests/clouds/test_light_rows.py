"""Tests of rows that lack fields, and of reads that show the old spec, on every cloud."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from attrs import evolve

from di_async import wait_all
from di_async.core.http import Request, Response
from tests.clouds.support import CREATE_S, UPDATE_S, VIRTUAL, Cloud, a_world, everywhere, now
from tests.fake_network import Answer, Delayed, EmulatorNetwork

pytestmark = [everywhere, VIRTUAL]

_LISTS = ("dedicated_inferences", "results", "deployments")
_STATUS = ("status", "state")
_STAMPS = ("updated_at", "updated-at")


def body_of(answer: Answer) -> Any:
    """Return the decoded body of an answer; None if it has none."""
    shown = answer.answer if isinstance(answer, Delayed) else answer
    return orjson.loads(shown.body) if isinstance(shown, Response) and shown.body else None


def with_body(answer: Answer, body: Any) -> Answer:
    """Return the answer with another body."""
    shown = answer.answer if isinstance(answer, Delayed) else answer
    assert isinstance(shown, Response)
    changed = evolve(shown, body=orjson.dumps(body))
    return Delayed(answer.after_s, changed) if isinstance(answer, Delayed) else changed


@pytest.mark.parametrize("kept", [("id", "name", *_STATUS), ("id", "name")])
async def test_fields_that_rows_lack_delay_no_wait(
    cloud: Cloud, networks: list[EmulatorNetwork], kept: tuple[str, ...]
) -> None:
    """Creates and updates settle in time although list rows show little more than ids."""

    def strip(request: Request, answer: Answer) -> Answer:
        body = body_of(answer) if request.method == "GET" else None
        if not isinstance(body, dict):
            return answer
        key = next((key for key in _LISTS if key in body), None)
        if key is None:
            return answer
        rows = [{name: row[name] for name in kept if name in row} for row in body[key]]
        return with_body(answer, {**body, key: rows})

    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        changes = [await cloud.create(client, f"web-{n:03}") for n in range(12)]
        networks[0].intercept = strip
        assert (await wait_all(changes, timeout=2 * CREATE_S)).ok
        grown = [await cloud.grow(client, change.id) for change in changes]
        report = await wait_all(grown, timeout=2 * UPDATE_S)
        sizes = {cloud.size(await cloud.api(client).get(change.id)) for change in changes}
    assert report.ok, str(report)
    assert sizes == {2}


async def test_old_spec_with_a_new_stamp_settles_no_update(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """Reads that show the spec from before an update do not settle it, however new they look."""
    lasts_s = 100.0
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id, old = await cloud.settled(client, "web-000"), dict[str, Any]()
        began = now()

        def old_spec(request: Request, answer: Answer) -> Answer:
            body = body_of(answer) if request.method == "GET" else None
            if not isinstance(body, dict) or not request.path.endswith(id):
                return answer
            old.update(old or body)
            if now() > began + lasts_s:
                return answer
            shown = old.get("dedicated_inference", old)
            stamp = datetime.fromtimestamp(networks[0].now(), UTC).isoformat()
            shown.update({name: stamp for name in _STAMPS if name in shown})
            return with_body(answer, old)

        networks[0].intercept = old_spec
        change = await cloud.grow(client, id)
        settled = await change.wait(timeout=4 * UPDATE_S)
    assert cloud.size(settled) == 2
    assert now() - began >= lasts_s


@pytest.mark.parametrize("action", ["update", "delete"])
async def test_a_list_that_never_changes(
    cloud: Cloud, networks: list[EmulatorNetwork], action: str
) -> None:
    """Waits end although every list shows the rows of the first one, as from a cache."""
    world = a_world()
    kept: list[Any] = []

    def freeze(request: Request, answer: Answer) -> Answer:
        body = body_of(answer) if request.method == "GET" else None
        if not isinstance(body, dict) or not any(key in body for key in _LISTS):
            return answer
        kept.append(body)
        return with_body(answer, kept[0])

    async with cloud.client(world) as client:
        ids = [await cloud.settled(client, f"web-{number}") for number in range(3)]
        networks[0].intercept = freeze
        assert len(await cloud.api(client).list().collect()) == 3
        start = cloud.grow if action == "update" else cloud.delete
        changes = [await start(client, id) for id in ids]
        began = now()
        assert (await wait_all(changes, timeout=3600)).ok
        assert now() - began < 800
