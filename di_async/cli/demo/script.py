"""What happens in the demo, in order. All of it is the library's everyday use."""

import asyncio
from collections.abc import Iterable
from typing import Any

import aiohttp
from attrs import define, field

from di_async import Change, DeploymentFailedError, DIError, DigitalOcean, StatusChange
from di_async.cli.demo.fleet import DOOMED, ORDERS, Row
from di_async.cli.demo.view import View
from di_async.cli.live import clock
from di_async.digitalocean import Sizes
from di_async.emulator import Emulator

__all__ = ["Demo", "DemoError", "together"]


class DemoError(DIError):
    """The demo did not come out as it must."""


@define
class Demo:
    """One performance."""

    emu: Emulator
    client: DigitalOcean
    view: View
    timeout: float
    rows: list[Row] = field(init=False)
    sizes: Sizes = field(init=False, factory=Sizes)
    scaled: str = field(init=False, default="")
    evidence: list[str] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.rows = [Row(order, self.emu.now) for order in ORDERS]

    async def play(self) -> None:
        """All of it. Raises `DIError` if anything is not as it must be."""
        api = self.client.dedicated_inferences
        self.sizes = await api.sizes()
        self.view.fleet(self.rows)
        await self._create()
        self._judge_creates()
        row = next(row for row in self.rows if row.token and not row.error)
        id = _id(row)
        await self._scale(row, id)
        gpus = [f"{gpu.name}" async for gpu in api.list_accelerators(id)]
        self.view.step("GPUs", f"{row.order.name} runs on {', '.join(gpus)}")
        await self._tokens(row, id)
        self.view.step(
            "chat",
            f"{row.order.name} over TLS, proven by its own CA: {await self._chat(row, id)!r}",
        )
        await self._delete()
        await together(self.follow(row, "deleted") for row in self.rows)
        await self._nothing_left()

    # -- create and wait ----------------------------------------------------------------------

    async def _create(self) -> None:
        """All at once; one finds no capacity, and of one the answer is lost on the way."""
        doomed = next(row for row in self.rows if row.order.name == DOOMED)
        self.emu.fault("no_capacity", region=doomed.order.region, times=1)
        await self._order(doomed)
        self.emu.fault("reset", on="POST /v2/dedicated-inferences", after_commit=True)
        others = (self._order_and_follow(row) for row in self.rows if row is not doomed)
        await together((self.follow(doomed, "active"), *others))

    async def _order_and_follow(self, row: Row) -> None:
        await self._order(row)
        if _change(row).adopted:
            self.view.step(
                "lost",
                f"the answer to {row.order.name}'s create was lost (we made that happen): "
                "found by its name, not created twice",
            )
        if all(row.change for row in self.rows):
            self.view.step("create", f"{len(self.rows)} creates accepted in 3 regions")
        await self.follow(row, "active")

    async def _order(self, row: Row) -> None:
        row.made_at = self.emu.now()
        order = row.order
        change = await self.client.dedicated_inferences.create(
            order.spec, access_tokens=order.secrets
        )
        row.gpus_since.append((row.made_at, 1))
        row.token = change.access_token.value if change.access_token else None
        row.begin(change, row.made_at)

    async def follow(self, row: Row, state: str) -> None:
        """Show a wait from its first event to its last."""
        change = _change(row)
        try:
            async for event in change.events(timeout=self.timeout):
                row.learn(event)
                self.view.news(row, _moved(event))
        except DeploymentFailedError as error:
            row.error = error
            row.end("error", change.history[-1].note or "")
            return
        row.end(state, change.history[-1].note or "")
        self.evidence.append(row.note.removeprefix("settled: "))
        if state == "deleted":
            row.gone_at, row.note = row.now(), row.story
        elif row.active_after is None:
            row.active_after = row.elapsed

    def _judge_creates(self) -> None:
        twice = [name for name, times in self.emu.world.created.items() if times > 1]
        if twice:
            raise DemoError(f"created twice: {', '.join(twice)}")
        failed = [row.order.name for row in self.rows if row.error]
        if failed != [DOOMED]:
            raise DemoError(f"{DOOMED} was to fail and no other; failed: {failed}")
        active = len(self.rows) - len(failed)
        self.view.step("wait", f"{active} proven active, {len(failed)} failed: {DOOMED}")

    # -- use it -------------------------------------------------------------------------------

    async def _scale(self, row: Row, id: str) -> None:
        began = self.emu.now()
        change = await self.client.dedicated_inferences.scale(id, 2)
        row.gpus_since.append((began, 2))
        row.begin(change, began)
        await self.follow(row, "active")
        if row.error:
            raise row.error
        self.scaled = f"{row.order.name} from 1 to 2 GPUs in {clock(row.elapsed)}, {row.note}"
        self.view.step("scale", self.scaled)

    async def _tokens(self, row: Row, id: str) -> None:
        api = self.client.dedicated_inferences
        token = await api.create_token(id, "for-the-demo")
        await api.revoke_token(id, token.id)
        left = [token.name async for token in api.list_tokens(id)]
        if "for-the-demo" in left:
            raise DemoError("a revoked token is still listed")
        self.view.step(
            "tokens",
            f"'for-the-demo' made for {row.order.name}, and revoked; left: {', '.join(left)}",
        )

    async def _chat(self, row: Row, id: str) -> str:
        """One answer of the instance's own endpoint."""
        api = self.client.dedicated_inferences
        di, ca = await api.get(id), await api.ca_certificate(id)
        host = di.endpoints.public_endpoint_fqdn if di.endpoints else None
        url = f"https://{(host or '').removeprefix('https://')}/v1/chat/completions"
        asked = {"model": row.order.model, "messages": [{"role": "user", "content": "Hello?"}]}
        bearer = {"Authorization": f"Bearer {row.token.reveal() if row.token else None}"}
        async with (
            aiohttp.ClientSession(headers=bearer) as session,
            session.post(url, json=asked, ssl=ca.ssl_context()) as response,
        ):
            if response.status != 200:
                raise DemoError(f"the chat completion was answered {response.status}")
            answer = await response.json()
        return str(answer["choices"][0]["message"]["content"])

    # -- and away -----------------------------------------------------------------------------

    async def _delete(self) -> None:
        await together(self._drop(row) for row in self.rows)
        self.view.step("delete", f"{len(self.rows)} deletes accepted")

    async def _drop(self, row: Row) -> None:
        began = self.emu.now()
        row.begin(await self.client.dedicated_inferences.delete(_id(row)), began)
        row.state = "deleting"

    async def _nothing_left(self) -> None:
        left = [di.name async for di in self.client.dedicated_inferences.list()]
        if left:
            raise DemoError(f"still there after all deletes: {', '.join(map(str, left))}")
        self.view.step("list", "empty: nothing is left")


async def together(work: Iterable[Any]) -> None:
    """Run these together; the first error ends them all, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except* DIError as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def _change(row: Row) -> Change[Any]:
    if row.change is None:
        raise DemoError(f"{row.order.name} was never created")
    return row.change


def _id(row: Row) -> str:
    return _change(row).id


def _moved(event: StatusChange) -> str:
    """What an event tells, in short."""
    moved = f"{event.previous} -> {event.status}" if event.previous else event.status
    if event.note and not event.previous:
        return event.note
    return f"{moved}  {event.note}" if event.note else str(moved)
