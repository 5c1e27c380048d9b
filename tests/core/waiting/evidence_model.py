"""A model of a server: its true state at each moment, and what stale replicas show of it.

The truth is a timeline of states. A read shows the state some lag before it starts, possibly one
from before the write. The mode sets what a state shows of itself: versions, `updated_at`, pending
specs, or nothing.
"""

from datetime import UTC, datetime
from itertools import chain
from typing import Any

from attrs import evolve, frozen
from hypothesis import strategies as st

from di_async.core.waiting.evidence import Decision, Evidence, fold, judge
from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    Read,
    ReadFailed,
    ReadFound,
    ReadMissing,
    ResourceVersion,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
BEFORE_VERSION = 4


@frozen(kw_only=True)
class Mode:
    """What the API shows of a state, and what the response to the write holds."""

    versions: bool = False
    updated_at: bool = False
    returns_target: bool = False
    returns_baseline: bool = False


@frozen(kw_only=True)
class State:
    """The state of the primary from `at` on."""

    at: float
    phase: Phase | None
    """None: 404."""
    version: int = BEFORE_VERSION
    pending: int | None = None
    complete: bool = True
    status: str = "some"


@frozen(kw_only=True)
class Timeline:
    """The true states around one write, accepted at 0."""

    action: Action
    states: tuple[State, ...]
    settles_at: float
    succeeds: bool
    mode: Mode
    expectation: Expectation

    def at(self, moment: float) -> State:
        """Return the state of the primary at a moment."""
        return next((s for s in reversed(self.states) if s.at <= moment), self.states[0])

    def settled(self, moment: float) -> bool:
        """Return whether the write has had its outcome."""
        return moment >= self.settles_at


@frozen(kw_only=True)
class Sample:
    """One read: its start, the lag of what it shows, its duration, and whether it fails."""

    started_at: float
    lag: float = 0.0
    took: float = 0.0
    broken: bool = False


def time(seconds: float) -> datetime:
    """Return a moment of the model as a timestamp."""
    return datetime.fromtimestamp(EPOCH + seconds, UTC)


def shown_version(state: State, mode: Mode) -> ResourceVersion:
    """Return the resource version that this API shows of a state."""
    return ResourceVersion(
        updated_at=time(state.at) if mode.updated_at else None,
        spec_version=state.version if mode.versions else None,
        pending_spec_version=state.pending if mode.versions else None,
    )


def read(timeline: Timeline, sample: Sample) -> Read:
    """Return the result of a read."""
    at = sample.started_at + sample.took
    if sample.broken:
        return ReadFailed(started_at=sample.started_at, at=at, error="503")
    state = timeline.at(sample.started_at - sample.lag)
    if state.phase is None:
        return ReadMissing(started_at=sample.started_at, at=at, error="404")
    observation = Observation(
        state.status,
        state.phase,
        complete=state.complete,
        version=shown_version(state, timeline.mode),
    )
    return ReadFound(started_at=sample.started_at, at=at, observation=observation)


def follow(timeline: Timeline, samples: list[Sample]) -> list[tuple[Sample, Decision, float]]:
    """Return each read with the decision after it, and the latest time handled so far."""
    evidence, decisions, handled = Evidence(), [], 0.0
    for sample in samples:
        evidence = fold(timeline.expectation, evidence, read(timeline, sample))
        handled = max(handled, sample.started_at + sample.took)
        decisions.append((sample, judge(timeline.expectation, evidence), handled))
    return decisions


# --- strategies --------------------------------------------------------------------------------

_gap = st.floats(0.1, 900)


@st.composite
def updates(draw: st.DrawFn, mode: Mode, *, succeeds: bool | None = None) -> Timeline:
    """An update of an existing resource; its intermediate states may be missing."""
    was = draw(st.sampled_from([Phase.READY, Phase.READY, Phase.FAILED]))
    statuses = st.sampled_from(["updating", "migrating", "NEW"])
    past = [
        State(at=-3000.0 + 500 * i, phase=phase, version=draw(st.integers(1, BEFORE_VERSION)))
        for i, phase in enumerate(draw(st.lists(st.sampled_from(_ALIVE), max_size=4)))
    ]
    past = sorted(past, key=lambda s: s.at)
    past = [State(at=s.at, phase=s.phase, version=min(s.version, BEFORE_VERSION)) for s in past]
    versions = sorted(s.version for s in past)
    past = [State(at=s.at, phase=s.phase, version=v) for s, v in zip(past, versions, strict=True)]
    before = State(at=-400.0, phase=was)
    new, good = BEFORE_VERSION + 1, draw(st.booleans()) if succeeds is None else succeeds
    at, states = draw(st.floats(0, 9)), [*past, before]
    for _ in range(draw(st.integers(0, 3))):
        shown = draw(st.sampled_from([Phase.WORKING, Phase.READY]))
        states.append(State(at=at, phase=shown, pending=new, complete=False, status=draw(statuses)))
        at += draw(_gap)
    end = Phase.READY if good else Phase.FAILED
    states.append(State(at=at, phase=end, version=new if good else BEFORE_VERSION))
    return Timeline(
        action=Action.UPDATE,
        states=tuple(states),
        settles_at=at,
        succeeds=good,
        mode=mode,
        expectation=Expectation(
            action=Action.UPDATE,
            accepted_at=0.0,
            before=shown_version(before, mode),
            before_phase=was,
            baseline=time(0) if mode.returns_baseline else None,
            target_spec_version=new if mode.returns_target else None,
        ),
    )


