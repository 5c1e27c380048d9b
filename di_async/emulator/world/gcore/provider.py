"""The Gcore provider: wired, and nothing answered yet but refusals."""

from collections import Counter
from collections.abc import Mapping

from di_async.emulator.world.faults import Fault, FaultBook
from di_async.emulator.world.http import Refusal, Request, Response, json_response
from di_async.emulator.world.nature import Nature
from di_async.emulator.world.provider import Target, Truth
from di_async.emulator.world.settings import Settings
from di_async.emulator.world.windows import Limits, Standing


class Gcore:
    """The Gcore part of a world."""

    operations: tuple[str, ...] = ()
    limits: Limits | None = None  # the vendor documents none

    def __init__(self, nature: Nature, faults: FaultBook, settings: Settings) -> None:
        self._nature = nature
        self._faults = faults
        self._settings = settings
        self._ids = nature.ids_of("gcore")
        self.api_key = f"{self._ids.new_hex(4)}${self._ids.new_hex(64)}"
        self.project_id = 1000 + int(self._ids.new_hex(4), 16)
        self._created: Counter[str] = Counter()

    @property
    def created(self) -> Mapping[str, int]:
        """How many were ever created under each name."""
        return self._created

    def advance(self, now: float) -> None:
        """Apply what has become due by now."""

    def owns(self, request: Request) -> bool:
        """The paths that are this vendor's."""
        return request.segments[:1] == ("cloud",)

    def operation(self, request: Request) -> str | None:
        """The operation a request asks for."""
        return None

    def authorize(self, now: float, request: Request, operation: str | None) -> str:
        """The account that asks."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "apikey" or key.strip() != self.api_key:
            raise Refusal(401, "Bad permanent token", exception_class="Unauthorized")
        return key

    def target(self, request: Request, operation: str | None) -> Target:
        """What the request is about."""
        return Target()

    def answer(self, now: float, request: Request, operation: str | None) -> Response:
        """Do what is asked."""
        raise Refusal(404, "Not found")

    def error(self, refusal: Refusal, request_id: str) -> Response:
        """A refusal in the vendor's shape."""
        return json_response(
            refusal.status,
            {"message": refusal.message, "request_id": request_id, **refusal.details},
        )

    def headers(self, now: float, standing: Standing | None, request_id: str) -> dict[str, str]:
        """What every answer carries."""
        return {}

    def serve(self, now: float, request: Request) -> Response | None:
        """The answer of a deployment's own endpoint."""
        return None

    def knows(self, id: str) -> bool:
        """Whether there is, or was, such a resource."""
        return False

    def truth(self, id: str, now: float) -> Truth:
        """What really is the matter with a resource."""
        raise KeyError(id)

    def strike(self, fault: Fault, now: float) -> None:
        """Let an outcome fault strike one resource at once."""
        raise ValueError(f"nothing {fault.id!r} to strike")

    def rows(self, now: float) -> list[dict[str, object]]:
        """All that exists."""
        return []
