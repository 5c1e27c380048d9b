"""The end of the demo: the same waits at two other clouds, against the same emulator."""

from collections.abc import Iterator
from typing import Any

from attrs import define, field

from di_async import Change, PollPolicy
from di_async.cli.demo.fleet import Order, Row
from di_async.cli.demo.script import Demo, DemoError, together
from di_async.cli.live import clock
from di_async.exoscale import Exoscale
from di_async.gcore import Gcore

__all__ = ["Elsewhere"]

_ZONE, _REGION = "ch-gva-2", 7
_MODEL = "mistralai/Mistral-7B-Instruct-v0.3"
_GPU, _FLAVOR = "gpua5000", "inference-16vcpu-232gib-1xl40s"
_IMAGE = "vllm/vllm-openai:latest"


@define
class Elsewhere:
    """One deployment at Exoscale and one at Gcore, from create to 404, both at once."""

    demo: Demo
    polling: PollPolicy
    exoscale: Row = field(init=False)
    gcore: Row = field(init=False)
    fetched: float = field(init=False, default=0.0)
    """Emulated seconds that Exoscale took to fetch the model."""

    def __attrs_post_init__(self) -> None:
        now = self.demo.emu.now
        self.exoscale = Row(Order("exoscale", _ZONE, _MODEL, _GPU), now)
        self.gcore = Row(Order("gcore", f"region {_REGION}", _IMAGE, _FLAVOR), now)

    async def play(self) -> None:
        """Both. Raises `DIError` if anything is not as it must be."""
        emu = self.demo.emu
        told: dict[str, Any] = {"polling": self.polling, "budget": None}
        self.demo.view.fleet([*self.demo.rows, self.exoscale, self.gcore])
        self.demo.view.step("elsewhere", "the same at Exoscale and at Gcore, one deployment each")
        async with (
            Exoscale(
                emu.exoscale_api_key,
                emu.exoscale_api_secret,
                _ZONE,
                base_url=emu.exoscale_url,
                **told,
            ) as exoscale,
            Gcore(emu.gcore_api_key, emu.gcore_project_id, base_url=emu.url, **told) as gcore,
        ):
            await together((self._at_exoscale(exoscale), self._at_gcore(gcore)))
            left = [row.name async for row in exoscale.deployments.list()]
            left += [row.name async for row in exoscale.models.list()]
            left += [row.name async for row in gcore.inference_deployments.list()]
        if left:
            raise DemoError(f"still there after all deletes: {', '.join(left)}")
        self.demo.view.step("list", "empty at both: nothing is left")

    async def _at_exoscale(self, client: Exoscale) -> None:
        """A model first; then each write is an operation, and only then the deployment."""
        view, row, began = self.demo.view, self.exoscale, self.demo.emu.now()
        row.note = "its model is fetched first"
        fetching = await client.models.create(_MODEL)
        model = await fetching.wait(timeout=self.demo.timeout)
        self.fetched = self.demo.emu.now() - began
        view.step("model", f"{_MODEL} fetched into {_ZONE} in {clock(self.fetched)}")
        spec = {"name": row.order.name, "model": {"id": model.id}, "gpu-type": row.order.gpu}
        await self._follow(row, await client.deployments.create(spec), "ready")
        await self._follow(row, await client.deployments.delete(row.id), "deleted")
        await (await client.models.delete(model.id)).wait(timeout=self.demo.timeout)

    async def _at_gcore(self, client: Gcore) -> None:
        """Each write is a task, and only then the deployment."""
        row, api = self.gcore, client.inference_deployments
        spec = {
            "name": "demo-gcore",
            "image": _IMAGE,
            "listening_port": 8000,
            "flavor_name": _FLAVOR,
            "containers": [{"region_id": _REGION, "scale": {"min": 1, "max": 1}}],
        }
        await self._follow(row, await api.create(spec), "ACTIVE")
        await self._follow(row, await api.delete(row.id), "deleted")

    async def _follow(self, row: Row, change: Change[Any], state: str) -> None:
        row.begin(change, self.demo.emu.now())
        row.state = "deleting" if state == "deleted" else row.state
        await self.demo.follow(row, state)
        if row.error:
            raise row.error

    def summary(self) -> Iterator[tuple[str, str]]:
        """A title and a text for each."""
        after = clock(self.exoscale.active_after or 0)
        fetched = f"the model took {clock(self.fetched)}"
        yield "exoscale", f"{fetched}, then operation and deployment: ready after {after}"
        yield "gcore", f"task and deployment: ACTIVE after {clock(self.gcore.active_after or 0)}"
