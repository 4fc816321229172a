"""NIH ChestX-ray14: films and labels, no reports (https://nihcc.app.box.com/v/ChestXray-NIHCC).

    Data_Entry_2017_v2020.csv                           also gzipped; or the first Data_Entry_2017.csv
    train_val_list.txt, test_list.txt                   the published split, by patient
    images/00000001_000.png                             or images_001/images/… to images_012/images/…

A film is a study here. All of them are listed as having no report: they can be counted and trained on, not searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from explorer.corpora.base import Film, LeftOut, Options, Place, Source, Study, only_file, root_of, selected
from explorer.corpora.rows import Row, rows, years
from explorer.corpora.sex import sex_of
from explorer.corpora.split import Split, split_of_patient
from explorer.corpora.views import is_frontal, view_of
from explorer.errors import CorpusError
from explorer.types import Report, StudyMeta

NAME = "nih-cxr14"
TITLE = "NIH ChestX-ray14"
LICENCE = "NIH Clinical Center: free use, with citation"
ATTRIBUTION = (
    "Wang X, Peng Y, Lu L, Lu Z, Bagheri M, Summers RM. ChestX-ray8: hospital-scale chest X-ray database and "
    "benchmarks. CVPR 2017."
)
_TABLE = "Data_Entry_2017*.csv*"
_TESTED = "test_list.txt"
_COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")


def source(place: Place, options: Options) -> Source:
    """Return the corpus under `--root`. Raises CorpusMissing, CorpusError."""
    root = root_of(place, TITLE)
    table = only_file(root, _TABLE, TITLE)
    total = sum(1 for _ in _rows(table))
    items = _items(table, _tested(root), _film_folders(root))
    return Source(NAME, TITLE, LICENCE, ATTRIBUTION, total, selected(items, options))


def _rows(table: Path) -> Iterator[Row]:
    return rows(table, _COLUMNS, "The table of NIH ChestX-ray14")


def _film_folders(root: Path) -> tuple[Path, ...]:
    folders = (root / "images", *sorted(root.glob("images_*/images")))
    return tuple(folder for folder in folders if folder.is_dir())


def _tested(root: Path) -> frozenset[str] | None:
    """Return the films of the published test split; None if its list is not there."""
    try:
        return frozenset((root / _TESTED).read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{_TESTED} cannot be read. Download it again.") from error


def _items(table: Path, tested: frozenset[str] | None, folders: Sequence[Path]) -> Iterator[Study | LeftOut]:
    for row in _rows(table):
        name = row["Image Index"]
        view = view_of(row["View Position"])
        meta = StudyMeta(
            age=years(row["Patient Age"]),
            views=(view,) if view else (),
            films=1,
            codes=tuple(filter(None, row["Finding Labels"].split("|"))),
            sex=sex_of(row["Patient Gender"]),
        )
        report = Report(f"{NAME}:{Path(name).stem}", NAME, {}, (), meta, LICENCE)
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        missing = folders[0] / name if folders else None
        yield Study(report, _split(row, tested), (Film(name, path or missing, is_frontal(view)),))


def _split(row: Row, tested: frozenset[str] | None) -> Split:
    drawn = split_of_patient(row["Patient ID"])
    if tested is None:
        return drawn
    if row["Image Index"] in tested:
        return "test"
    return "validation" if drawn == "validation" else "train"
