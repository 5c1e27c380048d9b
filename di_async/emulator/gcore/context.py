"""What the operations share: the project, its estate, how to speak, and the usual questions.

Rules of this file: no operation; nothing here changes a deployment.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from attrs import frozen

from di_async.emulator.cloud.faults import FaultBook
from di_async.emulator.cloud.http import Refusal, Request, Response, json_response
from di_async.emulator.cloud.settings import Settings
from di_async.emulator.cloud.simulation import Ids, Simulation

from .catalog import QUOTA
from .records import Deployment, Generation
from .shapes import Shapes
from .status import word
from .store import Store
from .validation import invalid

V2 = "/cloud/v2/inference/deployments"
V2_ONE = f"{V2}/{{instance_id}}"
V3 = "/cloud/v3/inference/{project_id}/deployments"
V3_ONE = f"{V3}/{{deployment_name}}"

T = TypeVar("T")


@frozen
class ProviderContext:
    """One project's inference, as its operations find it."""

    simulation: Simulation
    ids: Ids
    faults: FaultBook
    settings: Settings
    project_id: int
    store: Store
    shapes: Shapes
    quota: dict[str, int]

    @staticmethod
    def build(
        simulation: Simulation, faults: FaultBook, settings: Settings, project_id: int
    ) -> "ProviderContext":
        """A site without deployments."""
        shapes = Shapes(settings, simulation, project_id)
        ids = simulation.ids_of("gcore/things")
        return ProviderContext(
            simulation, ids, faults, settings, project_id, Store(), shapes, quota=dict(QUOTA)
        )

    def existing(self, generation: Generation, id: str) -> Deployment:
        """The deployment as it is, for writes."""
        it = self.store.deployments.get(id)
        if it is None or it.generation != generation:
            raise missing(id)
        return it

    def seen(self, now: float, generation: Generation, id: str) -> Deployment:
        """The deployment as reads see it."""
        it = self.store.seen(id, now)
        if it is None or it.generation != generation:
            raise missing(id)
        return it

    def shown(self, now: float, operation: str, it: Deployment) -> dict[str, object]:
        """A deployment on the wire."""
        value = self.shapes.deployment(it, now)
        fault = self.faults.take(("unknown_status",), now, operation, id=it.id)
        return value | {"status": fault.word if fault else word(it, now)}


def page_response(request: Request, rows: Sequence[T], most: int = 1000) -> Response:
    """A list's answer: `limit` rows after `offset`, and how many there are."""
    limit, offset = page_of(request, most)
    return list_response(rows[offset : offset + limit], len(rows))


def page_of(request: Request, usual: int = 1000) -> tuple[int, int]:
    """`limit` and `offset` of a request."""
    limit = _whole(request, "limit", usual)
    offset = _whole(request, "offset", 0)
    return min(limit, 1000), offset


def list_response(rows: Iterable[object], count: int) -> Response:
    """A list's answer."""
    return json_response(200, {"count": count, "results": list(rows)})


def missing(what: str) -> Refusal:
    """The vendor's 404; the same for what is in another project."""
    return Refusal(404, f"Inference resource {what} is not found")


def _whole(request: Request, name: str, usual: int) -> int:
    text = request.query.get(name) or str(usual)
    if not text.isascii() or not text.isdigit():
        raise invalid({name: "Input should be a valid integer, at least 0"})
    return int(text)
