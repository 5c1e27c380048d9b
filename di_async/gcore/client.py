"""The Gcore client: inference instances (v2) and inference deployments (v3) of one API key.

https://api.gcore.com; https://gcore.com/docs/developer-tools/rest-api
"""

from functools import partial
from typing import Unpack

from di_async.core.errors import InvalidInputError
from di_async.core.inventory import Prices
from di_async.core.rate_limit import RequestBudget
from di_async.core.secret import Secret
from di_async.core.text_input import is_id_number
from di_async.engine.client import Client
from di_async.engine.client_options import UNDOCUMENTED_LIMITS, ClientOptions
from di_async.engine.engine import Engine
from di_async.engine.environment import DefaultUrl, credential, read_variable, resolve_base_url
from di_async.gcore.account import APIKeys, Catalog, InferenceSecrets, Tasks
from di_async.gcore.api import GcoreDialect
from di_async.gcore.deployable import GcoreDeployable
from di_async.gcore.inference_deployments import InferenceDeployments
from di_async.gcore.inference_instances import InferenceInstances
from di_async.gcore.models import Flavor, RegionCapacity
from di_async.gcore.placement import read_replica_price
from di_async.gcore.scanning import GcoreScanner

__all__ = ["Gcore"]

BASE_URL = DefaultUrl("https://api.gcore.com")
PROJECT_VARIABLES = ("GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_PROJECT")


class Gcore(Client):
    """A client of one Gcore API key.

    Args:
        api_key: the permanent token, `<id>$<hash>`; else GCORE_API_KEY. Put it in single quotes in
            a shell, which would otherwise expand the `$`.
        project_id: the project of v3 deployments, and of v2 instances whose spec names none; else
            GCORE_CLOUD_PROJECT_ID, then GCORE_CLOUD_PROJECT. v2 works without one.
        base_url: https, or http on this machine's loopback; else DI_ASYNC_BASE_URL, then the
            vendor's.
        options: see `ClientOptions`. The default `budget` is 120 requests a minute and 3600 an
            hour, as Gcore documents no limit.

    Raises:
        InvalidInputError: (a `ValueError`) no key, an invalid project, a base URL that would send
            the key unencrypted, or settings that exclude each other.
    """

    provider = "gcore"
    inference_instances: InferenceInstances
    inference_deployments: InferenceDeployments
    api_keys: APIKeys
    secrets: InferenceSecrets
    tasks: Tasks

    def __init__(
        self,
        api_key: str | Secret | None = None,
        project_id: int | str | None = None,
        *,
        base_url: str | None = BASE_URL,
        **options: Unpack[ClientOptions],
    ) -> None:
        key = credential(api_key, "Gcore API key", "GCORE_API_KEY")
        project = _project(project_id)
        base = resolve_base_url(
            base_url,
            BASE_URL,
            own_paths=("/cloud", "/cloud/v1", "/cloud/v2", "/cloud/v3"),
            allow_insecure=options.get("allow_insecure", False),
        )
        if "budget" not in options:
            options["budget"] = RequestBudget(**UNDOCUMENTED_LIMITS)
        engine = Engine.make(base.url, GcoreDialect(key, project), **options)
        super().__init__(base.url, engine, variable=base.variable)
        self.project_id: int | None = None if project is None else int(project)
        """The project of all calls; API v2 needs none."""
        self.inference_instances = InferenceInstances(engine, base.url, project)
        """Deployments of API v2."""
        self.inference_deployments = InferenceDeployments(engine, base.url, project)
        """Deployments of API v3."""
        self.api_keys = APIKeys(engine, project)
        """Keys of the endpoints."""
        self.secrets = InferenceSecrets(engine, project)
        """AWS credentials for SQS triggers."""
        self.tasks = Tasks(engine, project)
        """Tasks of writes."""
        self._catalog = Catalog(engine, project)

    async def flavors(self) -> list[Flavor]:
        """Return all flavors. `inference_deployments.hourly_price` returns what one costs."""
        return await self._catalog.flavors()

    async def flavor(self, name: str) -> Flavor:
        """Return one flavor. Raises `NotFoundError` if it does not exist."""
        return await self._catalog.flavor(name)

    async def capacity(self) -> list[RegionCapacity]:
        """Return how many replicas of each flavor each region has room for."""
        return await self._catalog.capacity()

    def deployable(self, region: str | None = None) -> GcoreDeployable:
        """Return what `apply` works on: the project's deployments. No I/O.

        Raises:
            InvalidInputError: the client has no project.
        """
        return self.inference_deployments.deployable()

    async def deployables(self) -> tuple[GcoreDeployable, ...]:
        """Return what `reap` searches: the project's deployments. No I/O.

        Raises:
            InvalidInputError: the client has no project.
        """
        return (self.inference_deployments.deployable(),)

    def scanner(self, label: str, prices: Prices) -> GcoreScanner:
        """Return a scanner of the project's deployments, or of v2 instances without a project."""
        if self.project_id is None:
            return GcoreScanner(self.inference_instances, label, prices)
        read_price = partial(read_replica_price, self._engine)
        return GcoreScanner(self.inference_deployments, label, prices, read_price)


def _project(given: int | str | None) -> str | None:
    """Return a project's number as text, from the environment if none is given."""
    name, value = "project_id", given
    if value is None:
        name = next(filter(read_variable, PROJECT_VARIABLES), name)
        value = read_variable(name)
    if value is None:
        return None
    text = str(value).strip()
    if not is_id_number(text) or int(text) < 1:
        raise InvalidInputError(f"Invalid {name} {value!r} (expected a number such as 42)")
    return text
