"""Breaks each promise on purpose and sees its module go red: `python -m tests.promises.mutants`.

A mutant is one small lie in a copy of the source; the real tree is never touched. A module that
stays green under a mutant does not hold its promise. Give words to run only the mutants whose
table row has them all: `python -m tests.promises.mutants 04 429`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
WAITER, SIGHTS = "core/waiter.py", "digitalocean/lifecycle.py"
POLLER, TRACKER, CHANGE = "engine/poller.py", "engine/observe.py", "engine/change.py"
SESSION, GATE, ENGINE = "engine/session.py", "engine/gate.py", "engine/client.py"
WRITES, LOST, RECONCILE = "digitalocean/writes.py", "engine/writes.py", "core/reconcile.py"
CLIENT = "digitalocean/client.py"
BUDGET, SCHEDULE, STAGES = "core/budget.py", "core/schedule.py", "core/stages.py"
SENDS, MODELS = "engine/transport.py", "digitalocean/models.py"
DESK, PLANNER, PACE = "engine/desk.py", "core/planner.py", "core/pace.py"
SIFTING = "core/sifting.py"


@frozen
class Mutant:
    """One lie: in this file of di_async the old text becomes the new one."""

    promise: str
    lie: str
    file: str
    old: str
    new: str

    @property
    def module(self) -> str:
        """The test module that must notice."""
        found = sorted(Path(__file__).parent.glob(f"test_{self.promise}*.py"))
        return found[0].relative_to(ROOT).as_posix()


_LISTED = (
    '{"dedicated_inference": next((row for row in (await self._engine.json(ENDPOINTS["list"]'
    '.request()))["dedicated_inferences"] if row["id"] == stage.id), {"id": "", "status": ""})}'
)
_POLLED = "await self._engine.json_once(request, priority, trip)"

MUTANTS = [
    Mutant(
        "01",
        "reads that began before the write count",
        WAITER,
        "if read.started_at < case.accepted_at:",
        "if False:",
    ),
    Mutant(
        "01",
        "30 s of repetition become 10",
        WAITER,
        "AGREEING_SPAN_S = 30.0",
        "AGREEING_SPAN_S = 10.0",
    ),
    Mutant(
        "01",
        "repetition is not needed",
        WAITER,
        "AGREEING_READS = 3\nAGREEING_SPAN_S = 30.0",
        "AGREEING_READS = 1\nAGREEING_SPAN_S = 0.0",
    ),
    Mutant(
        "01",
        "two equal reads are enough",
        WAITER,
        "AGREEING_READS = 3",
        "AGREEING_READS = 2",
    ),
    Mutant(
        "01",
        "interrupted repetitions add up",
        WAITER,
        "missing=0 if young else ledger.missing + 1,\n        agreeing=0,",
        "missing=0 if young else ledger.missing + 1,",
    ),
    Mutant(
        "01",
        "a pending spec does not matter",
        SIGHTS,
        "if di.pending_deployment_spec is not None:",
        "if False:",
    ),
    Mutant(
        "01",
        "any endpoint will do",
        SIGHTS,
        "True: at.public_endpoint_fqdn,",
        "True: at.public_endpoint_fqdn or at.private_endpoint_fqdn,",
    ),
    Mutant("01", "running is unknown", SIGHTS, '"running": _READY,\n', ""),
    Mutant(
        "01",
        "1970 is a baseline",
        SIGHTS,
        "_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)",
        "_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)",
    ),
    Mutant(
        "01",
        "an active update needs no evidence",
        WAITER,
        "if case.action is not _UPDATE:",
        "if True:",
    ),
    Mutant(
        "01",
        "a failure needs no evidence",
        WAITER,
        "if patient or not _evidence(case, ledger, sight):",
        "if patient:",
    ),
    Mutant(
        "01",
        "the middle state is required",
        WAITER,
        'return f"spec version {version}" if version >= target else None',
        'return f"spec version {version}" if version >= target and ledger.moved else None',
    ),
    Mutant(
        "01",
        "an error ends a delete",
        WAITER,
        'return Settled("GET answered 404") if ledger.gone else Pending()',
        'return Settled("GET answered 404") if ledger.gone or (ledger.sight and '
        "ledger.sight.phase is _FAILED) else Pending()",
    ),
    Mutant(
        "01",
        "deleting is pending",
        WAITER,
        "if sight.phase is _DELETING:",
        "if False:",
    ),
    Mutant(
        "01",
        "a newer foreign spec is success",
        WAITER,
        "if _overtaken(case, ledger, sight):",
        "if False:",
    ),
    Mutant("02", "list rows are proof", CLIENT, _POLLED, _LISTED),
    Mutant(
        "02",
        "any word is a mode",
        SCHEDULE,
        "if self.confirm not in _CONFIRM:",
        "if False:",
    ),
    Mutant("02", "another default mode", SCHEDULE, '] = "auto"', '] = "always"'),
    Mutant(
        "02",
        "rows are proof whatever the mode",
        POLLER,
        'return self._policy.confirm == "never"',
        "return True",
    ),
    Mutant(
        "02",
        "auto never trusts rows",
        POLLER,
        'if self._policy.confirm != "auto" or self._budget is None:',
        "if True:",
    ),
    Mutant(
        "02",
        "auto always trusts rows",
        POLLER,
        "ahead=queue) > self._policy.target_lag",
        "ahead=queue) > -1",
    ),
    Mutant(
        "02",
        "a light row never seen unsettled is proof",
        TRACKER,
        "trusted = trusting and not self._steps and (read.sight.full or self.ledger.unsettled)",
        "trusted = trusting",
    ),
    Mutant(
        "02",
        "list evidence is not told",
        TRACKER,
        '" (list evidence)" if source == "list" else ""',
        '""',
    ),
    Mutant(
        "02",
        "absence from a page is deletion",
        PLANNER,
        "            if item.shown is None and item.id not in here:\n",
        "            if item.shown is None and item.id not in here:\n"
        "                for tracker in getattr(item, 'trackers', ()):\n"
        "                    from di_async.core.waiter import Missing\n"
        "                    tracker.absorb(Missing(started_at=now, at=now), 0, tracker.goal)\n",
    ),
    Mutant(
        "07",
        "many are got one by one",
        PLANNER,
        "if len(sheet.items) > 1:",
        "if len(sheet.items) > 1e9:",
    ),
    Mutant(
        "07",
        "one is listed for",
        PLANNER,
        "if len(sheet.items) > 1:",
        "if len(sheet.items) > 0:",
    ),
    Mutant(
        "07",
        "others' requests are not subtracted",
        BUDGET,
        "self._foreign = max(0, theirs)",
        "self._foreign = 0",
    ),
    Mutant(
        "07",
        "a 429 is not obeyed",
        BUDGET,
        "            self._block(now, news)\n",
        "            pass\n",
    ),
    Mutant(
        "07",
        "a late 429 shortens the block",
        BUDGET,
        "self._blocked_until = max(self._blocked_until, now + max(block, 1.0))",
        "self._blocked_until = now + max(block, 1.0)",
    ),
    Mutant("03", "no grace", WAITER, "CREATE_GRACE_S = 120.0", "CREATE_GRACE_S = 60.0"),
    Mutant("03", "endless grace", WAITER, "CREATE_GRACE_S = 120.0", "CREATE_GRACE_S = 1e9"),
    Mutant(
        "03",
        "grace for everybody",
        WAITER,
        "young = case.action is _CREATE and",
        "young =",
    ),
    Mutant("03", "one 404 is enough", WAITER, "_MISSING_IN_A_ROW = 2", "_MISSING_IN_A_ROW = 1"),
    Mutant(
        "03",
        "404s need not be in a row",
        WAITER,
        "        ever_seen=True,\n        trouble=ledger.trouble,\n",
        "        ever_seen=True,\n        trouble=ledger.trouble,\n"
        "        missing=ledger.missing,\n",
    ),
    Mutant(
        "03",
        "never seen is not told apart",
        WAITER,
        "if case.action is _ACTIVE and not ledger.ever_seen:",
        "if False:",
    ),
    Mutant(
        "03",
        "a gateway's 404 counts",
        DESK,
        "case NotFoundError(transient=False):",
        "case NotFoundError():",
    ),
    Mutant(
        "04",
        "403 is retried for ever",
        LOST,
        "again = left > 0 or",
        "again = left > -1000 or",
    ),
    Mutant(
        "04",
        "403 is not retried",
        LOST,
        "again = left > 0 or",
        "again =",
    ),
    Mutant(
        "04",
        "refusals are borne",
        DESK,
        "final = _is_refusal(answer)",
        "final = False",
    ),
    Mutant(
        "04",
        "a 5xx is final",
        DESK,
        "final = _is_refusal(answer)",
        "final = isinstance(answer, APIError) and not isinstance(answer, RateLimitError)",
    ),
    Mutant(
        "04",
        "a 429 is final",
        DESK,
        "    return not error.transient",
        "    return True",
    ),
    Mutant(
        "04",
        "a 429 eases the polling",
        POLLER,
        "answer, NotFoundError | RateLimitError\n",
        "answer, NotFoundError\n",
    ),
    Mutant(
        "04",
        "polls use up attempts",
        ENGINE,
        "_decoded(request, await self.running.session.once(request, priority, trip))",
        "_decoded(request, await self.running.session.call(request, trip))",
    ),
    Mutant(
        "04",
        "a refusal has no cause",
        CHANGE,
        "if isinstance(verdict, Refused | Vanished):",
        "if isinstance(verdict, Vanished):",
    ),
    Mutant(
        "04",
        "a refusal is for ever",
        TRACKER,
        "if not isinstance(verdict, Pending | Refused):",
        "if not isinstance(verdict, Pending):",
    ),
    Mutant(
        "05",
        "unknown words are failures",
        SIGHTS,
        "phase = _PHASES.get(di.status, _WORKING)",
        "phase = _PHASES.get(di.status, _FAILED)",
    ),
    Mutant(
        "05",
        "unknown words are logged each time",
        TRACKER,
        "self._unknown_told.add(sight.word)\n",
        "pass\n",
    ),
    Mutant(
        "05",
        "unknown words are not logged",
        TRACKER,
        "if not sight.known and",
        "if False and",
    ),
    Mutant("05", "case matters", MODELS, ".strip().lower()", ".strip()"),
    Mutant("05", "placeholders are broken", SIGHTS, "if a.accelerator_id and ", "if "),
    Mutant("06", "no initial", CHANGE, "            initial=self.initial,\n", ""),
    Mutant("06", "no history", CHANGE, "            history=self.history,\n", ""),
    Mutant(
        "06",
        "no last error",
        CHANGE,
        "            last_error=tracker.trouble,\n",
        "",
    ),
    Mutant(
        "06",
        "no resume token",
        CHANGE,
        "            resume_token=self.resume_token if self._resumable else None,\n",
        "",
    ),
    Mutant(
        "06",
        "a cancelled wait says nothing",
        CHANGE,
        "cancelled.add_note(self._left_alone())\n                raise",
        "raise",
    ),
    Mutant(
        "06",
        "a read in flight never wins",
        POLLER,
        "if watch.asking or watch.confirming or owed or by_page:",
        "if owed:",
    ),
    Mutant(
        "06",
        "the grace is long",
        POLLER,
        "_IN_FLIGHT_GRACE_S = 5.0",
        "_IN_FLIGHT_GRACE_S = 500.0",
    ),
    Mutant(
        "06",
        "a cancelled create says nothing",
        LOST,
        "cancelled.add_note(story)",
        "pass",
    ),
    Mutant("06", "a cancelled create logs nothing", LOST, "logger.warning(story)", "pass"),
    Mutant(
        "07",
        "each wait asks for itself",
        DESK,
        "watch = self.planner.find(tracker.stage.id)",
        "watch = None",
    ),
    Mutant(
        "07",
        "what nobody awaits is asked for",
        DESK,
        "            if not watch.trackers:\n",
        "            if False:\n",
    ),
    Mutant(
        "07",
        "one cancelled wait ends the other",
        POLLER,
        "        if not tracker.waiters:\n",
        "        if True:\n",
    ),
    Mutant(
        "07",
        "a read that was broken off is remembered",
        POLLER,
        "            desk.forget(ask)\n",
        "            pass\n",
    ),
    Mutant(
        "07",
        "polls take the reserve",
        BUDGET,
        "if priority is _SWEEP:\n            per_minute",
        "if False:\n            per_minute",
    ),
    Mutant(
        "07",
        "first come, first served",
        BUDGET,
        "heapq.heappush(self._queue, (priority, ",
        "heapq.heappush(self._queue, (Priority.READ, ",
    ),
    Mutant(
        "07",
        "silent repeats are free",
        SENDS,
        "await self._again()",
        "pass",
    ),
    Mutant(
        "07",
        "a row just as it was is no look at it",
        SIFTING,
        "        self.seen(at, sends)\n",
        "",
    ),
    Mutant(
        "07",
        "a row just as it was tells nothing to those who join",
        PLANNER,
        "            sheet.stamp = None\n            sheet.rows.doubt(item)\n",
        "            sheet.stamp = None\n",
    ),
    Mutant(
        "07",
        "calls are held for ever",
        SESSION,
        "if hold > longest:",
        "if False:",
    ),
    Mutant(
        "08",
        "a lost create is sent again, unseen",
        LOST,
        "            found = await self._made(began, lost)\n",
        "            found = None\n",
    ),
    Mutant(
        "08",
        "a name is looked up once",
        LOST,
        "LOOKS_AFTER_S = (0.5, 2.0, 5.0)",
        "LOOKS_AFTER_S = (0.5,)",
    ),
    Mutant(
        "08",
        "any spec is ours",
        RECONCILE,
        "return None if found.as_sent else",
        "return None if True else",
    ),
    Mutant(
        "08",
        "any age is ours",
        RECONCILE,
        "CLOCK_SKEW = timedelta(seconds=120)",
        "CLOCK_SKEW = timedelta(days=9000)",
    ),
    Mutant(
        "08",
        "clocks agree",
        RECONCILE,
        "CLOCK_SKEW = timedelta(seconds=120)",
        "CLOCK_SKEW = timedelta(seconds=0)",
    ),
    Mutant(
        "08",
        "POST may be repeated",
        "core/wire.py",
        '"PUT", "OPTIONS"}',
        '"PUT", "OPTIONS", "POST", "PATCH"}',
    ),
    Mutant("08", "DELETE may not be repeated", "core/wire.py", '"DELETE", ', ""),
    Mutant(
        "08",
        "a lost update is sent again, unseen",
        WRITES,
        "            if spec is not None and _taken(before, live, spec):\n",
        "            if False:\n",
    ),
    Mutant(
        "08",
        "adopted or not is not told",
        WRITES,
        "initial=found, adopted=True)",
        "initial=found)",
    ),
    Mutant(
        "09",
        "waits stay open",
        POLLER,
        'self._abort(ClientClosedError("the client was closed while this wait was open"))',
        "pass",
    ),
    Mutant(
        "09",
        "the poller outlives its client",
        POLLER,
        "            task.cancel()\n            await asyncio.wait([task])\n",
        "            pass\n",
    ),
    Mutant(
        "09",
        "the poller outlives its waits",
        POLLER,
        "            while self._awaited:\n",
        "            while True:\n",
    ),
    Mutant(
        "09",
        "polls run in the first waiter's context",
        POLLER,
        'name="di_async poller", context=self._context)',
        'name="di_async poller")',
    ),
    Mutant(
        "09",
        "cancellation becomes an error",
        CHANGE,
        "                cancelled.add_note(self._left_alone())\n                raise\n",
        "                raise RuntimeError from cancelled\n",
    ),
    Mutant(
        "09",
        "queued calls hang",
        GATE,
        "            if not turn.done():\n                turn.set_exception(",
        "            if False:\n                turn.set_exception(",
    ),
    Mutant(
        "10",
        "any base URL will do",
        ENGINE,
        "if told != (source.provider, source.base_url, source.scope, source.kind):",
        "if False:",
    ),
    Mutant("10", "any version will do", STAGES, "if version != _VERSION:", "if False:"),
    Mutant(
        "10",
        "the baseline stays behind",
        STAGES,
        'told.pop("baseline", None)),\n',
        'told.pop("baseline", None) and None),\n',
    ),
    Mutant(
        "10",
        "what was before stays behind",
        STAGES,
        "            **told,\n        )\n    except",
        "        )\n    except",
    ),
    Mutant(
        "10",
        "the deadline stays behind",
        ENGINE,
        "until = math.inf if token.endless else token.deadline_at",
        "until = None",
    ),
    Mutant(
        "10",
        "the start stays behind",
        ENGINE,
        "started_at = min(clock.loop_at(token.started_at), clock.now())",
        "started_at = clock.now()",
    ),
    Mutant(
        "timeouts",
        "attempts shorten a wait",
        POLLER,
        "self._failures = self._failures + 1 if broken else 0\n",
        "self._failures = self._failures + 1 if broken else 0\n"
        "        if self._failures > 10:\n            self._abort(answer)\n",
    ),
    Mutant(
        "timeouts",
        "for ever is a day",
        CHANGE,
        "            timeout = None if timeout == math.inf else timeout\n",
        "            timeout = None if timeout == math.inf else timeout\n"
        "        elif timeout is None:\n            timeout = 86400.0\n",
    ),
    Mutant(
        "timeouts",
        "0 is no look",
        POLLER,
        "if watch.asking or watch.confirming or owed or by_page:",
        "if (watch.asking or by_page) and looks is None:",
    ),
    Mutant(
        "timeouts",
        "another default",
        "core/ports.py",
        "default_timeout: float = 3600.0",
        "default_timeout: float = 7200.0",
    ),
    Mutant(
        "timeouts",
        "a slow look does not count",
        POLLER,
        "_ONE_LOOK_S = 60.0",
        "_ONE_LOOK_S = 5.0",
    ),
]


def bred(mutants: list[Mutant]) -> Iterator[Mutant]:
    """Those whose old text still stands in the source, once; the others are told."""
    for mutant in mutants:
        text = (ROOT / "di_async" / mutant.file).read_text(encoding="utf-8")
        if text.count(mutant.old) >= 1:
            yield mutant


def outcome(module: str, mutant: Mutant | None) -> str:
    """What pytest says of a module in a copy of the repository: green, or red."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        for name in ("di_async", "tests"):
            unneeded = shutil.ignore_patterns("golden", "samples")
            shutil.copytree(ROOT / name, copy / name, ignore=unneeded)
        shutil.copy(ROOT / "pyproject.toml", copy)
        if mutant is not None:
            target = copy / "di_async" / mutant.file
            text = target.read_text(encoding="utf-8")
            target.write_text(text.replace(mutant.old, mutant.new, 1), encoding="utf-8")
        return said(copy, module)


