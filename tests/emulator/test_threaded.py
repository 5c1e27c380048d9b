"""The emulator in a thread of its own."""

import http.client
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest

from di_async.emulator import Emulator, threaded

from .helpers import BASE


def get(emu: Emulator, path: str = BASE) -> int:
    """Return the status of a GET by the standard library's blocking client."""
    connection = http.client.HTTPConnection(urlsplit(emu.url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {emu.token}"})
        return connection.getresponse().status
    finally:
        connection.close()


def names() -> list[str]:
    """Return the names of all running threads."""
    return [thread.name for thread in threading.enumerate()]


def test_plain_code_can_send_requests_and_arm_faults() -> None:
    """No loop is needed; faults are armed from another thread."""
    with threaded() as emu:
        emu.fault("status", status=503)
        assert [get(emu), get(emu)] == [503, 200]
        assert emu.stats.total == 2


def test_thread_ends_with_the_block() -> None:
    """The thread ends with the block, even after an error."""
    with pytest.raises(KeyError), threaded() as emu:  # noqa: PT012
        assert "di-async-emulator" in names()
        assert get(emu) == 200
        raise KeyError
    assert "di-async-emulator" not in names()


def test_a_program_may_end_in_the_block() -> None:
    """Python ends although the block was never left, and its threads no longer run."""
    code = "from di_async.emulator import threaded; block = threaded(); block.__enter__()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)  # noqa: S603 - our own


def test_failure_to_start_is_raised_to_the_caller() -> None:
    """A taken port raises in the calling thread."""
    with threaded() as emu:
        port = urlsplit(emu.url).port or 0
        with pytest.raises(OSError, match="cannot listen"), threaded(port=port):
            pass


def test_many_threads_may_send_requests_at_once() -> None:
    """Concurrent requests of blocking clients are all counted."""
    with threaded(rate_limits=False) as emu:
        askers = [threading.Thread(target=get, args=(emu,)) for _ in range(20)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert emu.stats.total == 20
