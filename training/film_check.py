"""Measure which pictures an image tower knows, and how often it is warned of those it must not take for a film.

    CXR_IMAGES=… python -m training.film_check [--tower assets/pocket]

Writes `film_check` beside the towers, which holds for exactly these weights: run it again after each training of the
image tower. Training patients teach the head and, each left out in turn, set the limit together with the choosing
patients. All rates are of other patients and of pictures that decided nothing, except that the number of axes was
chosen once with the same sets in view; lateral films of training patients are judged by what was made without them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from explorer.errors import IntakeError
from explorer.intake.decode import decode
from explorer.settings import Limits
from models.checkpoint import digest_of_tensors, open_checkpoint
from models.dual import FilmEncoder, image_tower
from models.film_check import FILM_CHECK, FRONTAL, LIMIT, Measurements, judged, known_films, save_known_films
from models.interfaces import CxrError, Likeness, TowerError, Vectors, WeightsMissing
from models.registry import ASSETS, load_dual
from training.datasets import FilmSplit, film_split, films, images_folder
from training.film_kinds import Examples, OutOfFold, measured, out_of_fold
from training.tables import ROOT, readme_with

SECURITY = ROOT / "SECURITY.md"
AXES = 64
AT_ONCE = 64  # films in memory
SMALLEST = 64  # pixels; smaller pictures in the test data of packages are test patterns, not pictures
SOURCES = ("nih_cxr14", "covid_chestxray", "hannover_covid")
DICOM_PACKAGES, PHOTO_PACKAGES = ("pydicom", "data_store"), ("gradio", "matplotlib", "sklearn")
KINDS = {"Computed tomography": "CT slices", "Magnetic resonance": "MR slices", "Ultrasound": "ultrasound"}

Film = NDArray[np.uint8]
Named = tuple[str, Film]
Turn = Callable[[Film], Film]


def turned_by(quarters: int) -> Turn:
    """Return a turn by so many quarters."""
    return lambda film: np.ascontiguousarray(np.rot90(film, quarters))


def inverted(film: Film) -> Film:
    """Return the negative of a film."""
    return np.asarray(255 - film, np.uint8)


LATERAL = "a lateral film"
TURNS: tuple[tuple[str, Turn], ...] = (
    ("a film upside down", turned_by(2)),
    ("a film on its side", turned_by(1)),
    ("a film on its side", turned_by(3)),
    ("a film inverted", inverted),
)
EVERY = 12  # of so many training films one is shown in each turn
LONGEST_KIND = 32  # characters


@dataclass(frozen=True)
class Rate:
    """How many pictures of a kind are called unlike chest films."""

    kind: str
    cautioned: int
    n: int

    def line(self) -> str:
        """Return it for a terminal."""
        return f"{self.kind:<44} {self.cautioned:>4} of {self.n:<4} {self.share()}"

    def share(self) -> str:
        """Return the rate with its 95 % interval."""
        low, high = wilson(self.cautioned, self.n)
        return f"{self.cautioned / self.n:.3f} ({low:.3f}–{high:.3f})"


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="Which pictures an image tower knows.")
    parser.add_argument("--tower", type=Path, default=ASSETS / "pocket", help="folder of the trained towers")
    tower = parser.parse_args().tower
    try:
        rates = make(tower)
        if tower.resolve() == (ASSETS / "pocket").resolve():
            rewrite_security()
    except CxrError as error:
        sys.exit(str(error))
    print(f"cautioned beyond the {LIMIT:.0%} quantile of held-out films:")
    print("\n".join(rate.line() for rate in rates))


def make(tower: Path) -> list[Rate]:
    """Measure a trained tower, write what was measured beside it, and return the rates."""
    image = load_dual(tower).image
    if not isinstance(image, FilmEncoder):
        raise TowerError("Only an image tower trained here can be measured.")
    features, folder = image.headless(), images_folder()
    examples = training_films(features, folder)
    aside = out_of_fold(examples, AXES)
    choosing = encoded(features, (film.file for film in films(folder, SOURCES, "choosing")))
    weights = digest_of_tensors(image_tower(open_checkpoint(tower / "dual")))
    known = measured(weights, examples, aside, choosing, AXES)
    rates = [rate(kind, known.judged(rows)) for kind, rows in pictures(features, folder) if len(rows)]
    rates.append(of_training_patients(known, examples, aside, LATERAL))
    about = {
        "axes": AXES,
        "known": len(examples.frontal),
        "shown": {kind: int((examples.kinds == kind).sum()) for kind in known.kinds.names},
        "quantile": LIMIT,
        "measured": f"{date.today():%Y-%m-%d}",
        "rates": {one.kind: {"cautioned": one.cautioned, "n": one.n} for one in rates},
    }
    save_known_films(tower / FILM_CHECK, known, about)
    return rates


def training_films(features: FilmEncoder, folder: Path) -> Examples:
    """Return the training patients' films, and of some of them also what they look like turned or inverted."""
    frontal = films(folder, SOURCES, "train")
    from_the_side = lateral(folder, ("train",))
    parts = [(FRONTAL, encoded(features, (film.file for film in frontal)), [film.patient for film in frontal])]
    parts += [(LATERAL, encoded(features, [file for _, file in from_the_side]), [one for one, _ in from_the_side])]
    for number, (kind, turn) in enumerate(TURNS):
        chosen = frontal[number * EVERY // len(TURNS) :: EVERY]
        parts += [(kind, encoded(features, [film.file for film in chosen], turn), [one.patient for one in chosen])]
    return Examples(
        np.concatenate([rows for _, rows, _ in parts]),
        np.concatenate([np.full(len(rows), kind, f"<U{LONGEST_KIND}") for kind, rows, _ in parts]),
        [patient for *_, patients in parts for patient in patients],
    )


def of_training_patients(known: Measurements, examples: Examples, aside: OutOfFold, kind: str) -> Rate:
    """Return how many films of a kind are cautioned by what was made without their patients."""
    rows = examples.kinds == kind
    said = judged([str(name) for name in aside.kinds[rows]], aside.distances[rows], known.held_out, known.limit)
    return rate("lateral chest films, training patients left out in turn", said)


def rewrite_security() -> None:
    """Put the rates of the shipped tower into SECURITY.md."""
    about, known = open_checkpoint(ASSETS / "pocket" / FILM_CHECK).manifest, known_films(ASSETS / "pocket" / FILM_CHECK)
    if known is None:
        raise WeightsMissing("Nothing was measured for the shipped tower.")
    rows = (Rate(kind, one["cautioned"], one["n"]) for kind, one in about["rates"].items())
    others = sum(count for kind, count in about["shown"].items() if kind != FRONTAL)
    lines = [
        f"Measured {about['measured']} with tower {about['tower'][:8]}; {about['known']:,} frontal films known, the "
        f"head shown {others} others; limit at the {about['quantile']:.1%} quantile of {len(known.held_out):,} films "
        "held out.\n",
        "| pictures | cautioned | n | rate (95 %) |",
        "|---|---|---|---|",
        *(f"| {row.kind} | {row.cautioned} | {row.n} | {row.share()} |" for row in rows),
    ]
    text = SECURITY.read_text(encoding="utf-8")
    SECURITY.write_text(readme_with(text, "\n".join(lines)), encoding="utf-8")


def pictures(features: FilmEncoder, folder: Path) -> Iterator[tuple[str, Vectors]]:
    """Yield kinds of pictures with their features: first those that are chest films, then all others."""
    for source in SOURCES:
        reporting = [film.file for film in films(folder, (source,), "reporting")]
        yield f"frontal chest films, {source}", encoded(features, reporting)
    others: dict[str, list[Film]] = {}
    for kind, film in distinct(shipped_dicoms()):
        others.setdefault(kind, []).append(film)
    yield "frontal chest film, pydicom-data", features.encode(others.pop("RG1", []))
    files = [file for _, file in lateral(folder, ("choosing", "reporting"))]
    yield "lateral chest films, other patients", encoded(features, files)
    yield "leg, pydicom-data", features.encode(others.pop("RG3", []))
    for kind, found in sorted(others.items()):
        yield f"{kind}, pydicom and pydicom-data", features.encode(found)
    yield "photographs and drawings in packages", features.encode([film for _, film in distinct(photos())])
    frontal = [film.file for film in films(folder, SOURCES, "reporting")]
    for kind, turn in (*TURNS[:2], TURNS[-1]):
        yield f"frontal chest films, {kind.removeprefix('a film ')}", encoded(features, frontal[::2], turn)


def rate(kind: str, said: Sequence[Likeness]) -> Rate:
    """Return how many of these are cautioned."""
    return Rate(kind, sum(one.unlike for one in said), len(said))


def encoded(features: FilmEncoder, files: Iterable[Path], turn: Turn | None = None) -> Vectors:
    """Return the features of picture files, turned if asked → [n, d], reading a few at a time."""
    paths = list(files)
    parts = (paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE))
    rows = [features.encode([turn(read(path)) if turn else read(path) for path in part]) for part in parts]
    return np.concatenate(rows) if rows else np.zeros((0, features.info.dim), np.float32)


