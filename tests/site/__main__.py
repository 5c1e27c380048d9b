"""Write `docs/examples/output/`: what each example prints, against an emulator 60 times as fast.

Run `python -m tests.site`, or with the names of some examples, also of new ones. It takes up
to five minutes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from di_async.emulator import Emulator, threaded
from tests.site import EXAMPLES, OUTPUT, SCRIPTS


def environment(emulator: Emulator) -> dict[str, str]:
    """Return the environment of a reader who has pasted the last lines of `di-async emulate`."""
    return {
        **os.environ,
        "DI_ASYNC_BASE_URL": emulator.url,
        "DIGITALOCEAN_TOKEN": emulator.token,
        "GCORE_API_KEY": emulator.gcore_api_key,
        "GCORE_CLOUD_PROJECT_ID": str(emulator.gcore_project_id),
        "EXOSCALE_API_KEY": emulator.exoscale_api_key,
        "EXOSCALE_API_SECRET": emulator.exoscale_api_secret,
        "PYTHONPATH": str(EXAMPLES.parents[1]),
    }


def record(script: Path) -> None:
    """Run one example and store what it prints."""
    with threaded(seed=1, time_scale=60.0) as emulator, tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - our own example
            [sys.executable, script],
            env=environment(emulator),
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    text = done.stdout.replace(emulator.dataplane_url or "-", "https://localhost:34567")
    (OUTPUT / f"{script.stem}.txt").write_text(text, encoding="utf-8")
    print(f"{script.name}\n{text}")  # noqa: T201


OUTPUT.mkdir(exist_ok=True)
for script in [EXAMPLES / f"{Path(name).stem}.py" for name in sys.argv[1:]] or SCRIPTS:
    record(script)
