"""The `reap` command."""

import signal
import time

from di_async.core.temporary_names import format_name
from di_async.emulator import Emulator
from tests.cli.helpers import Di, start

HOUR = 3600


def named(seconds_left: int) -> str:
    """Return the name of a temporary deployment that expires then."""
    return format_name("web", time.time() + seconds_left, range(5), "tmp", 63)


def test_only_expired_ones_are_deleted(di: Di, di_emulator: Emulator) -> None:
    """What has expired is deleted, once without `--dry-run`; all else stays."""
    expired, running = named(-HOUR), named(HOUR)
    for name in (expired, running, "tmp-mine"):
        di_emulator.add_instance(name=name)
    planned = di("reap", "--dry-run", "-o", "json").json["reaped"]
    assert {row["name"]: row["outcome"] for row in planned} == {
        expired: "would be deleted",
        running: "kept",
    }
    done = di("reap")
    assert "1 deleted, 1 not expired, 0 failed" in done.err
    assert "EXPIRES" in done.out.splitlines()[0].upper()
    assert done.out.count(" UTC ") == 2
    assert {row["name"] for row in di("list", "-o", "json").json} == {running, "tmp-mine"}
    assert "0 deleted, 1 not expired" in di("reap").err


def test_a_list_that_is_redirected(di: Di, di_emulator: Emulator) -> None:
    """The advice names the option of the command."""
    di_emulator.fault("status", status=302, on="GET /v2/dedicated-inferences", times=None)
    result = di("reap")
    assert result.code == 1
    assert "check --base-url" in result.err


def test_a_signal_says_that_something_may_bill(
    di_emulator: Emulator, environment: dict[str, str]
) -> None:
    """What has expired may be left; the same command goes on."""
    di_emulator.add_instance(name=named(-HOUR))
    on = "DELETE /v2/dedicated-inferences/{id}"
    di_emulator.fault("status", status=403, on=on, times=None)
    with start("-v", "reap", env=environment) as reaping:
        assert reaping.stderr
        while "trying again" not in reaping.stderr.readline():
            pass
        reaping.send_signal(signal.SIGTERM)
        out, err = reaping.communicate(timeout=30)
    assert (reaping.returncode, out) == (143, "")
    assert "is not deleted bills: run the same command again" in err


def test_bad_prefix(di: Di) -> None:
    """A prefix that no name can have is a usage error."""
    result = di("reap", "--prefix", "Not A Prefix")
    assert result.code == 2
    assert "prefix" in result.err
