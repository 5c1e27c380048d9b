"""The pytest fixture `di_emulator`: an emulator in a thread, for tests of any kind.

Rules of this file: plain synchronous fixtures, so that every async plugin and none will do;
pytest loads it into every test run where the package is installed, so all else comes late.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from di_async.emulator import Emulator, Options


@pytest.fixture
def di_emulator_options() -> "Options":
    """Options of `di_emulator`, laid over its fast defaults; override it in your tests."""
    return {}


@pytest.fixture
def di_emulator(di_emulator_options: "Options") -> "Iterator[Emulator]":
    """A running emulator whose creates settle in about a tenth of a second.

    Its rate windows run equally fast; give `time_scale` and `lifecycle` to change that.
    """
    from di_async.emulator import Lifecycle, threaded

    defaults: Options = {
        "seed": 0,
        "time_scale": 100.0,
        "lifecycle": Lifecycle(create=10, update=8, delete=5),
    }
    with threaded(**(defaults | di_emulator_options)) as emulator:
        yield emulator
