"""What the operations share: the estate, how to speak, and the questions all of them ask.

Rules of this file: no operation; nothing here changes a model or deployment.
"""

from attrs import frozen

from di_async.emulator.cloud.faults import FaultBook
from di_async.emulator.cloud.http import Refusal, Request, Response, json_response
from di_async.emulator.cloud.settings import Settings
from di_async.emulator.cloud.simulation import Ids, Simulation

from . import shapes
from .records import Deployment, Lasting, Operation
from .shapes import Json
from .store import Store, Timeline

DEPLOYMENTS = "/v2/ai/deployment"
MODELS = "/v2/ai/model"


@frozen
class Ask:
    """A request as handlers get it: when, in which zone, about which id, by which operation."""

    now: float
    zone: str
    id: str
    operation: str
    request: Request


@frozen
class ProviderContext:
    """All zones of one organisation, as operations find them."""

    simulation: Simulation
    ids: Ids
    faults: FaultBook
    settings: Settings
    store: Store

    def deployment(self, ask: Ask) -> Deployment:
        """The deployment as reads see it."""
        story = self.store.deployments.get(ask.id)
        shown = story.seen(ask.now) if story and story.zone == ask.zone else None
        if shown is None:
            raise missing("Deployment")
        return shown

    def free(self, ask: Ask) -> tuple[Timeline[Deployment], Deployment]:
        """A deployment that takes writes: there, one's own, and nothing pending on it."""
        story = self.store.deployments.get(ask.id)
        current = story.at(ask.now) if story and story.zone == ask.zone else None
        if story is None or current is None:
            raise missing("Deployment")
        if current.visibility == "public":
            raise Refusal(403, "This deployment is managed by Exoscale")
        if story.busy(ask.now):
            raise Refusal(409, "Another operation is pending on this deployment")
        return story, current

    def told(self, ask: Ask, thing: Lasting, fields: Json) -> Json:
        """The fields on the wire, as faults would have them."""
        about = {"id": thing.id, "region": thing.zone}
        if fault := self.faults.take(("unknown_status",), ask.now, ask.operation, **about):
            fields = {**fields, "state": fault.word}
        if self.faults.take(("old_names",), ask.now, ask.operation, **about):
            fields = shapes.old_names(fields)
        return fields


def accepted(operation: Operation, now: float) -> Response:
    """What every write answers with."""
    return json_response(200, shapes.operation(operation, now))


def missing(what: str) -> Refusal:
    """The vendor's 404; what is in another zone is not found either."""
    return Refusal(404, f"{what} not found")
