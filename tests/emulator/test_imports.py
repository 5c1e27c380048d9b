"""What importing the emulator needs."""

import subprocess
import sys

import pytest

from di_async import emulator
from di_async.emulator.http_server import CertificateAuthority


def test_missing_trustme_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error names it."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'di-async\[emulator\]'"):
        CertificateAuthority()


def test_import_needs_neither_pytest_nor_trustme() -> None:
    """The pure world imports neither."""
    code = (
        "from di_async.emulator import *; import sys; print({'pytest', 'trustme'} & {*sys.modules})"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_unknown_name_is_an_attribute_error() -> None:
    """The package has the promised names only."""
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = emulator.colour
