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
from pathlib import Path

import di_async
from di_async import DigitalOcean
from di_async.emulator import running  # needs no extra until it runs

extras = set(sys.argv[1:])
command = Path(sysconfig.get_path("scripts"), "di-async")
NEEDS = {"cli": "typer", "emulator": "trustme", "airflow": "airflow"}


def check_files() -> None:
    """Check that the package is the installed one and ships its type marker."""
    site = Path(sysconfig.get_path("purelib"))
    assert site in Path(di_async.__file__).parents, di_async.__file__
    assert importlib.resources.files(di_async).joinpath("py.typed").is_file()
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
if "emulator" in extras:
    asyncio.run(check_wait())
check_command()
