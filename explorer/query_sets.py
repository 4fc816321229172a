"""Many queries at once: pasted, one a line, or the abbreviated notes of Task 4."""

from __future__ import annotations

import csv
from pathlib import Path

from explorer.errors import BadQuery, Damaged

NOTES = Path(__file__).resolve().parents[1] / "assets" / "tasks" / "abbreviated_notes.tsv"
MOST = 500  # queries of one set


def read_queries(text: str) -> tuple[str, ...]:
    """Return the different queries of a text, one a line, without blank lines. Raises BadQuery for none or too many."""
    queries = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not queries:
        raise BadQuery("There is no query in the set. Paste some, one a line.")
    if len(queries) > MOST:
        raise BadQuery(f"The set has {len(queries):,} queries; at most {MOST} are asked at once. Leave some out.")
    return queries


def task_notes(file: Path = NOTES) -> tuple[str, ...]:
    """Return the short forms of Task 4's notes in the file's order. Raises Damaged if they cannot be read."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            kept = (line for line in lines if not line.startswith("#"))
            rows = csv.DictReader(kept, delimiter="\t", quoting=csv.QUOTE_NONE)
            return tuple(row["short"] for row in rows)
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise Damaged("The abbreviated notes of Task 4 cannot be read. Restore assets/tasks.") from error
