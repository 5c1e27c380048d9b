"""A model of a server under the waiter: what is true at each moment, and what replicas show of it.

The truth is a timeline of displayed states. A read samples it some lag before it starts, so that it
may show any earlier state, also one from before the write. What a state shows of itself (versions,
`updated_at`, pending specs, nothing) is the API's mode.
"""

from datetime import UTC, datetime
from itertools import chain

from attrs import frozen
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
    """What the API shows of a state, and what the write's own answer tells."""

    versions: bool = False
    updated_at: bool = False
    told_target: bool = False
    told_baseline: bool = False


@frozen(kw_only=True)
class State:
    """What the primary shows from `at` on."""

    at: float
    phase: Phase | None
    """None: 404."""
    version: int = BEFORE_VERSION
    pending: int | None = None
    complete: bool = True
    word: str = "some"


@frozen(kw_only=True)
class Story:
    """The truth about one write, accepted at 0."""

    action: Action
    states: tuple[State, ...]
    settles_at: float
    succeeds: bool
    mode: Mode
    expectation: Expectation

    def at(self, moment: float) -> State:
        """What the primary shows at a moment."""
        return next((s for s in reversed(self.states) if s.at <= moment), self.states[0])

    def settled(self, moment: float) -> bool:
        """The write's outcome is a fact."""
        return moment >= self.settles_at


@frozen(kw_only=True)
class Look:
    """One read: when it starts, how old what it shows is, how long it takes, or what breaks it."""

    started_at: float
    lag: float = 0.0
    took: float = 0.0
    broken: bool = False


def time(seconds: float) -> datetime:
    """A moment of the model as a timestamp."""
    return datetime.fromtimestamp(EPOCH + seconds, UTC)


def marks(state: State, mode: Mode) -> ResourceVersion:
    """What this API shows of a state."""
    return ResourceVersion(
        updated_at=time(state.at) if mode.updated_at else None,
        spec_version=state.version if mode.versions else None,
        pending_spec_version=state.pending if mode.versions else None,
    )


def read(story: Story, look: Look) -> Read:
    """What the read brings."""
    at = look.started_at + look.took
    if look.broken:
        return ReadFailed(started_at=look.started_at, at=at, error="503")
    state = story.at(look.started_at - look.lag)
    if state.phase is None:
        return ReadMissing(started_at=look.started_at, at=at, error="404")
    observation = Observation(
        state.word, state.phase, complete=state.complete, version=marks(state, story.mode)
    )
    return ReadFound(started_at=look.started_at, at=at, observation=observation)


def follow(story: Story, looks: list[Look]) -> list[tuple[Look, Decision, float]]:
    """Each read with the verdict after it, and the latest moment anything was handled."""
    evidence, told, handled = Evidence(), [], 0.0
    for look in looks:
        evidence = fold(story.expectation, evidence, read(story, look))
        handled = max(handled, look.started_at + look.took)
        told.append((look, judge(story.expectation, evidence), handled))
    return told


# --- strategies --------------------------------------------------------------------------------

_gap = st.floats(0.1, 900)


@st.composite
def updates(draw: st.DrawFn, mode: Mode, *, succeeds: bool | None = None) -> Story:
    """An update of something that had a life before; its middle states may be missing."""
    was = draw(st.sampled_from([Phase.READY, Phase.READY, Phase.FAILED]))
    words = st.sampled_from(["updating", "migrating", "NEW"])
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
        states.append(State(at=at, phase=shown, pending=new, complete=False, word=draw(words)))
        at += draw(_gap)
    end = Phase.READY if good else Phase.FAILED
    states.append(State(at=at, phase=end, version=new if good else BEFORE_VERSION))
    return Story(
        action=Action.UPDATE,
        states=tuple(states),
        settles_at=at,
        succeeds=good,
        mode=mode,
        expectation=Expectation(
            action=Action.UPDATE,
            accepted_at=0.0,
            before=marks(before, mode),
            before_phase=was,
            baseline=time(0) if mode.told_baseline else None,
            target_spec_version=new if mode.told_target else None,
        ),
    )


_ALIVE = [Phase.READY, Phase.WORKING, Phase.FAILED]


@st.composite
def creates(draw: st.DrawFn, mode: Mode) -> Story:
    """A create that is not found for a while and may call itself ready before it is."""
    at = draw(st.floats(0, 110))
    states = [State(at=-1.0, phase=None)]
    for _ in range(draw(st.integers(0, 4))):
        shown = draw(st.sampled_from([Phase.WORKING, Phase.READY]))
        states.append(State(at=at, phase=shown, version=1, complete=False))
        at += draw(_gap)
    good = draw(st.booleans())
    states.append(State(at=at, phase=Phase.READY if good else Phase.FAILED, version=1))
    expectation = Expectation(action=Action.CREATE, accepted_at=0.0, target_spec_version=1)
    return Story(
        action=Action.CREATE,
        states=tuple(states),
        settles_at=at,
        succeeds=good,
        mode=mode,
        expectation=expectation,
    )


@st.composite
def deletes(draw: st.DrawFn) -> Story:
    """A delete that shows anything at all until the 404."""
    phases = draw(st.lists(st.sampled_from([*_ALIVE, Phase.DELETING]), min_size=1, max_size=4))
    at, states = 0.0, [State(at=-100.0, phase=Phase.READY)]
    for phase in phases:
        states.append(State(at=at, phase=phase))
        at += draw(_gap)
    states.append(State(at=at, phase=None))
    return Story(
        action=Action.DELETE,
        states=tuple(states),
        settles_at=at,
        succeeds=True,
        mode=Mode(),
        expectation=Expectation(action=Action.DELETE, accepted_at=0.0),
    )


@st.composite
def _stuck(draw: st.DrawFn) -> list[Look]:
    """A replica that stands still at one moment, asked again and again."""
    shown, started, looks = draw(st.sampled_from([-2600.0, -350.0, -1.0, 1.0, 100.0])), 0.0, []
    for _ in range(draw(st.integers(2, 5))):
        started += draw(st.sampled_from([5.0, 16.0, 40.0]))
        looks.append(Look(started_at=started, lag=max(0.0, started - shown)))
    return looks


def any_looks() -> st.SearchStrategy[list[Look]]:
    """Reads in any order, each as stale as it likes, some broken, some from before the write."""
    look = st.builds(
        Look,
        started_at=st.floats(-20, 2500),
        lag=st.sampled_from([0.0, 5.0, 19.0, 40.0, 450.0, 1000.0, 2600.0]),
        took=st.floats(0, 30),
        broken=st.sampled_from([False, False, False, True]),
    )
    loose = st.lists(look, min_size=1, max_size=10)
    runs = st.lists(_stuck(), min_size=1, max_size=3).map(lambda found: list(chain(*found)))
    return st.one_of(loose, runs, st.tuples(loose, runs).map(lambda two: two[0] + two[1]))


@st.composite
def monotonic_looks(draw: st.DrawFn, max_lag: float = 20.0) -> list[Look]:
    """Reads one after another that never go back in what they show, nor lag by `max_lag` s."""
    started, shown, looks = 0.0, -1.0, []
    for _ in range(draw(st.integers(1, 14))):
        started += draw(st.sampled_from([0.5, 5.0, 5.0, 12.0, 16.0, 60.0, 300.0]))
        sampled = max(shown, started - draw(st.floats(0, max_lag)))
        broken = draw(st.sampled_from([False, False, False, True]))
        looks.append(Look(started_at=started, lag=started - sampled, broken=broken))
        shown = shown if broken else sampled
    return looks
