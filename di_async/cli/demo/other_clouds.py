"""The steps of the demo at Exoscale and Gcore, against the same emulator."""

from collections.abc import Awaitable, Iterator
from typing import Any

from attrs import define, field

from di_async import Change, Exoscale, Gcore, PollPolicy
from di_async.cli.demo.fleet import Plan, Row
from di_async.cli.demo.scenario import DemoError, FleetDemo, run_together
from di_async.cli.output import format_duration

__all__ = ["OtherCloudsDemo"]

_ZONE, _REGION = "ch-gva-2", 7
_MODEL = "mistralai/Mistral-7B-Instruct-v0.3"
_GPU, _FLAVOR = "gpua5000", "inference-16vcpu-232gib-1xl40s"
_IMAGE = "vllm/vllm-openai:latest"


@define
class OtherCloudsDemo:
    """Creates and deletes one deployment each at Exoscale and Gcore, concurrently."""

    demo: FleetDemo
    polling: PollPolicy
    exoscale: Row = field(init=False)
    gcore: Row = field(init=False)
    download_s: float = field(init=False, default=0.0)
    """Emulated seconds that Exoscale took to download the model."""

    def __attrs_post_init__(self) -> None:
        now = self.demo.emu.now
        self.exoscale = Row(Plan("exoscale", _ZONE, _MODEL, _GPU), now)
        self.gcore = Row(Plan("gcore", f"region {_REGION}", _IMAGE, _FLAVOR), now)

    async def run(self) -> None:
        """Run all steps.

        Raises:
            DIError: a step did not end as expected.
        """
        emu = self.demo.emu
        self.demo.view.fleet([*self.demo.rows, self.exoscale, self.gcore])
        self.demo.view.step("others", "one deployment each at Exoscale and Gcore")
        async with (
            Exoscale(
                emu.exoscale_api_key,
                emu.exoscale_api_secret,
                _ZONE,
                base_url=emu.exoscale_url,
                polling=self.polling,
                budget=None,
            ) as exoscale,
            Gcore(
                emu.gcore_api_key,
                emu.gcore_project_id,
                base_url=emu.url,
                polling=self.polling,
                budget=None,
            ) as gcore,
        ):
            await run_together((self._at_exoscale(exoscale), self._at_gcore(gcore)))
            remaining = [row.name async for row in exoscale.deployments.list()]
            remaining += [row.name async for row in exoscale.models.list()]
            remaining += [row.name async for row in gcore.inference_deployments.list()]
        if remaining:
            raise DemoError(f"still listed after all deletes: {', '.join(remaining)}")
        self.demo.view.step("list", "empty at both")

    async def _at_exoscale(self, client: Exoscale) -> None:
        """Download a model, then create and delete a deployment of it."""
        view, row, started_at = self.demo.view, self.exoscale, self.demo.emu.now()
        row.note = "its model is downloaded first"
        download = await client.models.create(_MODEL)
        model = await download.wait(timeout=self.demo.timeout)
        self.download_s = self.demo.emu.now() - started_at
        view.step("model", f"{_MODEL} in {_ZONE} after {format_duration(self.download_s)}")
        spec = {"name": row.plan.name, "model": {"id": model.id}, "gpu-type": row.plan.gpu}
        await self._follow(row, client.deployments.create(spec), "ready")
        await self._follow(row, client.deployments.delete(row.id), "deleted")
        await (await client.models.delete(model.id)).wait(timeout=self.demo.timeout)

    async def _at_gcore(self, client: Gcore) -> None:
        """Create and delete a deployment."""
        row, api = self.gcore, client.inference_deployments
        spec = {
            "name": "demo-gcore",
            "image": _IMAGE,
            "listening_port": 8000,
            "flavor_name": _FLAVOR,
            "containers": [{"region_id": _REGION, "scale": {"min": 1, "max": 1}}],
        }
        await self._follow(row, api.create(spec), "ACTIVE")
        await self._follow(row, api.delete(row.id), "deleted")

    async def _follow(self, row: Row, write: Awaitable[Change[Any]], state: str) -> None:
        started_at = self.demo.emu.now()
        row.begin(await write, started_at)
        row.state = "deleting" if state == "deleted" else row.state
        await self.demo.follow(row, state)
        if row.error:
            raise row.error

    def summary(self) -> Iterator[tuple[str, str]]:
        """Return title and text of each line."""
        download = f"model after {format_duration(self.download_s)}"
        after = format_duration(self.exoscale.active_after or 0)
        yield "exoscale", f"{download}; operation done and deployment ready after {after}"
        after = format_duration(self.gcore.active_after or 0)
        yield "gcore", f"task done and deployment ACTIVE after {after}"