_ALIVE = [Phase.READY, Phase.WORKING, Phase.FAILED]


@st.composite
def creates(draw: st.DrawFn, mode: Mode) -> Timeline:
    """A create that is not found for a while and may show ready before it is."""
    at = draw(st.floats(0, 110))
    states = [State(at=-1.0, phase=None)]
    for _ in range(draw(st.integers(0, 4))):
        shown = draw(st.sampled_from([Phase.WORKING, Phase.READY]))
        states.append(State(at=at, phase=shown, version=1, complete=False))
        at += draw(_gap)
    good = draw(st.booleans())
    states.append(State(at=at, phase=Phase.READY if good else Phase.FAILED, version=1))
    expectation = Expectation(action=Action.CREATE, accepted_at=0.0, target_spec_version=1)
    return Timeline(
        action=Action.CREATE,
        states=tuple(states),
        settles_at=at,
        succeeds=good,
        mode=mode,
        expectation=expectation,
    )


@st.composite
def deletes(draw: st.DrawFn) -> Timeline:
    """A delete that shows any state until the 404."""
    phases = draw(st.lists(st.sampled_from([*_ALIVE, Phase.DELETING]), min_size=1, max_size=4))
    at, states = 0.0, [State(at=-100.0, phase=Phase.READY)]
    for phase in phases:
        states.append(State(at=at, phase=phase))
        at += draw(_gap)
    states.append(State(at=at, phase=None))
    return Timeline(
        action=Action.DELETE,
        states=tuple(states),
        settles_at=at,
        succeeds=True,
        mode=Mode(),
        expectation=Expectation(action=Action.DELETE, accepted_at=0.0),
    )


@st.composite
def _stuck_replica(draw: st.DrawFn) -> list[Sample]:
    """A replica stuck at one moment, read repeatedly."""
    shown, started, samples = draw(st.sampled_from([-2600.0, -350.0, -1.0, 1.0, 100.0])), 0.0, []
    for _ in range(draw(st.integers(2, 5))):
        started += draw(st.sampled_from([5.0, 16.0, 40.0]))
        samples.append(Sample(started_at=started, lag=max(0.0, started - shown)))
    return samples


def any_samples() -> st.SearchStrategy[list[Sample]]:
    """Reads in any order and with any lag, some failed, some from before the write."""
    sample = st.builds(
        Sample,
        started_at=st.floats(-20, 2500),
        lag=st.sampled_from([0.0, 5.0, 19.0, 40.0, 450.0, 1000.0, 2600.0]),
        took=st.floats(0, 30),
        broken=st.sampled_from([False, False, False, True]),
    )
    loose = st.lists(sample, min_size=1, max_size=10)
    runs = st.lists(_stuck_replica(), min_size=1, max_size=3).map(lambda found: list(chain(*found)))
    return st.one_of(loose, runs, st.tuples(loose, runs).map(lambda two: two[0] + two[1]))


@st.composite
def monotonic_samples(draw: st.DrawFn, max_lag: float = 20.0) -> list[Sample]:
    """Successive reads that never go back in time and lag less than `max_lag` s."""
    started, shown, samples = 0.0, -1.0, []
    for _ in range(draw(st.integers(1, 14))):
        started += draw(st.sampled_from([0.5, 5.0, 5.0, 12.0, 16.0, 60.0, 300.0]))
        sampled = max(shown, started - draw(st.floats(0, max_lag)))
        broken = draw(st.sampled_from([False, False, False, True]))
        samples.append(Sample(started_at=started, lag=started - sampled, broken=broken))
        shown = shown if broken else sampled
    return samples


# --- reads, one example each --------------------------------------------------------------------

READY = Observation("active", Phase.READY)
WORKING = Observation("updating", Phase.WORKING)
BROKEN = Observation("error", Phase.FAILED, reason="no capacity")


def seen(at: float, observation: Observation = READY, **version: Any) -> ReadFound:
    """Return a read that found this observation."""
    shown = evolve(observation, version=ResourceVersion(**version)) if version else observation
    return ReadFound(started_at=at, at=at + 0.1, observation=shown)


def missing(at: float) -> ReadMissing:
    """Return a read that answered 404."""
    return ReadMissing(started_at=at, at=at + 0.1, error="404")


def failed(at: float, *, final: bool = False) -> ReadFailed:
    """Return a read that failed or was refused."""
    return ReadFailed(started_at=at, at=at + 0.1, error="boom", refused=final)


def decision(about: Expectation, *reads: Read) -> Decision:
    """Return what these reads prove."""
    evidence = Evidence()
    for one in reads:
        evidence = fold(about, evidence, one)
    return judge(about, evidence)
