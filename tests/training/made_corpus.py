"""A package of made-up reports in the layout of the one that carries Open-I, small enough to train on in a blink."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

SIDES, SIZES = ("left", "right"), ("small", "moderate", "large", "tiny", "layering")
SEEN = {  # expert code → words
    "normal": "no finding",
    "Pleural Effusion": "pleural effusion",
    "Cardiomegaly": "heart shadow beyond the midline",
    "Opacity": "patch of density",
}
WHERE = ("at the base", "near the apex", "behind the heart", "along the fissure", "below the hilum")
COMPARED = ("", " This is unchanged.", " It has increased since the prior film.")
ASKED = ("SOB.", "Chest pain. Evaluate for pneumothorax.", "Fever.")


@dataclass(frozen=True)
class Made:
    """A made-up study; its number is that of Open-I's studies, which decides its split."""

    number: int
    findings: str
    impression: str
    indication: str
    code: str


def studies() -> Iterator[Made]:
    """Yield all studies there are."""
    for number, (where, size, side, (code, words)) in enumerate(product(WHERE, SIZES, SIDES, SEEN.items()), start=1):
        findings = f"There is {size} {words} on the {side} {where}. The trachea is in the midline."
        impression = f"{size.title()} {side} {words} {where}."
        yield Made(number, findings + COMPARED[number % 3], impression, ASKED[number // 3 % 3], code)


def write_package(folder: Path) -> None:
    """Write `torchxrayvision` as a package whose data are made up; its code is empty."""
    data = folder / "torchxrayvision" / "data"
    data.mkdir(parents=True)
    (folder / "torchxrayvision" / "__init__.py").write_text("")
    with tarfile.open(data / "NLMCXR_reports.tgz", "w:gz") as archive:
        for study in studies():
            content = _report(study).encode()
            member = tarfile.TarInfo(f"reports/{study.number}.xml")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with gzip.open(data / "nlmcxr_dicom_metadata.csv.gz", "wt") as table:
        table.write("imageid,View Position,Patient's Birth Date,Study Date,Instance Creation Date\n")


def _report(study: Made) -> str:
    return f"""<eCitation><uId id="CXR{study.number}"/><Abstract>
<AbstractText Label="INDICATION">{study.indication}</AbstractText>
<AbstractText Label="FINDINGS">{study.findings}</AbstractText>
<AbstractText Label="IMPRESSION">{study.impression}</AbstractText>
</Abstract><MeSH><major>{study.code}</major></MeSH></eCitation>"""
