"""Evidence through the engine, with towers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.choices import RankerChoice
from explorer.corpora.base import Corpus
from explorer.errors import BadQuery
from explorer.search import Explorer
from explorer.settings import Settings
from explorer.store import ReportStore
from explorer.types import QueryImage, Report, StudyMeta
from models.interfaces import SECTION_PROMPTS, Dual, EncoderInfo, FilmPatches, Frame

WORDS = ("effusion", "nodule", "clear")
INFO = EncoderInfo("toy", "image", 3, 64, "cosine", "fp32", "cpu", "r1", instructed=True)


class Texts:
    info = INFO

    def __init__(self):
        self.asked = []

    def encode(self, texts, instruction=""):
        self.asked += [(text, instruction) for text in texts]
        counts = np.array([[text.lower().count(word) + 0.1 for word in WORDS] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


class Films:
    """The right half of a film shows an effusion, the upper left quarter a nodule."""

    info = INFO

    def encode(self, images):
        return np.tile(np.array([0.8, 0.6, 0], dtype=np.float32), (len(images), 1))

    def patches(self, image):
        vectors = np.zeros((2, 2, 3), dtype=np.float32)
        vectors[:, 1, 0], vectors[0, 0, 1] = 1, 1
        return FilmPatches(vectors, Frame(0, 0, 1, 1))


class WholeFilms:
    info = INFO

    def encode(self, images):
        return Films().encode(images)


class Towers:
    def __init__(self, films):
        self.shared = Dual(Texts(), films)

    def text(self, name):
        raise AssertionError("the report space is not searched")

    def dual(self, name):
        return self.shared


def report(number, findings, impression=""):
    sections = {name: text for name, text in (("findings", findings), ("impression", impression)) if text}
    return Report(f"ours:{number}", "ours", sections, (), StudyMeta(), "CC0")


REPORTS = (report(1, "An effusion.", "Effusion."), report(2, "A nodule XXXX."), report(3, "Clear."))
CHOICES = (RankerChoice("toy", "toy", frozenset(("image",)), ""), RankerChoice("bm25", "", frozenset(("text",)), ""))
PIXELS = np.full((8, 8), 200, np.uint8)
FILM = QueryImage(PIXELS, PIXELS.astype(np.uint16), (128.0, 256.0), "PNG", "0" * 64, ())


def opened(folder, films):
    store = ReportStore.build(folder / "store", Corpus("ours", "Ours", "CC0", "us", "0" * 64, REPORTS))
    return Explorer(Settings(encoder="toy", cache=folder), store, Towers(films), CHOICES)


@pytest.fixture
def explorer(tmp_path):
    explorer = opened(tmp_path, Films())
    yield explorer
    explorer.close()


def test_a_hit_is_shown_where_the_film_is_nearest_to_its_report(explorer):
    heat = explorer.evidence(FILM, encoder="toy", study="ours:2")
    assert (heat.towards, heat.encoder, heat.score_name) == ("ours:2", "toy", "cosine")
    assert max(heat.peak) < 20
    expected = Texts().encode(["A nodule ."]) @ Films().encode([PIXELS]).T
    assert heat.score == pytest.approx(expected.item(), abs=1e-6)


def test_a_phrase_is_read_as_a_report_of_the_section_searched(explorer):
    heat = explorer.evidence(FILM, encoder="toy", phrase="effusion", scope="findings")
    assert heat.peak[1] > 44
    assert explorer._towers.shared.text.asked[-1] == ("effusion", SECTION_PROMPTS["findings"])


def test_redactions_are_not_read(explorer):
    explorer.evidence(FILM, encoder="toy", study="ours:2")
    assert "XXXX" not in explorer._towers.shared.text.asked[-1][0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"study": "ours:2", "scope": "impression"}, "no words to look for"),
        ({"study": "ours:9"}, "No study of that id"),
        ({"phrase": " "}, "empty"),
        ({"phrase": "x" * 100_000}, "characters"),
        ({"phrase": "effusion", "encoder": "bm25"}, "reads no radiographs"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_in_words(explorer, asked, message):
    with pytest.raises(BadQuery, match=message):
        explorer.evidence(FILM, **{"encoder": "toy", **asked})


def test_a_tower_that_sees_only_whole_films_says_so(tmp_path):
    explorer = opened(tmp_path, WholeFilms())
    try:
        with pytest.raises(BadQuery, match="one vector for a whole film"):
            explorer.evidence(FILM, encoder="toy", phrase="effusion")
    finally:
        explorer.close()
