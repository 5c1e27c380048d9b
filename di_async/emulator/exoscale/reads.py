"""The operations that only look.

Rules of this file: handlers take (site, ask) and change nothing.
"""

from di_async.emulator.cloud.http import Refusal, Response, json_response

from . import shapes
from .catalog import GPUS, PARAMETERS, ZONES
from .context import Ask, ProviderContext, missing
from .records import Deployment
from .store import listed
from .validation import parse_tail, parse_visibility

_LINES = {
    "creating": ("Waiting for GPUs",),
    "preparing": ("Waiting for GPUs", "Pulling the engine's image"),
    "deploying": ("Pulling the engine's image", "Loading the weights"),
    "error": ("Loading the weights", "The engine stopped"),
}
_RUNNING = ("Loading the weights", "Application startup complete.")


def list_zones(context: ProviderContext, ask: Ask) -> Response:
    """The zones, each with a base URL that leads back here."""
    host = ask.request.headers.get("host", "api-ch-gva-2.exoscale.com")
    base = f"{context.settings.scheme}://{host}/zones"
    zones = [
        {
            "name": zone,
            "api-endpoint": f"{base}/{zone}/v2",
            "sos-endpoint": f"https://sos-{zone}.exo.io",
        }
        for zone in ZONES
    ]
    return json_response(200, {"zones": zones})


def list_deployments(context: ProviderContext, ask: Ask) -> Response:
    """The zone's deployments, the vendor's own ones included unless asked otherwise."""
    visibility = parse_visibility(ask.request.query)
    rows = [
        context.told(ask, shown, shapes.row(context.settings, shown))
        for shown in listed(context.store.deployments, ask.zone, ask.now)
        if visibility in (None, shown.visibility)
    ]
    return json_response(200, {"deployments": rows})


def get_deployment(context: ProviderContext, ask: Ask) -> Response:
    """One deployment; the vendor does not wrap it."""
    shown = context.deployment(ask)
    return json_response(200, context.told(ask, shown, shapes.deployment(context.settings, shown)))


def reveal_api_key(context: ProviderContext, ask: Ask) -> Response:
    """The key of the deployment's own endpoint."""
    _own(context.deployment(ask))
    key = next(key for key, id in context.store.keys.items() if id == ask.id)
    return json_response(200, {"api-key": key})


def get_logs(context: ProviderContext, ask: Ask) -> Response:
    """The last lines that the engine wrote."""
    shown = _own(context.deployment(ask))
    tail = parse_tail(ask.request.query)
    lines = list(_LINES.get(shown.state, _RUNNING))
    if shown.state_details:
        lines.append(shown.state_details)
    kept = lines if tail is None else lines[max(0, len(lines) - tail) :]
    at = shapes.stamp(shown.updated)
    node = f"{shown.id[:8]}-0"
    logs = [{"time": at, "node": node, "message": message} for message in kept]
    return json_response(200, {"logs": logs})


def list_models(context: ProviderContext, ask: Ask) -> Response:
    """The zone's models."""
    rows = [
        context.told(ask, shown, shapes.model(context.settings, shown))
        for shown in listed(context.store.models, ask.zone, ask.now)
    ]
    return json_response(200, {"models": rows})


def get_model(context: ProviderContext, ask: Ask) -> Response:
    """One model."""
    story = context.store.models.get(ask.id)
    shown = story.seen(ask.now) if story and story.zone == ask.zone else None
    if shown is None:
        raise missing("Model")
    return json_response(200, context.told(ask, shown, shapes.model(context.settings, shown)))


def get_operation(context: ProviderContext, ask: Ask) -> Response:
    """One operation of the zone; no 404 is listed for it, yet there is no other answer."""
    operation = context.store.operations.get(ask.id)
    if operation is None or operation.zone != ask.zone:
        raise missing("Operation")
    return json_response(200, shapes.operation(operation, ask.now))


def list_instance_types(context: ProviderContext, ask: Ask) -> Response:
    """The GPU families of the zone."""
    types = [{"family": name, "authorized": may} for name, may in GPUS[ask.zone].items()]
    return json_response(200, {"instance-types": types})


def get_engine_help(context: ProviderContext, ask: Ask) -> Response:
    """What may be handed to the engine."""
    return json_response(200, {"parameters": list(PARAMETERS)})


def get_quota(context: ProviderContext, ask: Ask) -> Response:
    """No quota."""
    return json_response(200, {"quota-uom-per-minute": None})


def _own(shown: Deployment) -> Deployment:
    if shown.visibility == "public":
        raise Refusal(403, "This deployment is managed by Exoscale")
    return shown