def read(path: Path) -> Film:
    """Return a picture file as grey [h, w]."""
    with Image.open(path) as opened:
        return np.asarray(opened.convert("L"))


def lateral(folder: Path, splits: Sequence[FilmSplit]) -> list[tuple[str, Path]]:
    """Return patient and file of the lateral films of some splits; the image tower was trained on none of them."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["view"].upper() in ("L", "LATERAL")]
    return [(row["patient"], folder / row["image"]) for row in rows if film_split(row["patient"]) in splits]


def shipped_dicoms() -> Iterator[Named]:
    """Yield the pictures among the test files of pydicom and pydicom-data with what they show."""
    for file in files_of(DICOM_PACKAGES, "data"):
        try:
            found = decode(file.read_bytes(), Limits())
        except IntakeError:
            continue
        modality = found.notes[0].partition(",")[0]
        kind = file.name[:3] if file.name[:3] in ("RG1", "RG3") else KINDS.get(modality, "other pictures")
        yield kind, found.pixels


def photos() -> Iterator[Named]:
    """Yield the photographs and drawings that come with installed packages."""
    for file in files_of(PHOTO_PACKAGES, ""):
        if file.suffix.lower() in (".jpg", ".jpeg", ".png"):
            try:
                yield "photo", read(file)
            except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
                continue


def files_of(packages: Sequence[str], below: str) -> Iterator[Path]:
    """Yield the files of installed packages, in a fixed order; a package that is not there has none."""
    for name in packages:
        package = find_spec(name)
        for folder in (package.submodule_search_locations or ()) if package is not None else ():
            yield from sorted(path for path in (Path(folder) / below).rglob("*") if path.is_file())


def distinct(found: Iterable[Named]) -> Iterator[Named]:
    """Yield each picture once, however often it comes in another compression; none smaller than `SMALLEST`."""
    seen: set[str] = set()
    for kind, film in found:
        small = np.asarray(Image.fromarray(film).resize((8, 8), Image.Resampling.BOX)) >> 5
        key = hashlib.sha256(f"{kind} {film.shape}".encode() + small.tobytes()).hexdigest()
        if min(film.shape) >= SMALLEST and key not in seen:
            seen.add(key)
            yield kind, film


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (Wilson 1927)."""
    share, z = successes / n, 1.96
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


if __name__ == "__main__":
    main()
