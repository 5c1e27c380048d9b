"""Tests of the scan benchmark's arithmetic."""

from benchmarks.scan import rows_of


def test_targets_are_compared_with_medians() -> None:
    """Targets are compared with medians over rounds: one odd round changes nothing."""
    seconds = {"ours": [1.0, 1.0, 9.0], "raw": [0.8, 0.9, 1.0], "pydo": [6.0, 6.0, 6.0]}
    figures = {row.metric: (row.value, row.ok) for row in rows_of(seconds, "scan")}
    assert figures["ours_s"] == (1.0, None)
    assert figures["times_faster_than_pydo"] == (6.0, True)
    assert figures["times_as_long_as_raw"] == (1.25, True)
