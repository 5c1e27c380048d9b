"""The progress display of many waits, on a terminal."""

import asyncio
import io

from rich.console import Console

from di_async.cli.bulk_progress import BulkProgress, show_progress, state_of
from tests.builders.digitalocean import a_spec
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere
from tests.fake_network import virtual_client


async def test_live_table_is_drawn_from_the_event_loop() -> None:
    """The client belongs to the loop's thread, so the display is refreshed there."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    async with virtual_client() as (client, _):
        made = [await client.dedicated_inferences.create(a_spec(f"n{i}")) for i in range(3)]
        progress = BulkProgress("3 creates", client.stats, changes=list(made))
        await show_progress(console, progress, asyncio.sleep(0.3))
    assert "requests" in screen.getvalue()
    assert "3 creates" in screen.getvalue()


@VIRTUAL
async def test_in_a_pipe_a_line_is_printed_when_a_state_changes() -> None:
    """An hour without news is a line a minute, not one every two seconds."""
    log = io.StringIO()
    async with virtual_client() as (client, _):
        made = [await client.dedicated_inferences.create(a_spec(f"n{i}")) for i in range(2)]
        loop = asyncio.get_running_loop()
        progress = BulkProgress("2 creates", client.stats, loop.time, changes=made)
        await show_progress(Console(file=log, width=80), progress, asyncio.sleep(600))
        still = log.getvalue().splitlines()
        log.truncate(0)
        work = asyncio.gather(*(change.wait() for change in made))
        await show_progress(Console(file=log, width=80), progress, work)
    assert len(still) == 11, still
    assert "2 active" in log.getvalue()


@VIRTUAL
@everywhere
async def test_an_accepted_write_has_a_state_before_the_first_read(cloud: Cloud) -> None:
    """The display does not count it as unknown, as if something were wrong."""
    async with cloud.client(a_world()) as client:
        changes = [await cloud.create(client, "web-llm")]
        id = await cloud.settled(client, "web-chat")
        changes.append(await cloud.grow(client, id))
        states = [state_of(change) for change in changes]
    assert "unknown" not in states
