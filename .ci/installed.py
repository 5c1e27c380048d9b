"""Check an installed di-async: its names, its types, a wait, and the command where it is there.

Run it with the Python of the install's environment, from a folder without this tree's packages.
The arguments are the extras that were installed.
"""

import asyncio
import importlib
import importlib.metadata
import importlib.resources
import pkgutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import di_async
from di_async import DigitalOcean
from di_async.core.serving import ServingTarget
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.emulator import running  # needs no extra until it runs
from di_async.engine.endpoints.serving import ServingEndpoint

extras = set(sys.argv[1:])
command = Path(sysconfig.get_path("scripts"), "di-async")
NEEDS = {
    "cli": "typer",
    "emulator": "trustme",
    "airflow": "airflow",
    "otel": "opentelemetry",
}

SPEC_YAML = """
name: web
region: atl1
model_deployments:
  - model_slug: mistral/mistral-7b-instruct-v3
    accelerators: [{accelerator_slug: gpu-mi300x1-192gb}]
"""


def check_files() -> None:
    """Check that the package is the installed one and ships its type marker."""
    site = Path(sysconfig.get_path("purelib"))
    assert site in Path(di_async.__file__).parents, di_async.__file__
    assert importlib.resources.files(di_async).joinpath("py.typed").is_file()
    assert importlib.resources.files("di_async.fleet").joinpath("fleet_page.css").is_file()
    assert not any((site / name).exists() for name in ("tests", "benchmarks")), "stray packages"


def check_names() -> None:
    """Import the packages and every name in their `__all__`."""
    count = 0
    for name in [
        "di_async",
        *(m.name for m in pkgutil.iter_modules(di_async.__path__, "di_async.")),
    ]:
        if name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(name)
            for public in getattr(module, "__all__", ()):
                getattr(module, public)
                count += 1
        except ModuleNotFoundError as error:
            missing = {NEEDS[extra] for extra in NEEDS.keys() - extras}
            assert error.name in missing, f"{name} needs {error.name}, which no extra brings"
    assert count > 50, f"only {count} public names"
    print(f"{count} public names")


async def check_wait() -> None:
    """Create a deployment on the emulator and wait for it."""
    models = [
        {
            "model_slug": "mistral/mistral-7b-instruct-v3",
            "accelerators": [{"accelerator_slug": "gpu-mi300x1-192gb"}],
        }
    ]
    spec = {"name": "web", "region": "atl1", "model_deployments": models}
    async with (
        running(time_scale=1000, seed=0) as emulator,
        DigitalOcean(emulator.token, base_url=emulator.url) as client,
    ):
        change = await client.dedicated_inferences.create(spec)
        assert (await change.wait(timeout=60)).status == "active"


async def check_missing_extras() -> None:
    """Check that each feature works, or names the extra that it needs."""
    endpoint = ServingEndpoint("id", ServingTarget(url="https://host.example/v1"), no_transport)
    if "openai" in extras:
        async with endpoint.openai() as client:
            assert str(client.base_url) == "https://host.example/v1/"
    else:
        check_error(endpoint.openai, "openai")
    if "cli" in extras:
        assert read_yaml().name == "web"
    else:
        check_error(read_yaml, "cli")
    if "otel" in extras:
        assert client_with_telemetry().provider == "digitalocean"
    else:
        check_error(client_with_telemetry, "otel")
    if "emulator" not in extras:
        try:
            async with running(tls=True):
                raise AssertionError("the emulator runs without its extra")
        except ModuleNotFoundError as error:
            assert "di-async[emulator]" in str(error), error


def no_transport(*_: object) -> NoReturn:
    """Open no transport."""
    raise AssertionError("no request is expected")


def client_with_telemetry() -> DigitalOcean:
    """Return a client that reports to OpenTelemetry."""
    from di_async.telemetry import Telemetry

    return DigitalOcean("token", telemetry=Telemetry())


def read_yaml() -> DedicatedInferenceSpec:
    """Return a spec read from YAML."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "spec.yaml")
        file.write_text(SPEC_YAML)
        return DedicatedInferenceSpec.from_file(file)


def check_error(action: Callable[[], object], extra: str) -> None:
    """Check that an error names an extra and how to install it."""
    try:
        action()
    except (ModuleNotFoundError, di_async.InvalidInputError) as error:
        assert f"pip install 'di-async[{extra}]'" in str(error), error
    else:
        raise AssertionError(f"{action} works without the extra {extra}")


def check_page() -> None:
    """Check that a fleet page needs no extra."""
    assert "The scan found no instances." in di_async.Inventory().to_html()


def call(*args: str) -> "subprocess.CompletedProcess[str]":
    """Call the installed command."""
    return subprocess.run(
        [command, *args], capture_output=True, text=True, check=False, timeout=120
    )


def check_command() -> None:
    """Check the command; without its extra it must name the extra."""
    if "cli" not in extras:
        done = call("--version")
        assert (done.returncode, "di-async[cli]" in done.stderr) == (2, True), done
        return
    done = call("--version")
    version = importlib.metadata.version("di-async")
    assert (done.returncode, version in done.stdout) == (0, True), done
    done = call("demo")
    assert done.returncode == 0, done
    print(done.stdout.strip().splitlines()[-1])


check_files()
check_names()
check_page()
asyncio.run(check_missing_extras())
if "uvloop" in extras:
    import uvloop

    uvloop.run(check_missing_extras())
if "emulator" in extras:
    asyncio.run(check_wait())
check_command()
