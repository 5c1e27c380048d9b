"""A client of a zone, and a signer that shares no code with the client and the emulator."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from attrs import define

from di_async.emulator import Lifecycle, Response, World

from ..helpers import NOW, Reply  # noqa: TID252

LIFECYCLE = Lifecycle(create=600, update=300, delete=60)
ZONE = "ch-gva-2"
MODEL = "mistralai/Mistral-7B-Instruct-v0.3"
DEPLOYMENTS = "/v2/ai/deployment"
NOBODY = "00000000-0000-4000-8000-000000000000"


def a_deployment(**changes: object) -> dict[str, Any]:
    """Return a create request's body; underscores in changes stand for hyphens."""
    body: dict[str, Any] = {
        "name": "web",
        "model": {"name": MODEL},
        "gpu-type": "gpua5000",
        "gpu-count": 1,
        "replicas": 1,
    }
    return body | kebab(changes)


def kebab(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields with hyphens."""
    return {name.replace("_", "-"): value for name, value in fields.items()}


def signed(
    key: str, secret: str, method: str, target: str, body: bytes = b"", *, expires: float
) -> str:
    """Return a valid Authorization header for this request."""
    url = urlsplit(target)
    args = sorted(parse_qsl(url.query))
    names = ";".join(name for name, _ in args)
    values = "".join(value for _, value in args)
    parts = (f"{method} {url.path}".encode(), body, values.encode(), b"", b"%d" % expires)
    mac = hmac.new(secret.encode(), b"\n".join(parts), hashlib.sha256).digest()
    pragma = f"signed-query-args={names}," if names else ""
    signature = base64.b64encode(mac).decode()
    pragmas = f"credential={key},{pragma}expires={int(expires)},signature={signature}"
    return f"EXO2-HMAC-SHA256 {pragmas}"


@define
class ZoneClient:
    """A client of a world's zone with a valid key."""

    world: World
    zone: str = ZONE
    now: float = NOW

    def raw(self, method: str, path: str, json: object = None, **headers: str) -> Response:
        """Return the raw response; `authorization` replaces the signature."""
        target = f"/zones/{self.zone}{path}"
        body = b"" if json is None else orjson.dumps(json)
        exo = self.world.exoscale
        self.world.simulation.advance_to(
            self.now
        )  # the first moment seen is where real time begins
        real_time = self.world.simulation.real_time(self.now)
        sent = {
            "authorization": signed(
                exo.api_key, exo.api_secret, method, target, body, expires=real_time + 600
            )
        }
        return self.world.handle(self.now, method, target, sent | headers, body)

    def request(self, method: str, path: str, json: object = None, **headers: str) -> Reply:
        """Send a request and parse the response; `path` may omit /v2/ai."""
        target = path if path.startswith("/v2") else f"/v2/ai{path}"
        raw = self.raw(method, target, json, **headers)
        is_json = "json" in raw.headers.get("content-type", "")
        return Reply(raw.status, orjson.loads(raw.body) if is_json else None, raw.headers, raw)

    def accepted(self, method: str, path: str, json: object = None) -> dict[str, Any]:
        """Return the operation of an accepted write."""
        reply = self.request(method, path, json)
        assert reply.status == 200, reply.json
        operation: dict[str, Any] = reply.json
        return operation

    def create(self, **changes: object) -> str:
        """Return the id of a new deployment; its model is added first."""
        if not self.rows("models"):
            self.world.add_exoscale_model(zone=self.zone, name=MODEL, now=self.now)
        operation = self.accepted("POST", "/deployment", a_deployment(**changes))
        return str(self.world.exoscale.store.operations[operation["id"]].target)

    def ready(self, **changes: object) -> str:
        """Return the id of a deployment whose create has settled."""
        id = self.create(**changes)
        self.now += 600
        return id

    def get(self, id: str) -> dict[str, Any]:
        """Return a deployment."""
        fields: dict[str, Any] = self.request("GET", f"/deployment/{id}").json
        return fields

    def state(self, id: str) -> str:
        """Return the state that a GET shows, or `404`."""
        reply = self.request("GET", f"/deployment/{id}")
        return str(reply.json["state"]) if reply.status == 200 else str(reply.status)

    def operation(self, id: str) -> dict[str, Any]:
        """Return an operation."""
        fields: dict[str, Any] = self.request("GET", f"/v2/operation/{id}").json
        return fields

    def rows(self, what: str = "deployments", query: str = "") -> list[Any]:
        """Return the rows of a list."""
        rows: list[Any] = self.request("GET", f"/{what[:-1]}{query}").json[what]
        return rows


def a_zone(**options: Any) -> ZoneClient:
    """Return a client of a zone: create 600 s, update 300 s, delete 60 s."""
    return ZoneClient(World(**{"lifecycle": LIFECYCLE, **options}))
