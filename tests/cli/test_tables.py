"""Tables at every width: whole columns are left out, and nothing is cut."""

import pytest

from di_async.cli.tables import Column, Line, display_width, lay_out

ID = "6e008c8d-505d-46ee-b011-5f7ec7595d69"
COLUMNS: tuple[Column[None], ...] = (
    Column("name", str),
    Column("status", str, status=True),
    Column("region", str, minor=True),
    Column("gpus", str),
    Column("per hour", str, right=True),
    Column("id", str),
    Column("created", str, wide=True),
)
ROW = ["web", "active", "atl1", "1 x gpu-h100, 2 x gpu-mi300", "24.50 USD", ID, "2026-01-01"]


def texts(lines: list[Line]) -> list[str]:
    """Return lines as text."""
    return ["".join(piece.text for piece in line).rstrip() for line in lines]


def test_a_pipe_gets_everything() -> None:
    """Without a terminal, each row is one line with all columns."""
    titles, row = texts(lay_out(COLUMNS, [ROW], None))
    assert titles.split() == ["NAME", "STATUS", "REGION", "GPUS", "PER", "HOUR", "ID", "CREATED"]
    assert all(cell in row for cell in ROW)


@pytest.mark.parametrize("width", range(1, 150))
def test_cells_are_whole_or_absent(width: int) -> None:
    """The id is whole at any width; other cells are whole, broken at a comma, or left out."""
    lines = texts(lay_out(COLUMNS, [ROW], width))
    text = "\n".join(lines)
    assert ID in text
    assert all(len(line) <= max(width, len(ID)) for line in lines)
    words = {word for cell in ROW for word in cell.split()}
    assert set(" ".join(lines[1:]).split()) <= words


def test_less_important_columns_are_left_out_first() -> None:
    """Wide columns first, then minor ones."""
    shown = [texts(lay_out(COLUMNS, [ROW], width))[0].split() for width in (110, 95, 82)]
    assert "created" in shown[0] or "region" in shown[0]
    assert "created" not in shown[1]
    assert "region" not in shown[2]
    assert "gpus" in shown[2]


def test_a_sentence_that_does_not_fit_is_below_its_row() -> None:
    """A reason or an error is shown at any width; a row without one has no second line."""
    columns: tuple[Column[None], ...] = (Column("gpu", str), Column("reason", str, prose=True))
    rows = [["h100", "no room in this region"], ["a100", "-"]]
    wide = texts(lay_out(columns, rows, 40))
    assert wide == ["gpu   reason", "h100  no room in this region", "a100  -"]
    assert texts(lay_out(columns, rows, 20)) == [
        "gpu",
        "h100",
        "    no room in this",
        "      region",
        "a100",
    ]
    assert texts(lay_out(columns, rows, None))[1:] == wide[1:]


def test_lists_are_broken_at_commas() -> None:
    """Each item is on one line."""
    columns: tuple[Column[None], ...] = (Column("gpu", str), Column("id", str))
    lines = texts(lay_out(columns, [["aaaa,bbbb,cccc", "x"]], 12))
    assert [line.split() for line in lines[1:]] == [["aaaa,", "x"], ["bbbb,"], ["cccc"]]


def test_wide_characters_take_two_columns() -> None:
    """Columns stay aligned with names in any script."""
    assert [display_width(text) for text in ("ab", "\u4e16\u754c", "e\u0301")] == [2, 4, 1]


def test_an_id_that_is_wide_may_be_left_out() -> None:
    """As in `scan --all-providers`, where the other columns matter more."""
    columns: tuple[Column[None], ...] = (Column("name", str), Column("id", str, wide=True))
    assert texts(lay_out(columns, [["web", ID]], 20))[0].split() == ["name"]
