"""Links of tasks in Airflow's UI."""

from typing import Any

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

__all__ = ["EndpointLink"]


class EndpointLink(BaseOperatorLink):
    """The URL of the endpoint that a task made or waited for."""

    name = "Endpoint"
    xcom_key = "di_async_endpoint"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the URL; empty if it is not known. Airflow stores it when the task ends."""
        found = XCom.get_value(key="endpoint", ti_key=ti_key)
        return str(found) if found else ""
