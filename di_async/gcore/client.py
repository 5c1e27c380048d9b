"""The Gcore client: inference instances (v2) and inference deployments (v3) of one API key.

https://api.gcore.com; https://gcore.com/docs/developer-tools/rest-api
"""

import os
from typing import Unpack

from di_async.core.errors import InvalidInputError
from di_async.core.inventory import Prices
from di_async.core.rate_limit import RequestBudget
from di_async.core.secret import Secret
from di_async.engine.client import Client, ClientOptions, Engine, credential
from di_async.engine.transport import checked_base_url
from di_async.gcore.deployments import InferenceDeployments
from di_async.gcore.dialect import GcoreDialect
from di_async.gcore.instances import InferenceInstances
from di_async.gcore.scanning import GcoreScanner

__all__ = ["Gcore"]

BASE_URL = "https://api.gcore.com"
PROJECT_VARIABLES = ("GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_PROJECT")
PER_MINUTE, PER_HOUR = 120, 3600
"""Gcore documents no limit: these are our manners, not its rule."""


class Gcore(Client):
    """A client of one Gcore API key.

    Args:
        api_key: the permanent token, `<id>$<hash>`; else GCORE_API_KEY. In a shell it belongs into
            single quotes: between double ones the `$` is eaten.
        project_id: where v3 deployments live, and where v2 makes what does not say; else
            GCORE_CLOUD_PROJECT_ID, then GCORE_CLOUD_PROJECT. v2 alone does without.
        base_url: https, or http on this machine's loopback.
        options: see `ClientOptions`. Without `budget` it is 120 requests a minute and 3600 an
            hour: Gcore documents no limit, so that this one is ours, and gentle.

    Raises:
        InvalidInputError: (a `ValueError`) no key, a project that is no number, a base URL that
            would send the key in the clear, or settings that exclude each other.
    """

    provider = "gcore"
    inference_instances: InferenceInstances
    inference_deployments: InferenceDeployments

    def __init__(
        self,
        api_key: str | Secret | None = None,
        project_id: int | str | None = None,
        *,
        base_url: str = BASE_URL,
        **options: Unpack[ClientOptions],
    ) -> None:
        key = credential(api_key, "Gcore API key", "GCORE_API_KEY")
        project = _project(project_id)
        base_url = checked_base_url(base_url)
        if "budget" not in options:
            options["budget"] = RequestBudget(per_minute=PER_MINUTE, per_hour=PER_HOUR)
        engine = Engine.make(base_url, GcoreDialect(key, project), **options)
        super().__init__(base_url, engine)
        self.project_id = None if project is None else int(project)
        self.inference_instances = InferenceInstances(engine, base_url, project)
        self.inference_deployments = InferenceDeployments(engine, base_url, project)

    def scanner(self, label: str, prices: Prices) -> GcoreScanner:
        """How `scan` reads this account: its project's deployments, else the instances of v2."""
        if self.project_id is None:
            return GcoreScanner(self.inference_instances, label, prices)
        return GcoreScanner(self.inference_deployments, label, prices)


def _project(given: int | str | None) -> str | None:
    """A project's number as text; from the environment where none is given."""
    found = (
        given
        if given is not None
        else next(filter(None, map(os.environ.get, PROJECT_VARIABLES)), None)
    )
    if found is None:
        return None
    text = str(found).strip()
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise InvalidInputError(f"project_id is a project's number, not {found!r}")
    return text
