"""The scan benchmark's own arithmetic."""

from benchmarks.scan import rows_of


def test_targets_are_held_against_medians_of_rounds() -> None:
    """Each round's ways are compared with each other; one odd round changes nothing."""
    seconds = {"ours": [1.0, 1.0, 9.0], "raw": [0.8, 0.9, 1.0], "pydo": [6.0, 6.0, 6.0]}
    told = {row.metric: (row.value, row.ok) for row in rows_of(seconds, "scan")}
    assert told["ours_s"] == (1.0, None)
    assert told["times_faster_than_pydo"] == (6.0, True)
    assert told["times_as_long_as_raw"] == (1.25, True)
