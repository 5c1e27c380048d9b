"""The emulator's own endpoints under `/_emulator`: no authority needed, outside the rate windows.

GET    /_emulator/state     the time, what exists, what came in
GET    /_emulator/faults    the armed faults
POST   /_emulator/faults    arm one: {"kind": "reset", "on": "POST /v2/...", "times": 1}
DELETE /_emulator/faults    clear them
"""

from typing import TYPE_CHECKING

import orjson
from attrs import asdict

from .cloud.http import Request, Response, json_response

if TYPE_CHECKING:
    from .world import World


def answer(world: "World", now: float, request: Request) -> Response:
    """The answer of a control endpoint."""
    match request.method, request.segments[1:]:
        case "GET", ("state",):
            return json_response(200, _state(world, now))
        case "GET", ("faults",):
            return json_response(200, {"faults": [f.to_dict() for f in world.faults.all()]})
        case "POST", ("faults",):
            return _arm(world, request)
        case "DELETE", ("faults",):
            world.faults.clear()
            return Response(204)
        case _:
            return _refused(404, f"no {request.method} {request.path} here")


def _arm(world: "World", request: Request) -> Response:
    try:
        settings = orjson.loads(request.body)
        fault = world.fault(settings.pop("kind", ""), **settings)
    except (ValueError, TypeError, AttributeError) as error:
        return _refused(400, str(error))
    return json_response(201, {"fault": fault.to_dict()})


def _state(world: "World", now: float) -> dict[str, object]:
    return {
        "now": now,
        "dialect": world.settings.dialect,
        "time_scale": world.time_scale,
        "stats": asdict(world.stats),
        "instances": [row for provider in world.providers for row in provider.rows(now)],
    }


def _refused(status: int, message: str) -> Response:
    return json_response(status, {"message": message})
