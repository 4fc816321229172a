"""PadChest: one table of films with their report in Spanish (https://bimcv.cipf.es/bimcv-projects/padchest/).

    PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv    also gzipped
    0/….png … 54/….png                                      films, or all of them beside the table

The owners published the reports as stems without sections ("sin hallazg patolog"). They are kept letter by letter, as
findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from explorer.corpora.base import Film, LeftOut, Options, Place, Source, Study, only_file, root_of, selected
from explorer.corpora.rows import Grouped, Row, rows
from explorer.corpora.sex import sex_of
from explorer.corpora.split import split_of_patient
from explorer.corpora.views import is_frontal, view_of
from explorer.types import Report, StudyMeta

NAME = "padchest"
TITLE = "PadChest, Hospital San Juan de Alicante"
LICENCE = "PadChest Dataset Research Use Agreement: not to be shared"
ATTRIBUTION = (
    "Bustos A, Pertusa A, Salinas JM, de la Iglesia-Vayá M. PadChest: a large chest x-ray image dataset with "
    "multi-label annotated reports. Med Image Anal 2020;66:101797."
)
_TABLE = "PADCHEST_chest_x_ray_images_labels_160K*.csv*"
_COLUMNS = (
    *("ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth"),
    *("PatientSex_DICOM", "Projection", "ReportID", "Report", "Labels"),
)
_LABEL = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def source(place: Place, options: Options) -> Source:
    """Return the corpus under `--root`. Raises CorpusMissing, CorpusError."""
    root = root_of(place, TITLE)
    studies = Grouped(rows(only_file(root, _TABLE, TITLE), _COLUMNS, "The table of PadChest"), by="StudyID")
    films = root if next(root.glob("*.png"), None) or next(root.glob("[0-9]*/"), None) else None
    items = _items(films, studies)
    return Source(NAME, TITLE, LICENCE, ATTRIBUTION, len(studies), selected(items, options))


def _items(films: Path | None, studies: Grouped) -> Iterator[Study | LeftOut]:
    for name, group in studies:
        study = f"{NAME}:{name}"
        if not name:
            yield from (LeftOut(study, row["ImageID"], "the film names no study") for row in group)
            continue
        texts = {row["Report"].strip() for row in group} - {""}
        if len(texts) > 1:
            yield LeftOut(study, name, "films with different reports: the first is taken")
        yield _study(study, group, films)


def _study(study: str, group: Sequence[Row], films: Path | None) -> Study:
    text = next(filter(None, (row["Report"].strip() for row in group)), "")
    views = [view_of(row["Projection"]) for row in group]
    meta = StudyMeta(
        age=_age(group[0]),
        views=tuple(view for view in views if view),
        films=len(group),
        codes=tuple(dict.fromkeys(label for row in group for label in _labels(row["Labels"]))),
        sex=sex_of(group[0]["PatientSex_DICOM"]),
    )
    shown = tuple(_film(row, view, films) for row, view in zip(group, views, strict=True))
    report = Report(study, NAME, {"findings": text} if text else {}, (), meta, LICENCE)
    return Study(report, split_of_patient(group[0]["PatientID"]), shown)


def _film(row: Row, view: str, folder: Path | None) -> Film:
    name = row["ImageID"]
    if folder is None:
        return Film(name, None, is_frontal(view))
    sorted_away = folder / row["ImageDir"] / name
    return Film(name, folder / name if (folder / name).is_file() else sorted_away, is_frontal(view))


def _labels(written: str) -> Iterator[str]:
    """Yield the labels of "['cardiomegaly', 'COPD signs']", blanks at their ends dropped, as the table has some."""
    for single, double in _LABEL.findall(written):
        if label := (single or double).strip():
            yield label


def _age(row: Row) -> int | None:
    """Return the age to within a year: of the birth only the year is published."""
    seen, born = row["StudyDate_DICOM"][:4], row["PatientBirth"][:4]
    if not (seen.isdecimal() and born.isdecimal()):
        return None
    age = int(seen) - int(born)
    return age if 0 <= age <= 120 else None
