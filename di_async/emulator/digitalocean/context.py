"""What the operations share: the estate, how to speak, and the questions all of them ask.

Rules of this file: no operation; nothing here changes an instance.
"""

from collections.abc import Iterable

import orjson
from attrs import Factory, frozen

from di_async.emulator.cloud.faults import FaultBook
from di_async.emulator.cloud.http import JSON, Refusal, Request, Response
from di_async.emulator.cloud.settings import Settings
from di_async.emulator.cloud.simulation import Simulation

from .documented import Documented
from .observed import Observed
from .records import Instance
from .shapes import Shapes
from .store import Store
from .validation import page_of

BASE = "/v2/dedicated-inferences"
LIST = f"GET {BASE}"
GET = f"GET {BASE}/{{id}}"


@frozen
class ProviderContext:
    """One account's Dedicated Inference, as its operations find it."""

    simulation: Simulation
    faults: FaultBook
    settings: Settings
    store: Store
    shapes: Shapes
    default_vpc: str
    _rendered: dict[tuple[str, str], tuple[Instance, str, bytes]] = Factory(dict)

    @staticmethod
    def build(simulation: Simulation, faults: FaultBook, settings: Settings) -> "ProviderContext":
        """A site without instances."""
        shapes = (Documented if settings.dialect == "documented" else Observed)(settings)
        return ProviderContext(
            simulation, faults, settings, Store(simulation), shapes, simulation.new_uuid()
        )

    def word(self, instance: Instance, now: float) -> str:
        """The status word: of what is under way, or of what came of it."""
        write = instance.change
        if not instance.in_flight:
            return "error" if instance.failed else "active"
        if write.action == "delete":
            return "deleting"
        if now >= write.settles_at - self.settings.lifecycle.active_early:
            return "active"
        if write.action == "update":
            return "updating"
        return "new" if now < write.provisions_at else "provisioning"

    def existing(self, id: str) -> Instance:
        """The instance as it is, for writes."""
        if id not in self.store.instances:
            raise missing()
        return self.store.instances[id]

    def seen(self, now: float, id: str) -> Instance:
        """The instance as reads see it."""
        instance = self.store.seen(id, now)
        if instance is None:
            raise missing()
        return instance

    def shown(self, now: float, operation: str, instance: Instance) -> orjson.Fragment:
        """An instance on the wire, rendered once for as long as it does not change.

        Sweeps of thousands of rows are what an emulator of lists is asked for most.
        """
        word = self._word_told(now, operation, instance)
        cached = self._rendered.get((instance.id, operation))
        if cached and cached[0] is instance and cached[1] == word:
            return orjson.Fragment(cached[2])
        shape = self.shapes.row if operation == LIST else self.shapes.instance
        text = orjson.dumps(shape(instance, word))
        self._rendered[instance.id, operation] = (instance, word, text)
        return orjson.Fragment(text)

    def _word_told(self, now: float, operation: str, instance: Instance) -> str:
        fault = self.faults.take(
            ("unknown_status",), now, operation, id=instance.id, region=instance.region
        )
        return fault.word if fault else self.word(instance, now)


def page_response(
    context: ProviderContext, request: Request, key: str, rows: Iterable[object], total: int
) -> Response:
    """A list's answer: the rows of the page, links, and the total."""
    page, per_page = page_of(request.query)
    host = request.headers.get("host", "api.digitalocean.com")
    url = f"{context.settings.scheme}://{host}{request.path}"
    links = context.shapes.links(url, request.query, page, per_page, total)
    body = {key: list(rows), "links": links, "meta": {"total": total}}
    return Response(200, dict(JSON), orjson.dumps(body))


def missing() -> Refusal:
    """The vendor's 404."""
    return Refusal(404, "The resource you requested could not be found.")
