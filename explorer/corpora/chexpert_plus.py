"""CheXpert Plus: one table of films with the sections of their report (https://arxiv.org/abs/2405.19538).

df_chexpert_plus_240401.csv
PNG/train/patient42142/study5/view1_frontal.png    or train/….jpg, or DICOM/train/….dcm, as it was downloaded
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from explorer.corpora.base import Film, LeftOut, Options, Place, Source, Study, only_file, root_of, selected
from explorer.corpora.rows import Grouped, Row, rows, years
from explorer.corpora.sections import SectionRule, tidy, unmarked
from explorer.corpora.sex import sex_of
from explorer.corpora.split import Split
from explorer.corpora.views import view_of
from explorer.types import Report, StudyMeta

NAME = "chexpert-plus"
TITLE = "CheXpert Plus"
LICENCE = "Stanford University Dataset Research Use Agreement: not to be shared"
ATTRIBUTION = (
    "Chambon P, Delbrouck JB, Sounack T, et al. CheXpert Plus: augmenting a large chest X-ray dataset with text "
    "radiology reports, patient demographics and additional image formats. arXiv 2405.19538, 2024."
)
_TABLE = "df_chexpert_plus_*.csv*"
_SECTIONS = {  # ours → theirs, the first that has text counts
    "findings": ("section_findings",),
    "impression": ("section_impression",),
    "indication": ("section_clinical_history", "section_history"),
    "comparison": ("section_comparison",),
}
_COLUMNS = (
    *("path_to_image", "path_to_dcm", "frontal_lateral", "ap_pa", "report", "age", "sex", "split"),
    *(name for names in _SECTIONS.values() for name in names),
)
_STUDY = re.compile(r"(patient\d+)/(study\d+)/")
_SPLITS: dict[str, Split] = {"train": "train", "valid": "validation", "test": "test"}
_TREES = ("PNG", "DICOM", "train", "valid")  # any of them says that films are on this machine


def source(place: Place, options: Options) -> Source:
    """Return the corpus under `--root`. Raises CorpusMissing, CorpusError."""
    root = root_of(place, TITLE)
    table = only_file(root, _TABLE, TITLE)
    studies = Grouped(_with_study(rows(table, _COLUMNS, "The table of CheXpert Plus")), by="study")
    films = root if any((root / name).is_dir() for name in _TREES) else None
    items = _items(films, studies, options.sections)
    return Source(NAME, TITLE, LICENCE, ATTRIBUTION, len(studies), selected(items, options))


def _with_study(table: Iterator[Row]) -> Iterator[Row]:
    for number, row in enumerate(table, 1):
        found = _STUDY.search(row["path_to_image"])
        yield {**row, "study": f"{found[1]}-{found[2]}" if found else f"row {number}"}


def _items(films: Path | None, studies: Grouped, rule: SectionRule) -> Iterator[Study | LeftOut]:
    for name, group in studies:
        study = f"{NAME}:{name}"
        if name.startswith("row "):
            yield LeftOut(study, name, "the row names no study")
            continue
        if len({row["report"] for row in group}) > 1:
            yield LeftOut(study, name, "films with different reports: the first is taken")
        yield _study(study, group, films, rule)


def _study(study: str, group: Sequence[Row], films: Path | None, rule: SectionRule) -> Study:
    views = tuple(view for row in group if (view := _view(row)))
    first = group[0]
    meta = StudyMeta(age=years(first["age"]), views=views, films=len(group), sex=sex_of(first["sex"]))
    report = Report(study, NAME, _sections(first, rule), (), meta, LICENCE)
    split = _SPLITS.get(first["split"], "train")
    return Study(report, split, tuple(_film(row, films) for row in group))


def _sections(row: Row, rule: SectionRule) -> dict[str, str]:
    texts = {ours: next(filter(None, (tidy(row[name]) for name in theirs)), "") for ours, theirs in _SECTIONS.items()}
    found = {name: text for name, text in texts.items() if text}
    return found if found.keys() & {"findings", "impression"} else {**found, **unmarked(row["report"], rule)}


def _view(row: Row) -> str:
    return "LATERAL" if row["frontal_lateral"] == "Lateral" else view_of(row["ap_pa"])


def _film(row: Row, folder: Path | None) -> Film:
    written = row["path_to_image"]
    frontal = row["frontal_lateral"] == "Frontal"
    if folder is None:
        return Film(written, None, frontal)
    paths = (folder / "PNG" / Path(written).with_suffix(".png"), folder / "DICOM" / row["path_to_dcm"])
    return Film(written, next((path for path in paths if path.is_file()), folder / written), frontal)