def said(copy: Path, module: str) -> str:
    """The outcome of one run; anything but passing and failing tests is told as it is."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no"]
    for unneeded in ("cacheprovider", "hypothesispytest", "anyio", "pytest_cov"):
        command += ["-p", f"no:{unneeded}"]
    # The copy comes before the installed package; no carets, for they crash 3.11 on occasion.
    env = os.environ | {"PYTHONPATH": str(copy), "PYTHONNODEBUGRANGES": "1"}
    run = subprocess.run(  # noqa: S603 - our own words
        [*command, module], cwd=copy, env=env, capture_output=True, text=True, check=False
    )
    known = {0: "green", 1: "red"}
    lines = (run.stdout + run.stderr).strip().splitlines()
    return known.get(run.returncode) or f"pytest {run.returncode}: {lines[-1][:60]}"


def main(words: list[str]) -> int:
    """Prints the table; 1 if a mutant survives, is out of date, or a module is red without one."""
    wanted = [m for m in MUTANTS if all(word in f"{m.promise} {m.lie}" for word in words)]
    live = list(bred(wanted))
    modules = sorted({m.module for m in wanted})
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        plain = list(pool.map(lambda module: outcome(module, None), modules))
        found = list(pool.map(lambda mutant: outcome(mutant.module, mutant), live))
    told = dict(zip((id(m) for m in live), found, strict=True))
    rows = [("-", Path(m).name, r, "green") for m, r in zip(modules, plain, strict=True)]
    rows += [(m.promise, m.lie, told.get(id(m), "out of date"), "red") for m in wanted]
    for promise, lie, result, _ in rows:
        sys.stdout.write(f"{promise:8} | {lie:45} | {result}\n")
    bad = [row for row in rows if row[2] != row[3]]
    sys.stdout.write(f"{len(live)} mutants, {len(bad)} not as they should be\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
