from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from explorer.corpora.base import Corpus
from explorer.errors import BadQuery, Foreign, TowerError
from explorer.index import IndexKey, ReportIndex
from explorer.rankers import DenseRanker, Ranker, WordRanker
from explorer.store import ReportStore
from explorer.types import Filters, Query, QueryImage, Report, StudyMeta

WORDS = ("clear", "effusion", "fracture", "nodule")
TEXTS = {
    "toy:1": ("Clear lungs.", 30),
    "toy:2": ("Large effusion.", 40),
    "toy:3": ("Clear lungs.", 50),
    "toy:4": ("Nodule beside an effusion.", 60),
    "toy:5": ("Rib fracture.", 70),
}
REPORTS = tuple(
    Report(study, "toy", {"findings": text}, (), StudyMeta(age=age), "CC0") for study, (text, age) in TEXTS.items()
)
FILM = QueryImage(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint16), (0.0, 1.0), "PNG", "00", ())


def count_words(texts):
    """A tower anyone can check: which of four words a text holds, as a unit vector."""
    counts = np.array([[word in text.lower() for word in WORDS] for text in texts], np.float32)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ReportStore.build(tmp_path_factory.mktemp("store"), Corpus("toy", "Toy", "CC0", "", "ab", REPORTS))


def index_of(store, space="report"):
    key = IndexKey("toy", store.info.sha256, "report", "counter", space, "cosine", "00", 4)
    with TemporaryDirectory() as folder:  # what is mapped stays readable
        passages, total = store.passages("report"), store.passage_count("report")
        return ReportIndex.build(Path(folder), key, passages, total, count_words, lambda done, total: None)


@pytest.fixture
def dense(store):
    return DenseRanker(store, index_of(store), lambda query: count_words([query.text]))


@pytest.fixture
def words(store):
    return WordRanker(store, "report")


def ids(hits):
    return [hit.report.id for hit in hits]


def test_meaning_puts_the_nearest_report_first_with_its_score(dense):
    hits = dense.rank(Query("moderate effusion"), 3, Filters())
    assert ids(hits) == ["toy:2", "toy:4", "toy:1"]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.5**0.5, 0.0])
    assert [hit.rank for hit in hits] == [1, 2, 3]


def test_hits_hold_whole_reports_and_the_studies_of_the_same_text(dense, words):
    for ranker in (dense, words):
        (hit,) = ranker.rank(Query("clear"), 1, Filters())
        assert hit.report == REPORTS[0]
        assert hit.identical == ("toy:3",)


def test_filters_restrict_both_rankers(dense, words):
    for ranker in (dense, words):
        (hit,) = ranker.rank(Query("clear"), 1, Filters(min_age=45))
        assert (hit.report.id, hit.identical) == ("toy:3", ())
        assert ranker.rank(Query("clear"), 5, Filters(min_age=100)) == []


def test_words_put_the_report_with_the_rare_word_first(words):
    hits = words.rank(Query("a nodule or an effusion"), 5, Filters())
    assert ids(hits) == ["toy:4", "toy:2"]
    assert [hit.rank for hit in hits] == [1, 2]
    assert hits[0].score > hits[1].score > 0


def test_meaning_is_calibrated_for_a_text_as_long_as_a_report_and_words_are_not(dense, words):
    (near,) = dense.rank(Query("clear " * 20), 1, Filters())
    assert near.closer_than == dense.index.closer_than(near.score)
    assert near.closer_than > 0.9
    (hit,) = words.rank(Query("clear " * 20), 1, Filters())
    assert hit.closer_than is None


def test_a_short_note_is_not_set_against_pairs_of_reports(dense):
    (near,) = dense.rank(Query("clear " * 19), 1, Filters())
    assert near.closer_than is None


def test_the_encoder_gets_the_text_without_redactions(store):
    seen = []

    def encode_query(query):
        seen.append(query.text)
        return count_words([query.text])

    DenseRanker(store, index_of(store), encode_query).rank(Query("XXXX  clear\nlungs"), 1, Filters())
    assert seen == ["clear lungs"]


def test_a_film_is_searched_in_the_shared_space_without_calibration(store):
    ranker = DenseRanker(store, index_of(store, "image"), lambda query: count_words(["nodule"]))
    (hit,) = ranker.rank(Query(image=FILM), 1, Filters())
    assert hit.report.id == "toy:4"
    assert hit.closer_than is None


def test_a_film_cannot_be_searched_by_texts_or_words(dense, words):
    with pytest.raises(BadQuery, match="reads text only"):
        dense.rank(Query(image=FILM), 1, Filters())
    with pytest.raises(BadQuery, match="by a radiograph"):
        words.rank(Query(image=FILM), 1, Filters())


@pytest.mark.parametrize("text", ["", " \n", "XXXX XXXX.", "?!"])
def test_a_text_without_words_is_a_bad_query(dense, words, text):
    ranker: Ranker
    for ranker in (dense, words):
        with pytest.raises(BadQuery, match="no word"):
            ranker.rank(Query(text), 3, Filters())


def test_an_encoder_that_fails_is_said_kindly(store):
    index = index_of(store)
    for vectors, error in (
        (np.full((1, 4), np.nan, np.float32), BadQuery),
        (np.ones((1, 5), np.float32), Foreign),
        (np.ones((2, 4), np.float32), TowerError),
        (np.ones((0, 4), np.float32), TowerError),
    ):
        with pytest.raises(error):
            DenseRanker(store, index, lambda query, given=vectors: given).rank(Query("clear"), 3, Filters())
