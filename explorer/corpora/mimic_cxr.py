"""MIMIC-CXR: the tree of reports of MIMIC-CXR, beside it the films and tables of MIMIC-CXR-JPG.

    files/p10/p10000032/s50414267.txt                       reports: https://physionet.org/content/mimic-cxr/
    files/p10/p10000032/s50414267/02aa804e-….jpg            films: https://physionet.org/content/mimic-cxr-jpg/
    mimic-cxr-2.0.0-metadata.csv.gz, -split.csv.gz, -chexpert.csv.gz

The archive of reports may also lie unpacked in `mimic-cxr-reports/`. Without the tables a study has no view, no codes,
and the split of its patient is drawn here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.corpora.base import Film, LeftOut, Options, Place, Source, Study, root_of, selected
from explorer.corpora.rows import Grouped, Row, rows
from explorer.corpora.sections import SectionRule, by_headings
from explorer.corpora.split import Split, split_of_patient
from explorer.corpora.views import is_frontal, view_of
from explorer.errors import CorpusMissing
from explorer.types import Report, StudyMeta

NAME = "mimic-cxr"
TITLE = "MIMIC-CXR"
LICENCE = "PhysioNet Credentialed Health Data License 1.5.0: not to be shared"
ATTRIBUTION = (
    "Johnson AEW, Pollard TJ, Berkowitz SJ, et al. MIMIC-CXR, a de-identified publicly available database of chest "
    "radiographs with free-text reports. Sci Data 2019;6:317."
)
LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
_STATUS = {"1.0": "{}", "0.0": "{} (absent)", "-1.0": "{} (uncertain)"}
_SPLITS: dict[str, Split] = {"train": "train", "validate": "validation", "test": "test"}
_COLUMNS = {
    "metadata": ("dicom_id", "subject_id", "study_id", "ViewPosition"),
    "split": ("study_id", "split"),
    "chexpert": ("study_id", *LABELS),
}


@dataclass(frozen=True)
class _Tables:
    """The tables of MIMIC-CXR-JPG by study; None for one that is not there."""

    metadata: Grouped | None
    split: Grouped | None
    chexpert: Grouped | None


def source(place: Place, options: Options) -> Source:
    """Return the corpus under `--root`. Raises CorpusMissing, CorpusError."""
    root = root_of(place, TITLE)
    reports = _reports_folder(root)
    tables = _Tables(*(_table(root, name) for name in ("metadata", "split", "chexpert")))
    if options.views == "frontal" and tables.metadata is None:
        raise CorpusMissing(
            f"Frontal films are told by {_file_name('metadata')} of MIMIC-CXR-JPG. Put it in --root, or take any view."
        )
    total = sum(1 for _ in _report_files(reports))
    films = root / "files" if _has_films(root / "files") else None
    items = _items(films, reports, tables, options.sections)
    return Source(NAME, TITLE, LICENCE, ATTRIBUTION, total, selected(items, options))


def _reports_folder(root: Path) -> Path:
    for folder in (root / "mimic-cxr-reports" / "files", root / "files"):
        if folder.is_dir():
            return folder
    raise CorpusMissing(
        "No reports of MIMIC-CXR are there: --root names the folder that holds files/p10 to files/p19, unpacked "
        "from mimic-cxr-reports.zip."
    )


def _report_files(folder: Path) -> Iterator[Path]:
    """Yield every report, by patient and study, without holding their names."""
    for group in _folders(folder, 3):
        for patient in _folders(group, 9):
            names = sorted(entry.name for entry in os.scandir(patient) if entry.name.endswith(".txt"))
            yield from (patient / name for name in names if name.startswith("s"))


def _has_films(folder: Path) -> bool:
    """Return whether films of any patient lie beside the reports: then one that does not is missing."""
    patients = (patient for group in _folders(folder, 3) for patient in _folders(group, 9)) if folder.is_dir() else ()
    return any(entry.is_dir() for patient in patients for entry in os.scandir(patient))


def _folders(parent: Path, length: int) -> list[Path]:
    names = (entry.name for entry in os.scandir(parent) if entry.is_dir())
    return [parent / name for name in sorted(names) if name.startswith("p") and len(name) == length]


def _file_name(table: str) -> str:
    return f"mimic-cxr-2.0.0-{table}.csv.gz"


def _table(root: Path, name: str) -> Grouped | None:
    path = root / _file_name(name)
    return Grouped(rows(path, _COLUMNS[name], _file_name(name)), by="study_id") if path.is_file() else None


def _items(films: Path | None, reports: Path, tables: _Tables, rule: SectionRule) -> Iterator[Study | LeftOut]:
    for path in _report_files(reports):
        yield _study(films, path, tables, rule)
    for number, listed in tables.metadata or ():
        if not (reports / _folder_of(listed[0]["subject_id"]) / f"s{number}.txt").is_file():
            yield LeftOut(f"{NAME}:{number}", f"s{number}.txt", "films without a report")


def _study(films: Path | None, path: Path, tables: _Tables, rule: SectionRule) -> Study | LeftOut:
    number, patient = path.stem[1:], path.parent.name[1:]
    study = f"{NAME}:{number}"
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError:
        return LeftOut(study, path.name, "the report cannot be opened")
    except UnicodeDecodeError:
        return LeftOut(study, path.name, "the report is no text in UTF-8")
    if not text.strip():
        return LeftOut(study, path.name, "the report is empty")
    known = tables.metadata.of(number) if tables.metadata else []
    views = [view_of(row["ViewPosition"]) for row in known]
    codes = _codes(tables.chexpert.of(number) if tables.chexpert else ())
    meta = StudyMeta(views=tuple(view for view in views if view), films=len(known), codes=codes)
    report = Report(study, NAME, by_headings(text, rule), (), meta, LICENCE)
    shown = tuple(_film(films, row, view) for row, view in zip(known, views, strict=True))
    return Study(report, _split(tables, number, patient), shown)


def _film(folder: Path | None, row: Row, view: str) -> Film:
    name = f"{row['dicom_id']}.jpg"
    path = folder / _folder_of(row["subject_id"]) / f"s{row['study_id']}" / name if folder else None
    return Film(name, path, is_frontal(view))


def _folder_of(patient: str) -> str:
    return f"p{patient[:2]}/p{patient}"


def _codes(labels: Sequence[Row]) -> tuple[str, ...]:
    return tuple(_STATUS[row[label]].format(label) for row in labels for label in LABELS if row[label] in _STATUS)


def _split(tables: _Tables, number: str, patient: str) -> Split:
    published = [
        _SPLITS[row["split"]] for row in (tables.split.of(number) if tables.split else ()) if row["split"] in _SPLITS
    ]
    return published[0] if published else split_of_patient(patient)
