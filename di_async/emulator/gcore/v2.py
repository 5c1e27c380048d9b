"""The operations on instances, as documented first: keyed by UUID, writes answer with the object.

Rules of this file: handlers take (site, now, request, values of the path). Nothing written here
is seen by v3, and the other way round.
"""

from di_async.emulator.cloud.http import Request, Response, json_response, parse_object

from . import validation, writes
from .context import V2, V2_ONE, ProviderContext, missing
from .records import Deployment, Spec

LIST = f"GET {V2}"
GET = f"GET {V2_ONE}"
CREATE = f"POST {V2}"
UPDATE = f"PUT {V2_ONE}"
DELETE = f"DELETE {V2_ONE}"

Values = dict[str, str]


def create(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """A new instance."""
    spec = _spec(context, request)
    return _answer(context, now, CREATE, writes.create(context, now, CREATE, 2, spec))


def replace(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """All of an instance anew: what the request leaves out is dropped."""
    before = context.existing(2, values["instance_id"])
    spec = _spec(context, request)
    writes.check_free(context, 2, spec["name"], before.id)
    after = writes.change(context, now, UPDATE, "update", before, spec=spec, name=spec["name"])
    return _answer(context, now, UPDATE, after)


def delete(context: ProviderContext, now: float, request: Request, values: Values) -> Response:
    """The end of an instance; no page tells what is answered, so it is the object, too."""
    before = context.existing(2, values["instance_id"])
    return _answer(context, now, DELETE, writes.change(context, now, DELETE, "delete", before))


def _spec(context: ProviderContext, request: Request) -> Spec:
    raw = parse_object(request.body)
    spec = validation.instance(raw)
    if raw.get("project_id") not in (None, context.project_id):
        raise missing(f"project {raw['project_id']}")
    return spec


def _answer(context: ProviderContext, now: float, operation: str, it: Deployment) -> Response:
    return json_response(200, context.shown(now, operation, it))
