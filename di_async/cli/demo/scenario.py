"""The steps of the demo at DigitalOcean, in order. They use the library as a program would."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import aiohttp
from attrs import define, field

from di_async import Change, DeploymentFailedError, DIError, DigitalOcean, StatusChange
from di_async.cli.demo.fleet import PLANS, WITHOUT_CAPACITY, Row
from di_async.cli.demo.view import View
from di_async.cli.output import format_duration
from di_async.digitalocean import Sizes
from di_async.emulator import Emulator
from di_async.engine.concurrency import first_error

__all__ = ["DemoError", "FleetDemo", "run_together"]


class DemoError(DIError):
    """The demo did not end as expected."""


@define
class FleetDemo:
    """Creates, waits for, uses and deletes a fleet."""

    emu: Emulator
    client: DigitalOcean
    view: View
    timeout: float
    rows: list[Row] = field(init=False)
    sizes: Sizes = field(init=False, factory=Sizes)
    scaled: str = field(init=False, default="")
    evidence: list[str] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.rows = [Row(plan, self.emu.now) for plan in PLANS]

    async def run(self) -> None:
        """Run all steps.

        Raises:
            DIError: a step did not end as expected.
        """
        api = self.client.dedicated_inferences
        self.sizes = await api.sizes()
        self.view.fleet(self.rows)
        await self._create_all()
        self._check_creates()
        row = next(row for row in self.rows if row.token and not row.error)
        await self._scale(row)
        gpus = [f"{gpu.name}" async for gpu in api.list_accelerators(row.id)]
        self.view.step("GPUs", f"{row.plan.name} runs on {', '.join(gpus)}")
        await self._create_and_revoke_token(row)
        answer = await self._chat(row)
        self.view.step("chat", f"{row.plan.name} over TLS, verified with its own CA: {answer!r}")
        await run_together(self._delete(row) for row in self.rows)
        self.view.step("delete", f"{len(self.rows)} deletes accepted")
        await run_together(self.follow(row, "deleted") for row in self.rows)
        await self._check_empty()

    async def follow(self, row: Row, state: str) -> None:
        """Wait for a row's change and show its events; set the row to `state` at the end."""
        change = _change_of(row)
        try:
            async for event in change.events(timeout=self.timeout):
                row.update(event)
                self.view.event(row, _event_text(event))
        except DeploymentFailedError as error:
            row.error = error
            row.end("error", change.history[-1].note or "")
            if row.plan.name == WITHOUT_CAPACITY:
                row.note = f"{row.note} (an injected fault)".strip()
                self.view.step(
                    "failed", f"{row.plan.name}'s create: no capacity (an injected fault)"
                )
            return
        row.end(state, change.history[-1].note or "")
        self.evidence.append(row.note.removeprefix("settled: "))
        if state == "deleted":
            row.deleted_at, row.note = row.now(), row.summary
        elif row.active_after is None:
            row.active_after = row.elapsed

    async def _create_all(self) -> None:
        """Create all concurrently; one create finds no capacity, one response is lost."""
        failing = next(row for row in self.rows if row.plan.name == WITHOUT_CAPACITY)
        self.emu.fault("no_capacity", region=failing.plan.region, times=1)
        await self._create(failing)
        self.emu.fault("reset", on="POST /v2/dedicated-inferences", after_commit=True)
        others = (self._create_and_follow(row) for row in self.rows if row is not failing)
        await run_together((self.follow(failing, "active"), *others))

    async def _create_and_follow(self, row: Row) -> None:
        await self._create(row)
        if _change_of(row).adopted:
            self.view.step(
                "lost reply",
                f"the connection broke after {row.plan.name}'s create (an injected fault): "
                "found by its name, not created twice",
            )
        if all(row.change for row in self.rows):
            self.view.step("create", f"{len(self.rows)} creates accepted in 3 regions")
        await self.follow(row, "active")

    async def _create(self, row: Row) -> None:
        row.created_at = self.emu.now()
        change = await self.client.dedicated_inferences.create(
            row.plan.spec, access_tokens=row.plan.access_tokens
        )
        row.gpu_history.append((row.created_at, 1))
        row.token = change.access_token.value if change.access_token else None
        row.begin(change, row.created_at)

    def _check_creates(self) -> None:
        twice = [name for name, times in self.emu.world.created.items() if times > 1]
        if twice:
            raise DemoError(f"created twice: {', '.join(twice)}")
        failed = [row.plan.name for row in self.rows if row.error]
        if failed != [WITHOUT_CAPACITY]:
            raise DemoError(f"expected only {WITHOUT_CAPACITY} to fail; failed: {failed}")
        active = len(self.rows) - len(failed)
        self.view.step(
            "wait",
            f"{active} confirmed active, {len(failed)} failed: {failed[0]} (an injected fault)",
        )

    async def _scale(self, row: Row) -> None:
        started_at = self.emu.now()
        change = await self.client.dedicated_inferences.scale(row.id, 2)
        row.gpu_history.append((started_at, 2))
        row.begin(change, started_at)
        await self.follow(row, "active")
        if row.error:
            raise row.error
        elapsed = format_duration(row.elapsed)
        self.scaled = f"{row.plan.name} from 1 to 2 GPUs in {elapsed}, {row.note}"
        self.view.step("scale", self.scaled)

    async def _create_and_revoke_token(self, row: Row) -> None:
        api = self.client.dedicated_inferences
        token = await api.create_token(row.id, "demo-token")
        await api.revoke_token(row.id, token.id)
        remaining = [token.name async for token in api.list_tokens(row.id)]
        if "demo-token" in remaining:
            raise DemoError("a revoked token is still listed")
        self.view.step(
            "tokens",
            f"created and revoked 'demo-token' of {row.plan.name}; "
            f"remaining: {', '.join(remaining)}",
        )

    async def _chat(self, row: Row) -> str:
        """Return the answer of the instance's own endpoint."""
        api = self.client.dedicated_inferences
        di, ca = await api.get(row.id), await api.ca_certificate(row.id)
        host = di.endpoints.public_endpoint_fqdn if di.endpoints else None
        url = f"https://{(host or '').removeprefix('https://')}/v1/chat/completions"
        body = {"model": row.plan.model, "messages": [{"role": "user", "content": "Hello?"}]}
        headers = {"Authorization": f"Bearer {row.token.reveal() if row.token else None}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json=body, ssl=ca.ssl_context()) as response,
        ):
            if response.status != 200:
                raise DemoError(f"the chat completion failed with status {response.status}")
            answer = await response.json()
        return str(answer["choices"][0]["message"]["content"])

    async def _delete(self, row: Row) -> None:
        started_at = self.emu.now()
        row.begin(await self.client.dedicated_inferences.delete(row.id), started_at)
        row.state = "deleting"

    async def _check_empty(self) -> None:
        remaining = [di.name async for di in self.client.dedicated_inferences.list()]
        if remaining:
            raise DemoError(f"still listed after all deletes: {', '.join(map(str, remaining))}")
        self.view.step("list", "empty")


async def run_together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines concurrently. The first `DIError` cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as errors:  # with `except*`, Python 3.11.2 raises a group again
        first = first_error(errors)
        if not isinstance(first, DIError):
            raise
        raise first from None


def _change_of(row: Row) -> Change[Any]:
    if row.change is None:
        raise DemoError(f"{row.plan.name} was never created")
    return row.change


def _event_text(event: StatusChange) -> str:
    if event.note and not event.previous:
        return event.note
    status = f"{event.previous} -> {event.status}" if event.previous else event.status
    return f"{status}  {event.note}" if event.note else str(status)
