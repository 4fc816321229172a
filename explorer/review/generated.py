"""Reports that other systems generated, from a JSONL file: `{"study_id": …, "model": …, "report": …}` a line.

The file comes from outside. It is read whole and checked line by line; a single line that is not right refuses it, so
that nothing is half-imported. Studies the corpus does not have are listed, and take no part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from explorer.errors import BadReview

MOST_BYTES = 8 * 2**20
MOST_ROWS = 20_000
LONGEST_REPORT = 10_000  # characters
LONGEST_MODEL = 60
_FIELDS = frozenset({"study_id", "model", "report"})
_NAMED = 5  # lines that are named where more are wrong


@dataclass(frozen=True)
class Generated:
    """One generated report."""

    study: str  # an id of the corpus
    model: str
    text: str


@dataclass(frozen=True)
class Imported:
    """A file of generated reports, as far as the corpus has their studies."""

    rows: tuple[Generated, ...]
    unknown: tuple[str, ...]  # study ids the corpus does not have, in order, each once

    @property
    def models(self) -> tuple[str, ...]:
        """Return the generators, in order of their names."""
        return tuple(sorted({row.model for row in self.rows}))

    def of(self, study: str) -> tuple[Generated, ...]:
        """Return the reports generated for a study."""
        return tuple(row for row in self.rows if row.study == study)


def read_generated(data: bytes, known: Set[str], source: str) -> Imported:
    """Read a file of generated reports.

    Args:
        data: JSON lines in UTF-8; empty lines are overlooked.
        known: the ids of the corpus; `source` may be left out of an id in the file ("1234" for "openi:1234").
        source: what ids of the corpus begin with.

    Raises:
        BadReview: the file is too large, or some line of it is not right; the message names the first such lines.
    """
    if len(data) > MOST_BYTES:
        raise BadReview(f"The file has more than {MOST_BYTES // 2**20} MB. Import fewer reports.")
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise BadReview("The file is not text in UTF-8. Save it as JSON lines in UTF-8.") from error
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not 1 <= len(filled) <= MOST_ROWS:
        raise BadReview(f"The file has {len(filled):,} rows; 1 to {MOST_ROWS:,} can be imported.")
    rows = list(_read(filled))
    placed = [(_placed(row.study, known, source), row) for row in rows]
    found = tuple(Generated(study, row.model, row.text) for study, row in placed if study)
    return Imported(found, tuple(dict.fromkeys(row.study for study, row in placed if not study)))


def _read(lines: list[tuple[int, str]]) -> Iterator[Generated]:
    """Yield the rows. Raises BadReview after all lines were looked at, if any is not right."""
    wrong: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in lines:
        try:
            row = _row(json.loads(line))
        except (ValueError, RecursionError) as error:
            wrong.append(f"line {number}: {error if type(error) is ValueError else 'no JSON'}")
            continue
        if (first := seen.setdefault((row.study, row.model), number)) != number:
            wrong.append(f"line {number}: the same study and model as line {first}")
        yield row
    if wrong:
        more = f", and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise BadReview(f"Nothing was imported. {'; '.join(wrong[:_NAMED])}{more}.")


def _row(raw: object) -> Generated:
    if not isinstance(raw, Mapping) or raw.keys() != _FIELDS:
        raise ValueError("not an object of study_id, model and report")
    study, model, text = (
        " ".join(raw["study_id"].split()) if isinstance(raw["study_id"], str) else raw["study_id"],
        raw["model"],
        raw["report"],
    )
    if isinstance(study, int):
        study = str(study)
    if not all(isinstance(value, str) and value.strip() for value in (study, model, text)):
        raise ValueError("an empty field, or one that is no text")
    if len(model) > LONGEST_MODEL or len(study) > LONGEST_MODEL or not (model + study).isprintable():
        raise ValueError(f"a name of more than {LONGEST_MODEL} letters, or with signs that are none")
    if len(text) > LONGEST_REPORT:
        raise ValueError(f"a report of more than {LONGEST_REPORT:,} characters")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("characters that are not text")
    return Generated(study, model.strip(), text.strip())


def _placed(study: str, known: Set[str], source: str) -> str:
    """Return the id as the corpus has it, "" if it has none."""
    return next((one for one in (study, f"{source}:{study}") if one in known), "")
