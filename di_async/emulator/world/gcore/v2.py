"""The operations on instances, as documented first: keyed by UUID, writes answer with the object.

Rules of this file: handlers take (site, now, request, values of the path). Nothing written here
is seen by v3, and the other way round.
"""

from di_async.emulator.world.http import Request, Response, json_response, parse_object

from . import writes
from .records import Deployment, Spec
from .site import V2, V2_ONE, Site, missing
from .wire import validation

LIST = f"GET {V2}"
GET = f"GET {V2_ONE}"
CREATE = f"POST {V2}"
UPDATE = f"PUT {V2_ONE}"
DELETE = f"DELETE {V2_ONE}"

Values = dict[str, str]


def create(site: Site, now: float, request: Request, values: Values) -> Response:
    """A new instance."""
    spec = _spec(site, request)
    return _answer(site, now, CREATE, writes.create(site, now, CREATE, 2, spec))


def replace(site: Site, now: float, request: Request, values: Values) -> Response:
    """All of an instance anew: what the request leaves out is dropped."""
    before = site.existing(2, values["instance_id"])
    spec = _spec(site, request)
    writes.check_free(site, 2, spec["name"], before.id)
    after = writes.change(site, now, UPDATE, "update", before, spec=spec, name=spec["name"])
    return _answer(site, now, UPDATE, after)


def delete(site: Site, now: float, request: Request, values: Values) -> Response:
    """The end of an instance; no page tells what is answered, so it is the object, too."""
    before = site.existing(2, values["instance_id"])
    return _answer(site, now, DELETE, writes.change(site, now, DELETE, "delete", before))


def _spec(site: Site, request: Request) -> Spec:
    raw = parse_object(request.body)
    spec = validation.instance(raw)
    if raw.get("project_id") not in (None, site.project_id):
        raise missing(f"project {raw['project_id']}")
    return spec


def _answer(site: Site, now: float, operation: str, it: Deployment) -> Response:
    return json_response(200, site.shown(now, operation, it))
