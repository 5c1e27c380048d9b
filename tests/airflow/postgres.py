"""A PostgreSQL of its own for the length of a block, on 127.0.0.1."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.airflow.stack import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def postgres() -> Iterator[str]:
    """Run a new, empty PostgreSQL and yield its SQLAlchemy URL."""
    folder = Path(tempfile.mkdtemp(prefix="di-async-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, pwd.getpwnam("postgres").pw_uid)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    port, data, binaries = free_port(), str(folder / "data"), BINARIES[-1]

    def run(name: str, *arguments: str) -> None:
        command = [*as_user, str(binaries / name), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c max_connections=300"
    run("initdb", "-D", data, "-U", "airflow", "-A", "trust", "--no-sync")
    log = str(folder / "log")
    run("pg_ctl", "-D", data, "-w", "-l", log, "-o", f"{options} -c fsync=off", "start")
    try:
        yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
