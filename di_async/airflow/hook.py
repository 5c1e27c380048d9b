"""Hooks: from an Airflow connection to a client of di_async."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from airflow.sdk import BaseHook

from di_async.airflow.deployments import api_of, resume
from di_async.airflow.settings import ConnectionSettings
from di_async.core.errors import DIError
from di_async.core.rate_limit import RequestBudget
from di_async.engine.client import Client
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.waiting.change import Change

__all__ = [
    "DedicatedInferenceHook",
    "DigitalOceanInferenceHook",
    "ExoscaleInferenceHook",
    "GcoreInferenceHook",
    "settings_of",
]

T = TypeVar("T")
_HIDDEN = ["schema"]
_HOST = "API base URL (default: the provider's)"
_EXTRAS = (
    '{"retry": {"attempts": 4}, "polling": {"target_lag": 5}, '
    '"budget": {"per_minute": 250, "per_hour": 5000}}'
)


def settings_of(connection: Any, extra: Mapping[str, Any]) -> ConnectionSettings:
    """Return the settings in an Airflow connection, whose extras are decoded already.

    Raises:
        InvalidInputError: they are not valid.
    """
    return ConnectionSettings.from_fields(
        connection.conn_type,
        host=connection.host,
        port=connection.port,
        schema=connection.schema,
        login=connection.login,
        password=connection.password,
        extra=extra,
    )


class DedicatedInferenceHook(BaseHook):
    """A hook for any of the three providers; the connection's type says which.

    Args:
        conn_id: the connection. Its password is the API token (Exoscale: login and password are
            key and secret), its host the base URL, its extras the policies.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "dedicated_inference_default"
    conn_type = "digitalocean_inference"
    hook_name = "Dedicated inference"

    def __init__(self, conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id or self.default_conn_name
        self._budgets: dict[tuple[int, str], RequestBudget | None] = {}
        """By thread, as a budget is for one event loop, and by the connection's settings."""

    def settings(self) -> ConnectionSettings:
        """Return the connection's settings.

        Raises:
            InvalidInputError: they are not valid.
        """
        connection = self.get_connection(self.conn_id)
        return settings_of(connection, connection.extra_dejson)

    def client(self) -> Client:
        """Return a new client for `async with`; those that one thread makes share a budget."""
        settings = self.settings()
        key = threading.get_ident(), settings.fingerprint
        if key not in self._budgets:
            self._budgets[key] = settings.budget()
        return settings.client(self._budgets[key])

    def get_conn(self) -> Client:
        """Return a new client, as `client` does."""
        return self.client()

    def api(self, client: Client, zone: str | None = None) -> DeployableApi[Any]:
        """Return the part of an entered client that creates deployments.

        That is `dedicated_inferences`, `inference_deployments` or `deployments`.
        """
        return api_of(client, zone)

    def resume(self, client: Client, token: str) -> Change[Any]:
        """Return the change of a resume token."""
        return resume(client, token)

    def run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Run a coroutine function with an entered client, and return its result.

        For `@task` functions, which are not coroutines: `hook.run(lambda client: ...)`.
        """

        async def main() -> T:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(main())

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the API accepts the credentials, and what it answered. One request."""

        async def read(client: Client) -> str:
            api: Any = api_of(client)
            listing = api.list() if client.provider == "exoscale" else api.list(page_size=1)  # type: ignore[attr-defined]
            async for _ in listing:
                break
            return f"{client.base_url} accepts the credentials"

        try:
            return True, self.run(read)
        except (DIError, ValueError) as error:
            return False, f"{type(error).__name__}: {error}"


class DigitalOceanInferenceHook(DedicatedInferenceHook):
    """The hook of connections of type `digitalocean_inference`."""

    conn_type = "digitalocean_inference"
    default_conn_name = "digitalocean_inference_default"
    hook_name = "DigitalOcean Dedicated Inference"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the names of the connection's fields in the UI."""
        return {
            "hidden_fields": [*_HIDDEN, "login", "port"],
            "relabeling": {"password": "API token", "host": _HOST},
            "placeholders": {"host": "https://api.digitalocean.com", "extra": _EXTRAS},
        }


class GcoreInferenceHook(DedicatedInferenceHook):
    """The hook of connections of type `gcore_inference`."""

    conn_type = "gcore_inference"
    default_conn_name = "gcore_inference_default"
    hook_name = "Gcore Inference"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the names of the connection's fields in the UI."""
        return {
            "hidden_fields": [*_HIDDEN, "login", "port"],
            "relabeling": {"password": "API key", "host": _HOST},
            "placeholders": {"host": "https://api.gcore.com", "extra": '{"project_id": 42}'},
        }


class ExoscaleInferenceHook(DedicatedInferenceHook):
    """The hook of connections of type `exoscale_inference`."""

    conn_type = "exoscale_inference"
    default_conn_name = "exoscale_inference_default"
    hook_name = "Exoscale Dedicated Inference"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the names of the connection's fields in the UI."""
        return {
            "hidden_fields": [*_HIDDEN, "port"],
            "relabeling": {"login": "API key", "password": "API secret", "host": _HOST},
            "placeholders": {"extra": '{"zone": "ch-gva-2"}'},
        }
