"""A package of made-up reports in the layout of the one that carries Open-I, small enough to train on in a blink."""

from __future__ import annotations

import gzip
import io
import tarfile
from itertools import product
from pathlib import Path

SIDES, SIZES = ("left", "right"), ("small", "moderate", "large", "tiny", "layering")
SEEN = {  # expert code → words
    "normal": "no finding",
    "Pleural Effusion": "pleural effusion",
    "Cardiomegaly": "heart shadow beyond the midline",
    "Opacity": "patch of density",
}
WHERE = ("at the base", "near the apex", "behind the heart", "along the fissure")


def write_package(folder: Path) -> None:
    """Write `torchxrayvision` as a package whose data are made up; its code is empty."""
    data = folder / "torchxrayvision" / "data"
    data.mkdir(parents=True)
    (folder / "torchxrayvision" / "__init__.py").write_text("")
    with tarfile.open(data / "NLMCXR_reports.tgz", "w:gz") as archive:
        for number, said in enumerate(product(WHERE, SIZES, SIDES, SEEN.items()), start=1):
            content = _report(number, *said).encode()
            member = tarfile.TarInfo(f"reports/{number}.xml")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with gzip.open(data / "nlmcxr_dicom_metadata.csv.gz", "wt") as table:
        table.write("imageid,View Position,Patient's Birth Date,Study Date,Instance Creation Date\n")


def _report(number: int, where: str, size: str, side: str, seen: tuple[str, str]) -> str:
    code, words = seen
    findings = f"There is {size} {words} on the {side} {where}. The trachea is in the midline."
    impression = f"{size.title()} {side} {words} {where}."
    return f"""<eCitation><uId id="CXR{number}"/><Abstract>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">{impression}</AbstractText>
</Abstract><MeSH><major>{code}</major></MeSH></eCitation>"""
