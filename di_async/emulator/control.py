"""The emulator's own endpoints under `/_emulator`: no authorization, no rate limit.

GET    /_emulator/state     the time, the existing resources, request statistics
GET    /_emulator/faults    the armed faults
POST   /_emulator/faults    arm one: {"kind": "reset", "on": "POST /v2/...", "times": 1}
DELETE /_emulator/faults    clear them
"""

from collections.abc import Callable, Mapping

import orjson

from .cloud.faults import Fault, FaultRegistry
from .cloud.http import Json, Request, Response, json_response


def answer(
    request: Request,
    faults: FaultRegistry,
    arm: Callable[[str, Mapping[str, object]], Fault],
    state: Callable[[], Json],
) -> Response:
    """Answer a control request; `arm` arms a fault and `state` returns the world's state."""
    match request.method, request.segments[1:]:
        case "GET", ("state",):
            return json_response(200, state())
        case "GET", ("faults",):
            return json_response(200, {"faults": [fault.to_dict() for fault in faults.all()]})
        case "POST", ("faults",):
            return _arm(request, arm)
        case "DELETE", ("faults",):
            faults.clear()
            return Response(204)
    message = f"no {request.method} {request.path} here"
    return json_response(404, {"message": message})


def _arm(request: Request, arm: Callable[[str, Mapping[str, object]], Fault]) -> Response:
    try:
        settings = orjson.loads(request.body)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        message = 'expected a JSON object such as {"kind": "reset", "times": 1}'
        return json_response(400, {"message": message})
    try:
        fault = arm(settings.pop("kind", ""), settings)
    except ValueError as error:
        return json_response(400, {"message": str(error)})
    return json_response(201, {"fault": fault.to_dict()})
