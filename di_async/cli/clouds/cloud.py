"""One cloud, as commands see it. Rules of this file: what all clouds do alike stands here.

A command speaks to a `Cloud` and never asks which one it is. What only some of them can is a
method all the same; the others refuse it in words that name who can.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Generic, NotRequired, Protocol, TypedDict, TypeVar
from uuid import UUID

import attrs
from attrs import frozen

from di_async import Change, DIError, DigitalOcean, InvalidInputError, PollPolicy
from di_async.cli.output import Column
from di_async.cli.settings import Credential, Provider, Settings
from di_async.core.stages import ResumeToken
from di_async.exoscale import Exoscale
from di_async.fleet.ports import ScanClient
from di_async.gcore import Gcore

__all__ = ["AnyClient", "Cloud", "Goal", "Order", "Takes", "common"]

AnyClient = DigitalOcean | Exoscale | Gcore
Takes = Mapping[str, frozenset[str]]
C = TypeVar("C", bound=AnyClient)
R = TypeVar("R")


class UnknownNameError(DIError):
    """No resource bears that name, or not here."""


class AmbiguousNameError(DIError):
    """Several resources bear that name."""


class Goal(StrEnum):
    """What can be waited for."""

    ACTIVE = "active"
    DELETED = "deleted"


@frozen(kw_only=True)
class Order:
    """What a write was told, by the names of its options; None for what was not given."""

    spec: Mapping[str, Any] | None = None
    """What the file holds."""
    name: str | None = None
    region: str | None = None
    model: str | None = None
    gpu: str | None = None
    type: str | None = None
    scale: int | None = None
    vpc: str | None = None
    public: bool | None = None
    hf_token: Mapping[str, str] | None = None
    """The provider tokens to send along."""
    open_to_world: bool | None = None
    ready_timeout: float | None = None

    @property
    def given(self) -> frozenset[str]:
        """The names of what was given."""
        return frozenset(a.name for a in attrs.fields(Order) if getattr(self, a.name) is not None)


class Calls(Protocol[R]):
    """What the calls of all clouds share."""

    async def get(self, id: str, /) -> R:
        """One of them, in full."""
        ...

    async def delete(self, id: str, /) -> Change[None]:
        """A change that settles when it is gone."""
        ...

    def begin_wait(self, id: str, *, deleted: bool = False, seen: R | None = None) -> Change[Any]:
        """A wait that no write began."""
        ...

    def resume(self, token: str) -> Change[Any]:
        """The change of a token."""
        ...


class Common(TypedDict):
    """What the constructor of every client takes."""

    polling: PollPolicy
    user_agent: str
    base_url: NotRequired[str]


def common(settings: Settings, base_url: str | None = None) -> Common:
    """What the settings say to every client alike; a base URL of the cloud's own comes first."""
    told: Common = {
        "polling": PollPolicy(target_lag=settings.target_lag),
        "user_agent": "di-async-cli",
    }
    url = base_url or settings.base_url
    return told if url is None else {**told, "base_url": url}


