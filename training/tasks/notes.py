"""The abbreviated notes of Task 4: short forms as typed in a hospital, each with what it says in full.

They stand in for the clinical notes with expert expansions of the paper's Task 4, which this project lacks. They are
for evaluation only: nothing that trains may read them.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.interfaces import CxrError

NOTES = Path(__file__).resolve().parents[2] / "assets" / "tasks" / "abbreviated_notes.tsv"
STYLES = ("telegraphic", "mixed", "impression", "indication")
_COLUMNS = ["id", "style", "short", "long"]
_REPAIR = "Restore the file from the repository."


@dataclass(frozen=True)
class Note:
    """A note as typed, and the same in a radiologist's full sentences."""

    id: str  # "note-001"
    style: str  # one of STYLES
    short: str  # the query
    long: str  # the document that answers it, and no other note's


def read_notes(file: Path = NOTES) -> tuple[Note, ...]:
    """Return the notes in the file's order; lines that start with "#" are comments.

    Raises:
        CxrError: the file is missing or not UTF-8, a column is missing, a cell is empty, a style is unknown, or two
            notes share their id, their short form or their long form (but for case and spaces).
    """
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise CxrError(f"The abbreviated notes of Task 4 cannot be read. {_REPAIR}") from error
    header, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if lines else [[]]
    if header != _COLUMNS or not rows:
        raise CxrError(f"The abbreviated notes need the columns {', '.join(_COLUMNS)} and at least one note. {_REPAIR}")
    notes = tuple(_note(row, number) for number, row in enumerate(rows, start=1))
    for column in ("id", "short", "long"):
        _refuse_repeats(column, [getattr(note, column) for note in notes])
    return notes


def _note(cells: Sequence[str], number: int) -> Note:
    if len(cells) != len(_COLUMNS) or not all(cell.strip() for cell in cells):
        raise CxrError(f"Abbreviated note {number} has an empty, missing or surplus cell. {_REPAIR}")
    note = Note(*cells)
    if note.style not in STYLES:
        raise CxrError(f"Abbreviated note {number} has a style other than {', '.join(STYLES)}. {_REPAIR}")
    return note


def _refuse_repeats(column: str, cells: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for number, cell in enumerate(cells, start=1):
        first = seen.setdefault(" ".join(cell.casefold().split()), number)
        if first != number:
            raise CxrError(f"Abbreviated notes {first} and {number} have the same {column}. {_REPAIR}")
