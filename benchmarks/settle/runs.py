"""The runs: scenario, size, model and policy."""

from typing import Literal

from attrs import frozen

__all__ = ["QUICK_N", "Run", "all_runs"]

QUICK_N = 1000

Confirm = Literal["auto", "always", "never"]


@frozen
class Run:
    """One row of the table, run with each seed."""

    scenario: str
    n: int
    model: float | None = None
    """Median of the duration model as a multiple of the true one; None: cold."""
    confirm: Confirm = "auto"
    dialect: Literal["documented", "observed"] = "documented"

    @property
    def name(self) -> str:
        """Return a name such as `A-10000-warm` or `A-1000-warm-always`."""
        models = {None: "cold", 1.0: "warm"}
        parts = [self.scenario, str(self.n), models.get(self.model, f"x{self.model}")]
        parts += [] if self.confirm == "auto" else [self.confirm]
        parts += [] if self.dialect == "documented" else [self.dialect]
        return "-".join(parts)


_A = (
    *(Run("A", n, model) for n in (1, 50, 1000, 2000, 10_000) for model in (None, 1.0)),
    *(Run("A", 10_000, model) for model in (0.6, 1.7)),
    *(Run("A", n, model, "always") for n in (1000, 2000) for model in (None, 1.0)),
)
_OTHERS = (
    Run("B", 7200),
    Run("C", 1000),
    Run("C2", 500),
    Run("C2", 500, dialect="observed"),
    Run("D", 1000),
    Run("E", 500),
    Run("F", 2000),
    Run("G", 1000),
    Run("G", 10_000),
    *(Run(name, 10_000, model) for name in ("P2", "P4") for model in (None, 1.0)),
)


def all_runs(
    scenarios: set[str] | None = None, sizes: set[int] | None = None, *, quick: bool = False
) -> list[Run]:
    """Return the selected runs. A size without a row makes rows of that size."""
    runs = [run for run in (*_A, *_OTHERS) if scenarios is None or run.scenario in scenarios]
    if quick:
        runs = [run for run in runs if run.n <= QUICK_N]
    if sizes is not None:
        kept = [run for run in runs if run.n in sizes]
        new = sizes - {run.n for run in kept}
        names = {run.scenario for run in runs}
        kept += [
            Run(name, n, model) for name in sorted(names) for n in new for model in (None, 1.0)
        ]
        runs = kept
    return runs
