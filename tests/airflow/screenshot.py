"""Make docs/images/airflow.png: the example DAG while it runs, in Airflow's UI.

python -m tests.airflow.screenshot

Needs Chromium (Debian's package `chromium`), which runs without a window.
"""

import subprocess
import tempfile
import time
from pathlib import Path

from tests.airflow.stack import ROOT, stack

IMAGE = ROOT / "docs" / "images" / "airflow.png"


def main() -> None:
    """Run the example, and take the picture while its deployments are waited for."""
    home = Path(tempfile.mkdtemp(prefix="di-async-airflow-"))
    dags = home / "dags"
    dags.mkdir()
    (dags / "fleet.py").symlink_to(ROOT / "docs" / "examples" / "airflow_fleet.py")
    with stack(home / "home", dags, "--create", "60") as (airflow, _):
        airflow.run_dag("airflow_fleet", "example")
        while "deferred" not in airflow.tasks("airflow_fleet", "example").values():
            time.sleep(1)
        time.sleep(5)
        site = f"http://127.0.0.1:{airflow.port}"
        target = f"{site}/dags/airflow_fleet/runs/example"
        subprocess.run(
            [
                *("chromium", "--headless=new", "--no-sandbox", "--disable-gpu"),
                *(f"--user-data-dir={home}/chromium", "--window-size=1600,900"),
                *("--hide-scrollbars", "--virtual-time-budget=30000", f"--screenshot={IMAGE}"),
                f"{site}/auth/token/login?next={target}",
            ],
            check=True,
            timeout=180,
        )
        print(airflow.tasks("airflow_fleet", "example"))
    print(IMAGE)


if __name__ == "__main__":
    main()
