"""What the operations share: the project, its estate, how to speak, and the usual questions.

Rules of this file: no operation; nothing here changes a deployment.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from attrs import frozen

from di_async.emulator.world.faults import FaultBook
from di_async.emulator.world.http import Refusal, Request, Response, json_response
from di_async.emulator.world.nature import Ids, Nature
from di_async.emulator.world.settings import Settings

from .estate import Estate
from .records import Deployment, Generation
from .wire.catalog import QUOTA
from .wire.shapes import Shapes
from .wire.validation import invalid
from .words import word

V2 = "/cloud/v2/inference/deployments"
V2_ONE = f"{V2}/{{instance_id}}"
V3 = "/cloud/v3/inference/{project_id}/deployments"
V3_ONE = f"{V3}/{{deployment_name}}"

T = TypeVar("T")


@frozen
class Site:
    """One project's inference, as its operations find it."""

    nature: Nature
    ids: Ids
    faults: FaultBook
    settings: Settings
    project_id: int
    estate: Estate
    shapes: Shapes
    quota: dict[str, int]

    @staticmethod
    def build(nature: Nature, faults: FaultBook, settings: Settings, project_id: int) -> "Site":
        """A site without deployments."""
        shapes = Shapes(settings, nature, project_id)
        ids = nature.ids_of("gcore/things")
        return Site(nature, ids, faults, settings, project_id, Estate(), shapes, quota=dict(QUOTA))

    def existing(self, generation: Generation, id: str) -> Deployment:
        """The deployment as it is, for writes."""
        it = self.estate.deployments.get(id)
        if it is None or it.generation != generation:
            raise missing(id)
        return it

    def seen(self, now: float, generation: Generation, id: str) -> Deployment:
        """The deployment as reads see it."""
        it = self.estate.seen(id, now)
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
