"""`di-async` as a process: signals, missing extras, imports."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from di_async.emulator import Emulator
from tests.cli.helpers import start

POSIX = pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
pytestmark = pytest.mark.usefixtures("default_signals")


@POSIX
def test_ctrl_c_ends_a_wait_and_prints_how_to_resume(
    di_emulator: Emulator, environment: dict[str, str]
) -> None:
    """Exit code 130, a document with the token, and a command line that works."""
    di_emulator.add_instance(name="web", status="provisioning", settles_in=1e6)
    with start("wait", "web", "-o", "json", env=environment) as waiting:
        assert waiting.stderr
        assert "provisioning" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate()
    assert (waiting.returncode, json.loads(out)["outcome"]) == (130, "interrupted")
    assert "Traceback" not in err
    token = err.split("--resume ")[1].split()[0]
    with start("wait", "--resume", token, "--timeout", "0", env=environment) as resumed:
        assert resumed.wait() == 3


@POSIX
def test_ctrl_c_ends_the_emulator() -> None:
    """`emulate` prints its URL and `export` lines to paste as they are, and exits with 130."""
    with start("emulate", "--port", "0", "--seed", "1", env={"COLUMNS": "30"}) as emulating:
        assert emulating.stdout
        assert emulating.stderr
        lines = [emulating.stdout.readline().split(maxsplit=1) for _ in range(2)]
        assert "Ctrl-C" in emulating.stderr.readline()
        emulating.send_signal(signal.SIGINT)
        # Not `communicate`, which would lose what `readline` has buffered.
        out, err = emulating.stdout.read(), emulating.stderr.read()
    assert emulating.returncode == 130
    assert (lines[0][0], lines[1][0]) == ("API", "DigitalOcean")
    _, pasted = out.split("\nPaste into another shell:\n\n")
    assert f"export DIGITALOCEAN_TOKEN={lines[1][1].split()[1]}\n" in pasted
    assert all(re.fullmatch(r"export [A-Z_]+=\S+", line) for line in pasted.strip().splitlines())
    assert err == ""


@POSIX
def test_environment_of_the_tls_emulator_is_complete() -> None:
    """Another `di-async` needs only the printed environment."""
    with start("emulate", "--port", "0", "--tls", "-o", "json") as emulating:
        assert emulating.stdout
        document = "".join(iter(emulating.stdout.readline, "}\n")) + "}"
        env = json.loads(document)["env"]
        with start("list", "-o", "json", env=env) as listing:
            assert json.loads(listing.communicate()[0]) == []
        emulating.send_signal(signal.SIGINT)
        emulating.communicate()
    assert emulating.returncode == 130


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_the_demo() -> None:
    """In a pipe: exit code 0, a line per change, and the summary."""
    with start("demo") as demo:
        out, err = demo.communicate(timeout=50)
    assert (demo.returncode, err) == (0, ""), err
    assert out.count("provisioning -> active") == 11
    assert out.count("provisioning -> error") == 1
    assert "failed: agent-tor1's create: no capacity (an injected fault)\n" in out
    assert "failed: agent-tor1 (an injected fault)\n" in out
    assert "created: 12 instances in 3 regions: 11 active, 1 failed" in out
    assert "list: empty\n" in out
    assert "list: empty at both" in out
    assert out.count("deploying -> ready") == out.count("PARTIALLYDEPLOYED -> ACTIVE") == 1
    assert re.search(
        r"^exoscale: model after \d+:\d\d; .* ready after \d+:\d\d$", out, re.MULTILINE
    )
    assert re.search(r"^gcore: task done and deployment ACTIVE after \d+:\d\d$", out, re.MULTILINE)
    assert "Hello from the emulator." in out
    assert "\x1b" not in out


def test_without_the_extra() -> None:
    """Without typer, two lines state how to install it; exit code 2."""
    code = "import sys; sys.modules['typer'] = None; from di_async.cli import main; main()"
    result = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "pip install 'di-async[cli]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_ctrl_c_during_the_imports() -> None:
    """Ctrl-C while the command's modules are imported ends it with 130, without a traceback."""
    code = """
import sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from di_async.cli import main
main(["list"])
"""
    for module in ("attrs", "di_async.cli.streams", "typer", "di_async.cli.commands.reading"):
        result = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", code, module], capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stderr) == (130, ""), module


def imported(code: str) -> set[str]:
    """Return the names of the modules that are loaded after the code has run."""
    program = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_importing_the_cli_package_needs_no_extra() -> None:
    """Typer and rich are imported only when `main` is called."""
    assert not {"typer", "rich"} & imported("import di_async.cli")


HEAVY = {
    *("aiohttp", "anyio", "cattrs", "rich", "yaml", "trustme"),
    *("di_async.engine.engine", "di_async.fleet", "di_async.emulator", "di_async.cli.demo"),
    *("di_async.digitalocean", "di_async.exoscale", "di_async.gcore"),
}


@pytest.mark.parametrize("args", [["--help"], ["create", "--help"], ["demo", "--help"]])
def test_help_imports_no_library(args: list[str]) -> None:
    """`--help` imports neither a provider, nor the emulator, nor the large libraries they use."""
    run = "from di_async.cli import main\ntry:\n    main({})\nexcept SystemExit:\n    pass"
    assert not HEAVY & imported(run.format(args))


def test_help_imports_no_command() -> None:
    """`di-async --help` imports no command, nor asyncio."""
    run = "from di_async.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    loaded = imported(run)
    assert "di_async.cli.app" in loaded
    assert not {"asyncio", "di_async.cli.commands", "di_async.cli.run"} & loaded


def test_list_imports_one_provider(environment: dict[str, str]) -> None:
    """`list` imports its provider alone, and not the emulator."""
    code = "from di_async.cli import main\ntry:\n    main(['list'])\nexcept SystemExit:\n    pass"
    loaded = imported(code)
    assert "di_async.digitalocean" in loaded
    unused = {"exoscale", "gcore", "fleet", "emulator", "cli.demo"}
    assert not {f"di_async.{name}" for name in unused} & loaded
