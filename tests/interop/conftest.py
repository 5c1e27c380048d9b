"""Third-party clients: what they need to talk to the emulator, and their own warnings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from di_async.emulator import Emulator, Lifecycle, threaded

SPEED = 1000.0
LIFECYCLE = Lifecycle(create=10, update=5, delete=3)


@pytest.fixture(params=["documented", "observed"])
def tls_emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """Run a fast emulator for each dialect, with a TLS control plane."""
    options = {"dialect": request.param, "time_scale": SPEED, "lifecycle": LIFECYCLE}
    with threaded(**options, tls=True, seed=0, rate_limits=False) as emulator:
        yield emulator


@pytest.fixture
def ca_file(tls_emulator: Emulator, tmp_path: Path) -> str:
    """Return the emulator's CA as a file, as azure-core needs it."""
    path = tmp_path / "ca.pem"
    path.write_text(tls_emulator.ca_pem)
    return str(path)
