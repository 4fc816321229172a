"""Any CSV, TSV (also gzipped) or Parquet file whose columns a small TOML file names.

name = "our-hospital"                   # for --corpus; small letters, digits, hyphens
title = "Our hospital, 2015 to 2024"    # for the screen
licence = "internal use"                # shown with every report
attribution = "Radiology, our hospital"
file = "reports.csv"                    # in --root; or .tsv, .csv.gz, .parquet

[columns]                               # ours = "theirs"; only `study` and one text are needed
study = "accession"
report = "text"                         # whole reports with headings; or findings, impression
indication = "reason"
comparison = "prior"
patient = "pid"                         # decides the split; without it, the study does
split = "fold"                          # "train", "validation", "test": instead of one drawn by patient
age = "age"
sex = "gender"                          # F or M, or in words
view = "projection"                     # PA, AP, LATERAL, …: one row for each film of a study
film = "png"                            # path from --root
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from explorer.corpora import READERS
from explorer.corpora.base import Film, LeftOut, Options, Place, Source, Study, root_of, selected
from explorer.corpora.rows import Grouped, Row, rows, years
from explorer.corpora.sections import SectionRule, by_headings, tidy
from explorer.corpora.sex import sex_of
from explorer.corpora.split import Split, split_of_patient
from explorer.corpora.views import is_frontal, view_of
from explorer.errors import CorpusError, CorpusMissing
from explorer.types import Report, StudyMeta

NAME = "table"
_SECTIONS = ("findings", "impression", "indication", "comparison")
_TEXTS = {"report", "findings", "impression"}
_COLUMNS = {*_SECTIONS, "study", "report", "patient", "split", "age", "sex", "view", "film"}
_WORDS = ("title", "licence", "attribution", "file")
_FILES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
_SPLITS: dict[str, Split] = {name: name for name in get_args(Split)} | {"validate": "validation", "valid": "validation"}


@dataclass(frozen=True)
class Mapped:
    """What a mapping file says."""

    name: str
    title: str
    licence: str
    attribution: str
    file: str
    columns: Mapping[str, str]  # ours → theirs


def source(place: Place, options: Options) -> Source:
    """Return the corpus that `--mapping` describes. Raises CorpusMissing, CorpusError."""
    mapped = read_mapping(place.mapping)
    root = root_of(place, "the table")
    if options.views == "frontal" and "view" not in mapped.columns:
        raise _unfit("[columns] needs `view` to tell frontal films")
    ours = _named(rows(root / mapped.file, tuple(mapped.columns.values()), "The table"), mapped.columns)
    studies = Grouped(ours, by="study")
    items = _items(studies, mapped, root, options.sections)
    return Source(mapped.name, mapped.title, mapped.licence, mapped.attribution, len(studies), selected(items, options))


def read_mapping(path: Path | None) -> Mapped:
    """Return a mapping file as checked. Raises CorpusMissing if none is named, CorpusError if it does not fit."""
    if path is None:
        raise CorpusMissing("Say which column is which: --mapping FILE. The README shows one.")
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorpusMissing(f"The mapping file cannot be opened: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError("The mapping file is no TOML. The README shows one.") from error
    return _checked(said)


def _checked(said: Mapping[str, Any]) -> Mapped:
    name, columns = said.get("name", NAME), said.get("columns")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        raise _unfit("`name` is small letters, digits and hyphens, at most 40")
    if name in READERS and name != NAME:
        raise _unfit(f"`name` is taken by the reader {name!r}; choose another")
    if not isinstance(columns, dict) or not all(isinstance(theirs, str) for theirs in columns.values()):
        raise _unfit("it needs a table [columns] of names")
    if unknown := columns.keys() - _COLUMNS:
        raise _unfit(f"there is no column {', '.join(sorted(unknown))}; known: {', '.join(sorted(_COLUMNS))}")
    if "study" not in columns or not columns.keys() & _TEXTS:
        raise _unfit("[columns] needs `study`, and `report`, `findings` or `impression`")
    words = {word: said.get(word) for word in _WORDS}
    if absent := [word for word, value in words.items() if not isinstance(value, str) or not value.strip()]:
        raise _unfit(f"it does not say {', '.join(absent)}")
    if not str(words["file"]).endswith(_FILES):
        raise _unfit("`file` is a .csv or .tsv, also gzipped, or a .parquet; save spreadsheets as one of them")
    return Mapped(name=name, columns=columns, **{word: str(value) for word, value in words.items()})


def _unfit(why: str) -> CorpusError:
    return CorpusError(f"The mapping file does not fit: {why}.")


def _named(table: Iterator[Row], columns: Mapping[str, str]) -> Iterator[Row]:
    """Yield the rows under our names. One without a study gets its number for a name, with a blank no study has."""
    for number, row in enumerate(table, 1):
        named = {ours: row[theirs].strip() for ours, theirs in columns.items()}
        yield {**named, "study": named["study"] or f" row {number}"}


def _items(studies: Grouped, mapped: Mapped, root: Path, rule: SectionRule) -> Iterator[Study | LeftOut]:
    for name, group in studies:
        study = f"{mapped.name}:{name}"
        if name.startswith(" "):
            yield LeftOut(study, name.strip(), "the row names no study")
            continue
        texts = [text for row in group if (text := {part: row[part] for part in _TEXTS & row.keys() if row[part]})]
        if any(text != texts[0] for text in texts):
            yield LeftOut(study, name, "rows with different reports: the first is taken")
        written = group[0].get("split", "")
        if written and written.lower() not in _SPLITS:
            yield LeftOut(study, name, "in a split that is none of train, validation, test")
            continue
        yield _study(study, group, mapped, root, rule)


def _study(study: str, group: Sequence[Row], mapped: Mapped, root: Path, rule: SectionRule) -> Study:
    first = next((row for row in group if any(row.get(part) for part in _TEXTS)), group[0])
    views = [view_of(row.get("view", "")) for row in group]
    films = tuple(
        Film(row["film"], root / row["film"], is_frontal(view))
        for row, view in zip(group, views, strict=True)
        if row.get("film")
    )
    meta = StudyMeta(
        age=years(first.get("age", "")),
        views=tuple(view for view in views if view),
        films=len(films),
        sex=sex_of(first.get("sex", "")),
    )
    report = Report(study, mapped.name, _sections(first, rule), (), meta, mapped.licence)
    return Study(report, _split(group[0]), films)


def _sections(row: Row, rule: SectionRule) -> dict[str, str]:
    """Columns of their own win over headings in a whole report."""
    marked = by_headings(row["report"], rule) if row.get("report") else {}
    columns = {name: tidy(row[name]) for name in _SECTIONS if row.get(name)}
    return {**({} if columns.keys() & {"findings", "impression"} else marked), **columns}


def _split(row: Row) -> Split:
    published = _SPLITS.get(row.get("split", "").lower())
    return published or split_of_patient(row.get("patient") or row["study"])
