"""Creates whose answer was lost. A create is never sent twice blindly: what it made bills.

v3 names are unique within a project, so the name decides. v2 does not say so: what bears the name
and matches is told as a candidate, and nothing is sent again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from di_async.core.http import Request
from di_async.core.lost_create import Adopt, Candidate, decide_lost_create
from di_async.engine.client import Engine
from di_async.engine.lost_writes import note_on_cancel, recover_write, unknown_create
from di_async.gcore.desired_state import digest_secrets, matches
from di_async.gcore.models import Inference, InferenceInstance

__all__ = ["candidate", "create_once"]


async def create_once(
    engine: Engine,
    request: Request,
    body: Mapping[str, Any],
    read: Callable[[Any], InferenceInstance],
    named: Callable[[str], Awaitable[Sequence[InferenceInstance]]],
) -> InferenceInstance:
    """The answer to a create whose name may be borne by several; it is sent once.

    Raises:
        OutcomeUnknownError: the answer was lost; `.candidates` may be what it made.
    """
    name, began = str(body["name"]), engine.clock.datetime()
    finding = f"Look with `list(name={name!r})`"
    found: dict[str, InferenceInstance] = {}

    async def send() -> InferenceInstance:
        return read(await engine.json(request))

    async def collect() -> None:
        for row in await named(name):
            decision = decide_lost_create([candidate(row.id, body, row)], began)
            if isinstance(decision, Adopt):
                found[row.id] = row

    with note_on_cancel(repr(name), finding):
        return await recover_write(
            engine,
            repr(name),
            send=send,
            read=collect,
            accepted=lambda _: None,
            unknown=lambda lost, _: unknown_create(
                request, name, lost, finding, tuple(found.values())
            ),
            attempts=1,
        )


def candidate(id: str, body: Mapping[str, Any], found: Inference) -> Candidate:
    """What bears the name, as it is to be judged: does it show what was sent?"""
    return Candidate(id, found.created_at, matches(digest_secrets(body), found) is not False)
