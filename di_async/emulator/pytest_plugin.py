"""The pytest fixture `di_emulator`: an emulator in a thread, for tests of any kind.

The fixtures are synchronous, so they work with every async plugin and with none. pytest imports
this module in every run where the package is installed, so other imports are deferred.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from di_async.emulator import Emulator, Options


@pytest.fixture
def di_emulator_options() -> "Options":
    """Return options that override the fast defaults of `di_emulator`; redefine it in tests."""
    return {}


@pytest.fixture
def di_emulator(di_emulator_options: "Options") -> "Iterator[Emulator]":
    """Run an emulator for one test, whose creates settle in about a tenth of a second.

    Defaults: `seed=0`, `time_scale=100` and `Lifecycle(create=10, update=8, delete=5)`. Options of
    `di_emulator_options` are merged over them. Rate limits run 100 times as fast, too.
    """
    from di_async.emulator import Lifecycle, threaded

    defaults: Options = {
        "seed": 0,
        "time_scale": 100.0,
        "lifecycle": Lifecycle(create=10, update=8, delete=5),
    }
    with threaded(**(defaults | di_emulator_options)) as emulator:
        yield emulator
