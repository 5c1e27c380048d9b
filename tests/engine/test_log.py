"""The library's log records."""

import logging
from collections.abc import Iterator

import pytest

from di_async import DIError
from di_async.engine.log import Log

ATTACK = "\x1b[2J\u202eevil\nCRITICAL:forged\r\u2028x"


@pytest.fixture
def broken_handler() -> Iterator[None]:
    """Attach a handler that raises on each record."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("the log's disk is full")

    handler, logger = Broken(), logging.getLogger("di_async")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


def test_log_records_cannot_be_forged(caplog: pytest.LogCaptureFixture) -> None:
    """Each argument of a record is made printable; numbers keep their formats."""
    caplog.set_level(logging.DEBUG, logger="di_async.test")
    log = Log("di_async.test")
    log.debug("%s after %.1f s", ATTACK, 1.25)
    log.info("%s", DIError(ATTACK))
    log.warning("a warning")
    log.defect("a defect", ValueError("wrong"))
    levels = [record.levelname for record in caplog.records]
    assert levels == ["DEBUG", "INFO", "WARNING", "ERROR"]
    assert caplog.records[-1].exc_info
    assert all(record.getMessage().isprintable() for record in caplog.records)
    assert "after 1.2 s" in caplog.messages[0]
    assert {record.funcName for record in caplog.records} == {"test_log_records_cannot_be_forged"}


@pytest.mark.usefixtures("broken_handler")
def test_a_handler_that_raises_does_not_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    """The caller goes on, and stderr shows why the record is missing."""
    Log("di_async").warning("accepted")
    assert "the log's disk is full" in capsys.readouterr().err


@pytest.mark.usefixtures("broken_handler")
def test_a_broken_handler_and_a_broken_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised even if the handler's error cannot be shown, or should not be."""
    monkeypatch.setattr("sys.stderr", None)
    Log("di_async").warning("accepted")
    monkeypatch.setattr(logging, "raiseExceptions", False)
    Log("di_async").warning("accepted")
