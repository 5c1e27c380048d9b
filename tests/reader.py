"""What a reader of README and site has: an environment with credentials, and an interpreter."""

import ast
import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from di_async import PollPolicy

__all__ = ["emulator_environment", "run"]


@pytest.fixture
def emulator_environment(di_emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set a reader's environment, with the emulator as the provider."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", di_emulator.token)
    monkeypatch.setenv("DI_ASYNC_BASE_URL", di_emulator.url)
    monkeypatch.setenv("GCORE_API_KEY", di_emulator.gcore_api_key)
    monkeypatch.setenv("GCORE_CLOUD_PROJECT_ID", str(di_emulator.gcore_project_id))
    monkeypatch.setenv("EXOSCALE_API_KEY", di_emulator.exoscale_api_key)
    monkeypatch.setenv("EXOSCALE_API_SECRET", di_emulator.exoscale_api_secret)
    _, *others = PollPolicy.__init__.__defaults__ or ()
    monkeypatch.setattr(PollPolicy.__init__, "__defaults__", (0.05, *others))  # target_lag
    return di_emulator


def run(script: str, name: str = "README.md") -> None:
    """Run a script or notebook in another thread, with its own event loop."""
    code = compile(script, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with ThreadPoolExecutor(1) as fresh:
        fresh.submit(_execute, code).result()


def _execute(code: Any) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))  # noqa: S307 - our own text
    else:
        exec(code, names)  # noqa: S102
