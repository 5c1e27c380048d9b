"""What belongs to a client cannot be pickled or copied, and says what to do instead."""

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from di_async import DigitalOcean, Exoscale, Gcore, as_completed
from di_async.engine.waiting.event_stream import EventStream
from di_async.fleet.waiting import Completions

WAYS: list[Callable[[Any], object]] = [pickle.dumps, copy.copy, copy.deepcopy]
ID = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_refused_with_what_to_do(
    way: Callable[[Any], object], recwarn: pytest.WarningsRecorder
) -> None:
    """Nothing is left of the try that could fail when it is collected."""
    url = "http://127.0.0.1:9"
    async with DigitalOcean("t", base_url=url) as do:
        change = do.dedicated_inferences.begin_wait(ID)
        found: dict[Any, str] = {
            change: "resume_token",
            change.events(): "pass on what",
            do: "make a client in each process",
            Gcore("t", base_url=url): "make a client",
            Exoscale("t", "s", base_url=url): "make a client",
            do.dedicated_inferences: "pass on what",
            do.dedicated_inferences.list(): "pass on what",
            as_completed([change]): "pass on what",
        }
        for one, instead in found.items():
            with pytest.raises(TypeError, match="belongs to its client") as refused:
                way(one)
            assert instead in str(refused.value)
            assert type(one).__name__ in str(refused.value)
    del found, one
    gc.collect()
    assert not recwarn.list


@pytest.mark.parametrize("kind", [EventStream, Completions])
def test_half_made_stream_can_be_collected(kind: Any) -> None:
    """One whose constructor failed has nothing to end."""
    with pytest.raises(TypeError):
        kind()
    gc.collect()
