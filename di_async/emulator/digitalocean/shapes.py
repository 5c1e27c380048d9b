"""What both dialects share: the words of a state, stamps, hosts, pages of a list.

Rules of this file: from values to JSON-able values; a dialect is a subclass of `Shapes`.
"""

import base64
import math
import string
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, TypeVar
from urllib.parse import urlencode

from di_async.emulator.cloud.settings import Settings
from di_async.emulator.digitalocean.records import (
    Accelerator,
    Instance,
    Model,
    Token,
    accelerator_id,
)

Json = dict[str, object]
T = TypeVar("T")

_DIGITS = string.digits + string.ascii_lowercase


class Shapes(ABC):
    """A dialect: how values look on the wire."""

    token_created_status: ClassVar[int]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def created(self, instance: Instance, word: str, token: Token) -> Json:
        """The answer to a create."""

    @abstractmethod
    def instance(self, instance: Instance, word: str) -> Json:
        """One instance, not wrapped."""

    @abstractmethod
    def row(self, instance: Instance, word: str) -> Json:
        """One item of a list of instances."""

    @abstractmethod
    def token(self, token: Token, *, value: bool) -> Json:
        """One access token."""

    @abstractmethod
    def accelerator(
        self, instance: Instance, model: Model, entry: Accelerator, number: int
    ) -> Json:
        """One GPU in use."""

    @abstractmethod
    def sizes(self) -> Json:
        """Regions and prices."""

    @abstractmethod
    def models(self) -> list[Json]:
        """GPU and model configurations."""

    @abstractmethod
    def links(self, url: str, query: dict[str, str], page: int, per_page: int, total: int) -> Json:
        """The links of a page."""

    def ca(self) -> Json:
        """The CA certificate: base64 of its PEM."""
        return {"cert": base64.b64encode(self.settings.ca_pem.encode()).decode()}

    def cased(self, word: str) -> str:
        """A status word in the case asked for."""
        return word.upper() if self.settings.status_case == "upper" else word

    def status(self, word: str) -> str:
        """An instance's status; `active` may be spelled `running`."""
        return self.cased(self.settings.active_word if word == "active" else word)

    def endpoint(self, instance: Instance, kind: str) -> str:
        """The URL of an endpoint: our data plane, or a name like the vendor's."""
        if self.settings.dataplane_url:
            return self.settings.dataplane_url
        return f"https://{_base36(instance.id)}-{kind}-dedicated-inference.do-infra.ai"


def stamp_text(stamp: int) -> str:
    """A stamp as RFC 3339 text."""
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def gpu_name(model: Model, entry: Accelerator, number: int) -> str:
    """A GPU's name, like the vendor's `mi300x1-ghfpsf`."""
    letters = uuid.UUID(accelerator_id(model, entry, number)).int
    tail = "".join(chr(ord("a") + (letters >> 8 * at) % 26) for at in range(6))
    return f"{entry.slug.removeprefix('gpu-').split('-')[0]}-{tail}"


def page_links(
    url: str, query: dict[str, str], page: int, per_page: int, total: int
) -> dict[str, str]:
    """The links that make sense on this page: first and last always, next and prev if any."""
    last = max(1, math.ceil(total / per_page))
    kept = {name: value for name, value in query.items() if name not in ("page", "per_page")}

    def link(number: int) -> str:
        return f"{url}?{urlencode({**kept, 'page': number, 'per_page': per_page})}"

    links = {"first": link(1)}
    if page > 1:
        links["prev"] = link(min(page - 1, last))
    if page < last:
        links["next"] = link(page + 1)
    return {**links, "last": link(last)}


def page_slice(rows: Sequence[T], page: int, per_page: int) -> Sequence[T]:
    """The rows of one page."""
    return rows[(page - 1) * per_page : page * per_page]


def _base36(id: str) -> str:
    number, digits = uuid.UUID(id).int, []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
