"""Films among reports: found where the corpus was read from, encoded once, and measured against the reports."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import made_trees
import numpy as np
import pytest

from explorer import preparing, projection
from explorer.choices import RankerChoice
from explorer.corpora.base import Place
from explorer.errors import BadQuery, Corrupt
from explorer.films import film_vectors
from explorer.mapping import Cartographer, MapOrder
from explorer.preparing import Order
from explorer.search import Explorer
from explorer.settings import Settings
from explorer.types import QueryImage
from models.interfaces import Dual, EncoderInfo

STUDIES = 14
INFO = EncoderInfo("toy", "image", 3, 64, "cosine", "fp32", "cpu", "r1")
# The first two numbers of a vector are its place; all are of one group.
QUICK = """
import json, sys; import numpy as np; from pathlib import Path
folder = Path(sys.argv[2]); vectors = np.load(folder / "vectors.npy"); n = len(vectors)
np.save(folder / "places.npy", vectors[:, :2].copy()); np.save(folder / "clusters.npy", np.zeros(n, np.int16))
kept = dict(kept=0.5, chance=0.1, trustworthiness=0.9, nearest=2, probed=n, points=n)
(folder / "answer.json").write_text(json.dumps(dict(preservation=kept, fitted=n, seconds=0.1)))
"""


class Texts:
    """The number in a report, as an angle in the first two directions."""

    info = INFO

    def encode(self, texts, instruction=""):
        angles = [int("".join(filter(str.isdigit, text))) / 10 for text in texts]
        return np.array([[np.cos(one), np.sin(one), 0] for one in angles], np.float32)


class Films:
    """All films lie in the third direction, away from every report, and a little towards their own."""

    info = replace(INFO, revision="films")

    def __init__(self) -> None:
        self.seen = 0

    def encode(self, images):
        self.seen += len(images)
        angles = [int(image[0, 0]) / 10 for image in images]
        return np.array([[0.6 * np.cos(one), 0.6 * np.sin(one), 0.8] for one in angles], np.float32)


def read(data: bytes) -> QueryImage:
    if data == b"broken":
        raise Corrupt("damaged")
    pixels = np.full((4, 4), int(data), np.uint8)
    return QueryImage(pixels, pixels.astype(np.uint16), (1.0, 2.0), "JPEG", "0" * 64, ())


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setattr(projection, "_START", QUICK)
    root, settings = tmp_path / "mimic", Settings(corpus="mimic-cxr", encoder="toy", cache=tmp_path / "cache")
    films = []
    for number in range(STUDIES):
        patient, study = 10000001 + number, 50000001 + number
        made_trees.mimic_report(root, patient, study, f"FINDINGS: Finding number {number}.\n")
        films.append((f"film-{number}", patient, study, "PA"))
        path = made_trees.mimic_film(root, patient, study, f"film-{number}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"broken" if number == 3 else str(number).encode())
    made_trees.mimic_tables(root, films, {10000001 + number: "train" for number in range(STUDIES)})
    preparing.build(settings, Order("mimic-cxr", Place(root)))
    return settings


def test_frontal_films_are_encoded_once_and_one_that_cannot_be_read_is_counted(settings):
    tower = Films()
    first = film_vectors(settings, "mimic-cxr", tower, read, lambda *_: None)
    again = film_vectors(settings, "mimic-cxr", tower, read, lambda *_: None)
    assert tower.seen == STUDIES - 1
    assert first.unread == again.unread == 1
    assert "mimic-cxr:50000004" not in first.studies
    assert len(first.studies) == STUDIES - 1
    assert np.array_equal(first.vectors, again.vectors)
    assert first.digest == again.digest


def test_a_corpus_without_films_says_how_to_have_them(tmp_path):
    settings = Settings(cache=tmp_path)
    with pytest.raises(BadQuery, match="0 frontal films"):
        film_vectors(settings, "openi", Films(), read, lambda *_: None)


def test_reports_and_films_share_a_map_with_their_gap_measured_before_they_are_centred(settings):
    towers = SimpleNamespace(text=lambda _: Texts(), dual=lambda _: Dual(Texts(), Films()))
    choices = (RankerChoice("toy", "toy", frozenset(("text", "image")), ""),)
    engine = Explorer(settings, preparing.opened(settings, "mimic-cxr"), towers, choices)
    engine.read_image = read  # no process to decode files
    maps = Cartographer(engine)

    beside = maps.draw(MapOrder(("toy",), "mimic-cxr", films="beside")).panels[0]
    assert (len(beside.places), len(beside.films)) == (STUDIES, STUDIES - 1)
    gap = beside.gap
    assert (gap.texts, gap.films, gap.paired) == (STUDIES, STUDIES - 1, STUDIES - 1)
    assert gap.pairs == pytest.approx(0.6, abs=1e-5)
    assert gap.unpaired < gap.pairs
    assert gap.separability == 1.0

    centred = maps.draw(MapOrder(("toy",), "mimic-cxr", films="centred")).panels[0]
    assert centred.projection.key.centred
    assert centred.gap == gap
    assert not np.allclose(centred.films, beside.films)

    preparing.remove(settings, "mimic-cxr")
    left = {path.parent.name for path in settings.cache.rglob("*.npy")}
    assert left == set()
    engine.close()
