"""The interface between commands and providers.

A command calls a `Cloud` and never checks which provider it is. Operations that only some providers
support are methods too; for the others, they raise an error that lists the providers that do.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NotRequired, Protocol, TypedDict, TypeVar

from attrs import frozen

from di_async import (
    Change,
    DIError,
    HourlyPrice,
    InvalidInputError,
    PollPolicy,
    Secret,
    StatusChange,
)
from di_async.cli import references
from di_async.cli.clouds.offers import Offer
from di_async.cli.durations import known_durations
from di_async.cli.inputs import WaitTarget, WriteOptions
from di_async.cli.output import Column
from di_async.cli.providers import unsupported_command
from di_async.cli.settings import Credential, Provider, Settings, option_names
from di_async.core.waiting.resume_token import ResumeToken

if TYPE_CHECKING:
    from di_async import DigitalOcean, Ensured, Exoscale, Gcore
    from di_async.engine.deployments.temporary import Temporary
    from di_async.fleet.protocols import ScanClient

    AnyClient = DigitalOcean | Exoscale | Gcore

__all__ = ["Cloud", "ScalePrices", "SupportedOptions", "client_options"]

SupportedOptions = Mapping[str, frozenset[str]]
ScalePrices = tuple[HourlyPrice | None, HourlyPrice | None]
C = TypeVar("C", bound="AnyClient")
R = TypeVar("R")


class ResourceAPI(Protocol[R]):
    """The calls that every provider's API object has."""

    async def get(self, id: str, /) -> R:
        """Fetch a resource."""
        ...

    async def delete(self, id: str, /) -> Change[None]:
        """Delete a resource."""
        ...

    def watch(
        self, id: str | None = None, *, region: str | None = None
    ) -> AsyncIterator[StatusChange]:
        """Return the status changes of one resource, or of all."""
        ...

    def begin_wait(self, id: str, *, deleted: bool = False, seen: R | None = None) -> Change[Any]:
        """Return a wait that no write of this process started."""
        ...

    def resume(self, token: str) -> Change[Any]:
        """Return the change of a resume token."""
        ...


class ClientOptions(TypedDict):
    """Constructor arguments that every client accepts."""

    polling: PollPolicy
    user_agent: str
    base_url: NotRequired[str]


def client_options(settings: Settings, base_url: str | None = None) -> ClientOptions:
    """Return the constructor arguments; `base_url` overrides that of the settings."""
    options: ClientOptions = {
        "polling": PollPolicy(target_lag=settings.target_lag, durations=known_durations()),
        "user_agent": "di-async-cli",
    }
    url = base_url or settings.base_url
    return options if url is None else {**options, "base_url": url}


