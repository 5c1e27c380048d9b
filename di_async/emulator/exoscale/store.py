"""What was, is and will be in every zone, unless something else happens.

Rules of this file: a thing's whole course is planned when a write is accepted and looked up
afterwards, so that nothing runs and nothing has to be advanced. Views (stale, lagging) never touch
the plan.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Generic

from attrs import Factory, define, evolve

from di_async.emulator.cloud.provider import Truth
from di_async.emulator.cloud.store import StaleView, seen_through

from .records import Deployment, Model, Operation, Thing, Write, WriteRecord


@define
class Timeline(Generic[Thing]):
    """One thing's course: (from when on, how it is; None: gone), in order."""

    id: str
    zone: str
    marks: list[tuple[float, Thing | None]] = Factory(list)
    writes: list[Write] = Factory(list)
    stale_views: list[StaleView[Thing]] = Factory(list)

    def at(self, now: float) -> Thing | None:
        """How it is."""
        return next((thing for at, thing in reversed(self.marks) if at <= now), None)

    def begin(self, write: Write, marks: Sequence[tuple[float, Thing | None]]) -> None:
        """Another write: what was planned before and is still to come will not happen."""
        now = write.accepted_at
        if self.writes and now < self.writes[-1].settles_at:
            self.writes[-1] = evolve(self.writes[-1], superseded_at=now)
        self.marks = [mark for mark in self.marks if mark[0] <= now] + list(marks)
        self.writes.append(write)

    def reschedule(self, write: Write, marks: Sequence[tuple[float, Thing | None]]) -> None:
        """The latest write goes on differently: these marks in place of its last one's."""
        ends_at = self.writes[-1].settles_at
        self.marks = [mark for mark in self.marks if mark[0] < ends_at] + list(marks)
        self.writes[-1] = write

    def busy(self, now: float) -> bool:
        """Whether an operation on it is pending."""
        return any(write.operation.state(now) == "pending" for write in self.writes[-1:])

    def seen(self, now: float, *, in_list: bool = False) -> Thing | None:
        """How a GET, or a list, sees it."""
        return seen_through(self.stale_views, now, self.at(now), in_list=in_list)


@define
class Store:
    """All zones' models, deployments and operations, past ones included."""

    models: dict[str, Timeline[Model]] = Factory(dict)
    deployments: dict[str, Timeline[Deployment]] = Factory(dict)
    operations: dict[str, Operation] = Factory(dict)
    created: Counter[str] = Factory(Counter)
    keys: dict[str, str] = Factory(dict)

    def knows(self, id: str) -> bool:
        """Whether there is, or was, such a model or deployment."""
        return id in self.deployments or id in self.models

    def story(self, id: str) -> Timeline[Model] | Timeline[Deployment]:
        """The course of a model or deployment; KeyError if there never was one."""
        return self.deployments.get(id) or self.models[id]

    def truth(self, id: str, now: float) -> Truth[WriteRecord]:
        """What really is the matter with a model or deployment that exists, or once did."""
        story = self.story(id)
        thing = story.at(now)
        writes = tuple(write.past(now) for write in story.writes)
        return Truth(
            id=id,
            exists=thing is not None,
            status="deleted" if thing is None else thing.state,
            settled=now >= writes[-1].settles_at,
            settled_at=writes[-1].settles_at,
            version=sum(write.outcome == "ready" for write in writes),
            writes=writes,
        )


def listed(stories: dict[str, Timeline[Thing]], zone: str, now: float) -> Iterator[Thing]:
    """The things of a zone as a list sees them, oldest first."""
    for story in stories.values():
        thing = story.seen(now, in_list=True) if story.zone == zone else None
        if thing is not None:
            yield thing