class Cloud(ABC, Generic[C, R]):
    """A cloud whose client is entered."""

    provider: ClassVar[Provider]
    vendor: ClassVar[str]
    """What scans call it."""
    kind: ClassVar[type[Any]]
    """The class of its resources."""
    plural: ClassVar[str]
    """What people call them."""
    key: ClassVar[str]
    """What documents call one."""
    columns: ClassVar[tuple[Column[Any], ...]]
    """How a list of them looks."""
    credentials: ClassVar[tuple[Credential, ...]]
    takes: ClassVar[Takes]
    """Which options of `create`, `update` and `scale` it has a use for."""

    def __init__(self, client: C, settings: Settings) -> None:
        self.client = client
        self.settings = settings

    # -- what each says of itself -----------------------------------------------------------------

    @staticmethod
    @abstractmethod
    def connect(settings: Settings) -> C:
        """A client that is yet to be entered.

        Raises:
            InvalidInputError: a credential is missing, or something makes no sense together.
        """

    @property
    @abstractmethod
    def api(self) -> Calls[R]:
        """Where its calls are."""

    @property
    @abstractmethod
    def where(self) -> str:
        """Where its names and ids mean something, such as "in this team"."""

    @property
    def scope(self) -> str | None:
        """Zone or project, as resume tokens have it."""
        return None

    @property
    def scannable(self) -> ScanClient:
        """What a scan reads."""
        return self.client

    @abstractmethod
    def rows(self, *, name: str | None = None, region: str | None = None) -> AsyncIterator[R]:
        """All resources; those of a name, of a region."""

    async def get(self, id: str) -> R:
        """One of them, in full."""
        return await self.api.get(id)

    @abstractmethod
    def fields(self, found: R) -> Iterator[tuple[str, object]]:
        """One of them, field by field, for people."""

    @abstractmethod
    def under_way(self, found: R) -> Goal | None:
        """What a change that goes on leads to; None where nothing is under way."""

    def id_in(self, found: Any) -> str:
        """The id of one of them."""
        return str(found.id)

    # -- writes: `check` comes first --------------------------------------------------------------

    @abstractmethod
    async def create(self, order: Order) -> Change[R]:
        """Make one."""

    @abstractmethod
    async def update(self, id: str, order: Order) -> Change[R]:
        """Change one."""

    @abstractmethod
    async def scale(self, id: str, order: Order) -> Change[R]:
        """Give one as many replicas as `order.scale` says."""

    async def delete(self, id: str) -> Change[None]:
        """Delete one."""
        return await self.api.delete(id)

    def check(self, verb: str, order: Order) -> None:
        """Make sure that this verb has a use for all that was given. Nothing is sent.

        Raises:
            InvalidInputError: it has none; each option is named.
        """
        useless = sorted(order.given - self.takes[verb])
        if useless:
            told = _options(useless)
            usable = self.takes[verb] - {verb}  # that of `scale` is no option
            raise InvalidInputError(
                f"{told}: {verb} has no use for that with --provider {self.provider}; "
                f"it takes {_options(sorted(usable)) or 'no options'}"
            )

    # -- what only some can ---------------------------------------------------------------------

    async def start(self, ref: str) -> Change[R]:
        """Start a stopped one."""
        raise self.unable("start", Provider.GCORE)

    async def stop(self, ref: str) -> Change[R]:
        """Stop one without deleting it."""
        raise self.unable("stop", Provider.GCORE)

    async def logs(self, ref: str, tail: int) -> Sequence[Any]:
        """The last lines that it logged, the latest at the end; each has `time` and `message`."""
        raise self.unable("logs", Provider.EXOSCALE, Provider.GCORE)

    async def models(self) -> tuple[Sequence[Any], tuple[Column[Any], ...]]:
        """The models that can be deployed, and how their list looks."""
        raise self.unable("models", Provider.DIGITALOCEAN, Provider.EXOSCALE)

    def unable(self, what: str, *able: Provider) -> InvalidInputError:
        """The error for what this cloud cannot."""
        return InvalidInputError(
            f"`di-async {what}` is only for --provider {' or '.join(able)}, not {self.provider}"
        )

    # -- names, ids and waits ---------------------------------------------------------------------

    async def named(self, name: str) -> Sequence[R]:
        """All that bear a name."""
        return [row async for row in self.rows(name=name)]

    async def id_of(self, ref: str) -> str:
        """The id that is meant: `ref` itself, or that of the one of this name.

        Raises:
            UnknownNameError: nothing is called so.
            AmbiguousNameError: several are.
        """
        try:
            return str(UUID(ref))
        except ValueError:
            found = await self.named(ref)
        if not found:
            listing = self.settings.line("list")
            raise UnknownNameError(
                f"nothing is called {ref!r} {self.where}, and it is no id: `{listing}`"
            )
        if len(found) > 1:
            ids = ", ".join(map(self.id_in, found))
            raise AmbiguousNameError(
                f"{len(found)} {self.plural} {self.where} are called {ref!r}: say by its id which "
                f"one is meant, of {ids}"
            )
        return self.id_in(found[0])

    def seen(self, change: Change[Any]) -> R | None:
        """The resource as last seen; a write's own answer may be an operation or a task instead."""
        latest: Any = change.latest
        return latest if isinstance(latest, self.kind) else None

    def resume(self, text: str) -> Change[Any]:
        """The change of a resume token.

        Raises:
            InvalidInputError: damaged, or of another cloud, zone or project; then it says how.
        """
        token = ResumeToken.decode(text)
        of = Provider.GCORE_V2 if token.stage.kind == "inference-instance" else token.provider
        if (of, token.scope) != (self.provider, self.scope) and of in set(Provider):
            theirs = Settings(provider=Provider(of), zone=token.scope, project=token.scope)
            where = f", {token.scope}" if token.scope else ""
            raise InvalidInputError(
                f"this resume token is for {of}{where}: "
                f"{theirs.line('wait', '--resume', text.strip())}"
            )
        return self.api.resume(text)


def _options(names: Sequence[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)