@frozen
class Cloud(ABC, Generic[C, R]):
    """A provider with an entered client."""

    provider: ClassVar[Provider]
    vendor: ClassVar[str]
    """Name of the vendor in scans."""
    price_word: ClassVar[str] = "about"
    """Precedes a price in messages."""
    resource_type: ClassVar[type[Any]]
    """Class of its resources."""
    noun: ClassVar[str]
    """Plural noun for its resources in messages."""
    document_key: ClassVar[str]
    """Key of a resource in JSON and YAML documents."""
    columns: ClassVar[tuple[Column[Any], ...]]
    """Columns of the list."""
    credentials: ClassVar[tuple[Credential, ...]]
    supported_options: ClassVar[SupportedOptions]
    """Options of `create`, `update` and `scale` that the provider supports."""

    client: C
    settings: Settings

    # -- implemented by each provider -----------------------------------------------------------

    @staticmethod
    @abstractmethod
    def connect(settings: Settings) -> C:
        """Return a client that is not entered yet.

        Raises:
            InvalidInputError: a credential is missing, or the settings are inconsistent.
        """

    @staticmethod
    def unread_part(client: C) -> InvalidInputError | None:
        """Return why a scan of all providers misses a part of the account; None if it does not."""
        return None

    @property
    @abstractmethod
    def api(self) -> ResourceAPI[R]:
        """The object with the API calls."""

    @property
    @abstractmethod
    def location(self) -> str:
        """Where names and ids are looked up, such as "in this team"."""

    @property
    def scope(self) -> str | None:
        """The zone or project, as stored in resume tokens."""
        return None

    @property
    def scan_client(self) -> "ScanClient":
        """The client to scan."""
        return self.client

    @abstractmethod
    def resources(self, *, name: str | None = None, region: str | None = None) -> AsyncIterator[R]:
        """List resources, optionally of one name or region."""

    @abstractmethod
    def fields(self, resource: R) -> Iterator[tuple[str, object]]:
        """Return title and value of each field that `get` shows."""

    @abstractmethod
    def pending_target(self, resource: R) -> WaitTarget | None:
        """Return the state that a change in progress leads to; None without such a change."""

    def id_of(self, resource: Any) -> str:
        """Return the id of a resource."""
        return str(resource.id)

    # -- writes; call `check_options` first -----------------------------------------------------

    @abstractmethod
    def create_spec(self, options: WriteOptions) -> Mapping[str, Any]:
        """Return the spec that `create` sends.

        Raises:
            InvalidInputError: an option is missing, or cannot be combined with the others.
        """

    async def hourly_price(self, options: WriteOptions) -> HourlyPrice | None:
        """Return what a create would cost an hour; None where the vendor shows no price."""
        api: Any = self.api
        price: HourlyPrice | None = await api.hourly_price(self.create_spec(options))
        return price

    async def offer_problem(self, options: WriteOptions) -> str | None:
        """Return why a create has no price, such as an unknown region; None if that is not it."""
        api: Any = self.api
        target = api.deployable()
        problem: str | None = await target.offer_problem(target.complete(self.create_spec(options)))
        return problem

    async def failure_advice(self, resource: Any) -> str | None:
        """Return what may have made a resource fail, by its spec; None if nothing is known."""
        return None

    async def offers(self, model: str | None, region: str | None) -> "list[Offer]":
        """Return what can be deployed where, the reason included where it cannot."""
        raise self.unsupported("hardware")

    async def model_warning(self, model: str) -> str | None:
        """Return that a model is not known; None if it is, or if the offers say so."""
        return None

    async def scale_prices(self, id: str, options: WriteOptions) -> ScalePrices:
        """Return the hourly price before and after a scale; None for what is not known."""
        return None, None

    def create_arguments(self, options: WriteOptions) -> dict[str, Any]:
        """Return the arguments of a create beside its spec."""
        return {}

    async def create(self, options: WriteOptions, *, name_timeout: float) -> Change[R]:
        """Create a resource, waiting for its name for this many seconds."""
        api: Any = self.api
        spec, more = self.create_spec(options), self.create_arguments(options)
        change: Change[R] = await api.create(spec, name_timeout=name_timeout, **more)
        return change

    async def ensure(self, options: WriteOptions, **more: Any) -> "Ensured[R]":
        """Create the resource of a spec file, update what differs, or do nothing.

        `more`: further arguments of the API's `ensure`.
        """
        api: Any = self.api
        spec, more = self.create_spec(options), {**self.create_arguments(options), **more}
        done: Ensured[R] = await api.ensure(spec, **more)
        return done

    def temporary(self, options: WriteOptions, **more: Any) -> "Temporary[Any]":
        """Return a temporary deployment of a spec file that yields its endpoint.

        `more`: further arguments of `Temporary`.
        """
        from di_async.engine.deployments.temporary import Temporary

        api: Any = self.api
        return Temporary(
            target=api.deployable(),
            spec=self.create_spec(options),
            connect=True,
            options=self.create_arguments(options),
            **more,
        )

    @abstractmethod
    async def update(self, id: str, options: WriteOptions) -> Change[R]:
        """Update a resource."""

    @abstractmethod
    async def scale(self, id: str, options: WriteOptions) -> Change[R]:
        """Scale a resource to `options.scale` GPUs or replicas."""

    def check_options(self, command: str, options: WriteOptions) -> None:
        """Check that the provider supports the given options. Sends no request.

        Raises:
            InvalidInputError: some are not supported; each is named.
        """
        unsupported = option_names(options.given - self.supported_options[command])
        if unsupported:
            # The count of `scale` is an argument, not an option.
            supported = option_names(self.supported_options[command] - {command})
            verb = "is" if len(unsupported) == 1 else "are"
            names = ", ".join(unsupported)
            if options.public is False:
                names = names.replace("--public", "--private")
            raise InvalidInputError(
                f"{names} {verb} not supported by `{command}` with --provider "
                f"{self.provider}; supported: {', '.join(supported) or 'no options'}"
            )

    # -- supported by some providers ------------------------------------------------------------

    async def start(self, ref: str) -> Change[R]:
        """Start a stopped resource."""
        raise self.unsupported("start")

    async def stop(self, ref: str) -> Change[R]:
        """Stop a resource without deleting it."""
        raise self.unsupported("stop")

    async def logs(self, ref: str, tail: int) -> Sequence[Any]:
        """Fetch the last log lines, newest last; each has `time` and `message`."""
        raise self.unsupported("logs")

    async def models(self) -> tuple[Sequence[Any], tuple[Column[Any], ...]]:
        """Fetch the models that can be deployed; return them and the columns of their list."""
        raise self.unsupported("models")

    def unsupported(self, command: str) -> InvalidInputError:
        """Return the error for a command that this provider does not support."""
        return unsupported_command(command, self.provider)

    # -- names, ids and waits -------------------------------------------------------------------

    async def find_by_name(self, name: str) -> Sequence[R]:
        """Return all resources of that name."""
        return [resource async for resource in self.resources(name=name)]

    async def resolve_id(self, ref: str) -> str:
        """Return the id for a name or an id; see `references.resolve_id`."""
        return await references.resolve_id(self, ref)

    async def regions(self) -> Sequence[str]:
        """Return the regions in use, if the provider lists them."""
        return ()

    async def region_note(self, *regions: str) -> str:
        """Return the regions in use, to print where nothing was found in one that is not known."""
        try:
            known = await self.regions() if regions else ()
        except DIError:  # they are only a hint
            return ""
        unknown = known and set(regions) - set(known)
        return f" (regions: {', '.join(known)})" if unknown else ""

    async def is_scaled(self, id: str, options: WriteOptions) -> bool:
        """Return whether a scale would change nothing but start another rollout."""
        return False

    async def create_model(self, name: str, token: Secret | None) -> Change[Any]:
        """Download a model, so that deployments can use it."""
        raise self.unsupported("models create")

    def resource_of(self, change: Change[Any]) -> R | None:
        """Return the last known resource; None if the API answered with an operation or a task."""
        latest: Any = change.latest
        return latest if isinstance(latest, self.resource_type) else None

    def resume(self, text: str) -> Change[Any]:
        """Return the change of a resume token.

        Raises:
            InvalidInputError: the token is damaged, or of another provider, zone or project; then
                the message holds the command line to use.
        """
        token = ResumeToken.decode(text)
        provider = (
            Provider.GCORE_V2 if token.resource.kind == "inference-instance" else token.provider
        )
        matches = (provider, token.scope) == (self.provider, self.scope)
        if not matches and provider in set(Provider):
            settings = Settings(provider=Provider(provider), zone=token.scope, project=token.scope)
            scope = f", {token.scope}" if token.scope else ""
            raise InvalidInputError(
                f"this resume token is for {provider}{scope}: "
                f"{settings.command_line('wait', '--resume', text.strip())}"
            )
        return self.api.resume(text)
