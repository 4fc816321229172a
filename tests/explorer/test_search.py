"""The engine with a real store, real FAISS and BM25; only the towers are replaced, by counting words."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from explorer.choices import RankerChoice
from explorer.corpora.base import Corpus
from explorer.errors import BadQuery, UnknownTower
from explorer.language.findings import FindingsReader
from explorer.search import Explorer
from explorer.settings import Settings
from explorer.store import ReportStore
from explorer.types import Filters, Query, QueryImage, Report, StudyMeta
from models.interfaces import SEARCH_INSTRUCTION, SECTION_PROMPTS, Dual, EncoderInfo, Likeness

WORDS = ("effusion", "pneumothorax", "clear", "nodule")
READER = FindingsReader.open()
INFO = EncoderInfo("words", "report", 4, 64, "cosine", "fp32", "cpu", "r1", instructed=True)


class WordCounter:
    """A text and image encoder that can be worked out by hand."""

    def __init__(self, info: EncoderInfo) -> None:
        self.info = info
        self.asked: list[tuple[int, str]] = []

    def encode(self, texts, instruction=""):
        self.asked.append((len(texts), instruction))
        counts = np.array([[text.lower().count(word) + 0.01 for word in WORDS] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


class BrightFilms:
    """Every film is an effusion."""

    def __init__(self) -> None:
        self.info = replace(INFO, space="image", revision="r2", note="aligned through findings")

    def encode(self, images):
        return np.tile(np.array([1, 0, 0, 0], dtype=np.float32), (len(images), 1))


class Towers:
    def __init__(self) -> None:
        self.one = WordCounter(INFO)
        self.shared = WordCounter(replace(INFO, space="image", revision="r2", note="aligned through findings"))

    def text(self, name):
        return self.one

    def dual(self, name):
        return Dual(self.shared, BrightFilms())


def report(number: int, findings: str, impression: str) -> Report:
    sections = {"findings": findings, "impression": impression}
    return Report(f"ours:{number}", "ours", sections, READER.read_report(sections), StudyMeta(age=40), "CC0")


REPORTS = (
    report(1, "Large effusion.", "Effusion."),
    report(2, "Apical pneumothorax.", "Pneumothorax."),
    report(3, "Lungs clear.", "Normal."),
    report(4, "Lungs clear.", "Normal."),
    report(5, "Nodule.", "Nodule, follow."),
)
CHOICES = (
    RankerChoice("words", "words", frozenset(("text", "image")), ""),
    RankerChoice("bm25", "bm25", frozenset(("text",)), "baseline"),
)


@pytest.fixture
def towers():
    return Towers()


@pytest.fixture
def explorer(tmp_path, towers):
    store = ReportStore.build(tmp_path / "store", Corpus("ours", "Ours", "CC0", "us", "0" * 64, REPORTS))
    explorer = Explorer(Settings(encoder="words", cache=tmp_path), store, towers, CHOICES)
    yield explorer
    explorer.close()


def film() -> QueryImage:
    pixels = np.full((8, 8), 200, np.uint8)
    return QueryImage(pixels, pixels.astype(np.uint16), (128.0, 256.0), "PNG", "0" * 64, ("a note",))


def test_the_study_that_says_it_comes_first_with_a_named_score(explorer):
    result = explorer.by_text("pneumothorax", encoder="words", k=3)

    assert [hit.rank for hit in result.hits] == [1, 2, 3]
    assert result.hits[0].report.id == "ours:2"
    assert result.hits[0].score == pytest.approx(1.0, abs=1e-3)
    assert (result.encoder, result.space, result.score_name, result.scope) == ("words", "report", "cosine", "report")


def test_identical_texts_are_one_hit_with_the_others_named(explorer):
    result = explorer.by_text("clear", encoder="words", k=5)

    assert result.hits[0].report.id == "ours:3"
    assert result.hits[0].identical == ("ours:4",)
    assert len(result.hits) == 4


def test_queries_carry_the_instruction_and_documents_do_not(explorer, towers):
    explorer.by_text("clear", encoder="words")

    assert (1, SEARCH_INSTRUCTION) in towers.one.asked
    assert (4, "") in towers.one.asked


def test_documents_of_the_shared_space_carry_their_sections_prompt(explorer, towers):
    explorer.by_image(film(), encoder="words", scope="impression")

    assert [prompt for _, prompt in towers.shared.asked] == [SECTION_PROMPTS["impression"]]


def test_a_film_is_answered_in_the_shared_space_and_says_how_it_was_aligned(explorer):
    result = explorer.by_image(film(), encoder="words", k=1)

    assert result.hits[0].report.id == "ours:1"
    assert result.space == "image"
    assert result.notes == ("Aligned through findings.",)


class Retreating(WordCounter):
    """Finds with the first single query that the memory of the GPU is full, as `models.precision.Home` does."""

    def encode(self, texts, instruction=""):
        if len(texts) == 1:
            self.info = replace(
                self.info, device="cpu", note="; ".join(filter(None, (self.info.note, "now on the CPU")))
            )
        return super().encode(texts, instruction)


class RetreatingFilms(BrightFilms):
    def encode(self, images):
        self.info = replace(self.info, device="cpu", note=f"{self.info.note}; now on the CPU")
        return super().encode(images)


def test_a_query_that_drives_its_tower_from_the_gpu_says_so_itself(explorer, towers):
    towers.one = Retreating(INFO)
    assert explorer.by_text("clear", encoder="words").notes == ("Now on the CPU.",)


def test_a_film_that_drives_its_tower_from_the_gpu_says_so_itself(explorer, towers):
    films = RetreatingFilms()
    towers.dual = lambda name: Dual(towers.shared, films)
    said = ("Aligned through findings; now on the CPU.",)
    assert explorer.by_image(film(), encoder="words").notes == said
    assert explorer.by_both("clear", film(), weight=0.5, encoder="words").notes == said


def test_vectors_are_made_once_and_opened_by_the_next_visit(explorer, towers, tmp_path):
    explorer.by_text("clear", encoder="words")
    again = Explorer(explorer.settings, ReportStore.open(tmp_path / "store"), towers, CHOICES)
    again.by_text("nodule", encoder="words")
    again.close()

    assert [count for count, _ in towers.one.asked] == [4, 1, 1]


def test_vectors_of_another_revision_are_not_used(explorer, towers):
    explorer.by_text("clear", encoder="words")
    towers.one.info = replace(INFO, revision="r9")
    explorer.by_text("clear", encoder="words")

    assert [count for count, _ in towers.one.asked] == [4, 1, 4, 1]


def test_rebuilding_makes_the_vectors_of_both_spaces_anew(explorer, towers):
    explorer.prepare("text")
    explorer.prepare("image")
    explorer.rebuild("words", "report")

    assert [count for count, _ in towers.one.asked] == [4, 4]
    assert [count for count, _ in towers.shared.asked] == [4, 4]


def test_progress_tells_what_is_made_and_ends_at_one(explorer):
    told: list[tuple[str, float]] = []
    explorer.prepare("text", lambda what, share: told.append((what, share)))
    explorer.prepare("image", lambda what, share: told.append((what, share)))

    assert told == [("Encoding reports with words", 1.0), ("Encoding reports with words for image search", 1.0)]


def test_who_waits_for_vectors_in_the_making_is_told_how_far_they_are(explorer, towers):
    begun, go_on, told = threading.Event(), threading.Event(), []
    encode = towers.one.encode

    def slow(texts, instruction=""):
        begun.set()
        go_on.wait(20)
        return encode(texts, instruction)

    towers.one.encode = slow
    making = threading.Thread(target=explorer.prepare, args=("text",))
    making.start()
    begun.wait(20)

    def waiting(what, share):
        told.append((what, share))
        go_on.set()

    explorer.by_text("nodule", encoder="words", progress=waiting)
    making.join()

    assert told
    assert [count for count, _ in towers.one.asked] == [4, 1]


def test_every_hit_says_how_it_agrees_with_the_findings_asked_for_in_shorthand(explorer):
    result = explorer.by_text("R PTX", encoder="words", k=4)

    verdicts = {hit.report.id: [(one.asked.name, one.verdict) for one in hit.agreement] for hit in result.hits}
    assert verdicts["ours:2"] == [("Pneumothorax", "agrees")]
    assert verdicts["ours:5"] == [("Pneumothorax", "not mentioned")]


def test_words_alone_are_ranked_by_bm25(explorer):
    result = explorer.by_text("nodule", encoder="bm25")

    assert result.hits[0].report.id == "ours:5"
    assert (result.space, result.score_name) == ("words", "bm25")


def test_the_neighbours_of_a_study_are_neither_itself_nor_what_says_the_same(explorer):
    for encoder in ("words", "bm25"):
        result = explorer.neighbours("ours:4", encoder=encoder, k=2)
        assert (result.query.kind, result.query.study) == ("study", "ours:4")
        assert {"ours:3", "ours:4"}.isdisjoint(hit.report.id for hit in result.hits)
    assert explorer.neighbours("ours:1", encoder="words", k=9).hits[0].rank == 1
    assert len(explorer.neighbours("ours:1", encoder="words", k=9).hits) == 3


def test_neighbours_are_judged_by_the_findings_of_the_study_they_are_like(explorer):
    result = explorer.neighbours("ours:1", encoder="words", k=3)
    verdicts = {hit.report.id: {one.asked.name: one.verdict for one in hit.agreement} for hit in result.hits}
    assert {finding.name for finding in result.findings} == {"Pleural Effusion"}
    assert verdicts["ours:2"] == {"Pleural Effusion": "not mentioned"}


def test_a_study_that_is_not_there_has_no_neighbours(explorer):
    with pytest.raises(BadQuery, match="No study"):
        explorer.neighbours("ours:99", encoder="words")


def test_text_and_film_together_lean_to_the_one_with_the_weight(explorer):
    def first(weight):
        return explorer.by_both("nodule", film(), weight=weight, encoder="words", k=1).hits[0].report.id

    assert (first(0.0), first(1.0)) == ("ours:5", "ours:1")
    with pytest.raises(BadQuery, match="between 0 and 1"):
        first(1.5)
    with pytest.raises(BadQuery, match="reads no radiographs"):
        explorer.by_both("nodule", film(), weight=0.5, encoder="bm25")


def test_an_excluded_finding_is_in_no_hit_of_any_ranker(explorer):
    filters = Filters(without=("Pleural Effusion",))
    for encoder in ("words", "bm25"):
        hits = explorer.by_text("effusion clear nodule", encoder=encoder, filters=filters).hits
        assert "ours:1" not in {hit.report.id for hit in hits}
        assert hits


def test_the_vectors_of_either_space_come_with_the_studies_of_each_row(explorer):
    index = explorer.vectors("words")
    assert (index.vectors.shape, index.studies[2]) == ((4, 4), ("ours:3", "ours:4"))
    assert explorer.vectors("words", space="image").key.space == "image"
    with pytest.raises(BadQuery, match="make no vectors"):
        explorer.vectors("bm25")


@pytest.mark.parametrize(("text", "about"), [("R PTX", True), ("pneumonia", True), ("The kettle boils.", False)])
def test_a_text_is_recognised_by_its_findings_and_short_forms(explorer, text, about):
    assert explorer.recognises(Query(text=text)) is about
    assert explorer.recognises(Query(study="ours:1"))


def test_the_floor_is_measured_once_with_queries_and_only_where_there_are_vectors(explorer, towers):
    floor = explorer.floor("words")
    assert floor.texts == 40
    assert explorer.floor("words") is floor
    assert towers.one.asked.count((40, SEARCH_INSTRUCTION)) == 1
    assert explorer.floor("bm25") is None


def test_every_report_of_the_corpus_is_given_with_its_findings(explorer):
    assert [report.id for report in explorer.reports()] == [f"ours:{number}" for number in range(1, 6)]
    assert next(explorer.reports()).findings == explorer.report("ours:1").findings != ()


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "empty"), (" \n", "empty"), ("a" * 4001, "4,001"), ("a\0b", "not text"), ("\ud800", "not text")],
)
def test_a_text_that_cannot_be_searched_is_refused_before_any_tower_is_asked(explorer, towers, text, says):
    with pytest.raises(BadQuery, match=says):
        explorer.by_text(text, encoder="words")
    assert towers.one.asked == []


def test_four_thousand_characters_are_searched(explorer):
    assert explorer.by_text("effusion " * 444, encoder="words", k=1).hits[0].report.id == "ours:1"


@pytest.mark.parametrize("k", [0, -1, 101])
def test_a_number_of_hits_out_of_range_is_refused(explorer, k):
    with pytest.raises(BadQuery, match="1 to 100"):
        explorer.by_text("clear", encoder="bm25", k=k)


class LongVectors:
    """Texts and films of one space, neither of unit length."""

    info = replace(INFO, name="films", space="image", score="clip_raw", revision="r3")

    def encode(self, texts, instruction=""):
        return np.array([[3.0 if "Nodule" in text else 1.0, 1.0, 0, 0] for text in texts], dtype=np.float32)


class LongFilms(LongVectors):
    def encode(self, images):
        return np.tile(np.array([2, 1, 0, 0], dtype=np.float32), (len(images), 1))


def test_an_encoder_for_films_only_keeps_its_own_score_and_reads_no_texts(tmp_path, towers):
    towers.dual = lambda name: Dual(LongVectors(), LongFilms())
    store = ReportStore.build(tmp_path / "store", Corpus("ours", "Ours", "CC0", "us", "0" * 64, REPORTS))
    choices = (*CHOICES, RankerChoice("films", "films", frozenset(("image",)), ""))
    explorer = Explorer(Settings(encoder="films", cache=tmp_path), store, towers, choices)
    try:
        explorer.prepare("text")  # nothing to prepare
        result = explorer.by_image(film(), encoder="films", k=2)
        with pytest.raises(BadQuery, match="films reads no texts"):
            explorer.by_text("nodule", encoder="films")
        assert explorer.describe("films") == "films · fp32 · cpu"
        explorer.rebuild("films", "report")
    finally:
        explorer.close()
    assert towers.one.asked == []
    assert result.score_name == "clip_raw"
    assert [(hit.report.id, hit.score) for hit in result.hits] == [("ours:5", 7.0), ("ours:1", 3.0)]


def test_an_unknown_encoder_is_answered_with_the_known_ones(explorer):
    with pytest.raises(UnknownTower, match="words, bm25"):
        explorer.by_text("clear", encoder="nobody")


def test_a_film_for_an_encoder_without_eyes_is_refused_with_one_that_has(explorer):
    with pytest.raises(BadQuery, match="Choose one that does: words"):
        explorer.by_image(film(), encoder="bm25")


def test_a_failed_search_leaves_the_next_one_working(explorer):
    with pytest.raises(BadQuery):
        explorer.by_text("", encoder="words")

    assert explorer.by_text("nodule", encoder="words", k=1).hits[0].report.id == "ours:5"


def test_rankers_are_compared_over_the_same_text_with_loading_and_asking_told(explorer):
    told = []
    comparison = explorer.compare(
        "pneumothorax", encoders=("words", "bm25"), k=2, progress=lambda what, share: told.append((what, share))
    )
    assert [result.encoder for result in comparison.results] == ["words", "bm25"]
    assert comparison.lists[0][0] == comparison.lists[1][0] == "ours:2"
    assert comparison.studies[0].ranks == (1, 1)
    assert told[:2] == [("Asking words", 0.0), ("Loading words", 0.0)]
    assert told[-1] == ("Asking bm25", 0.5)

    told.clear()
    explorer.compare("effusion", encoders=("bm25", "words"), progress=lambda what, share: told.append((what, share)))
    assert told == [("Asking bm25", 0.0), ("Asking words", 0.5)]


def test_a_comparison_needs_two_rankers_that_read_texts(explorer):
    with pytest.raises(BadQuery, match="2 to 4"):
        explorer.compare("effusion", encoders=("words",))
    with pytest.raises(UnknownTower):
        explorer.compare("effusion", encoders=("words", "nonsense"))


def test_the_glossary_holds_the_lexicon(explorer):
    assert {"PTX", "CT"} <= {entry.short for entry in explorer.glossary()}


class NoChest:
    def judge(self, film):
        return Likeness(unlike=True, farther=0.0, held_out=128)


def test_a_picture_that_is_no_chest_film_is_answered_with_a_caution(explorer, towers):
    assert explorer.by_image(film(), encoder="words", k=1).caution == ""
    towers.dual = lambda name: Dual(towers.shared, BrightFilms(), NoChest())
    assert "unlike the frontal chest radiographs" in explorer.by_image(film(), encoder="words", k=1).caution
    assert "unlike" in explorer.by_both("nodule", film(), weight=0.5, encoder="words", k=1).caution


def test_a_question_just_answered_is_not_encoded_again_until_the_engine_is_closed(explorer, towers):
    first = explorer.by_text("Effusion.", encoder="words")
    runs = len(towers.one.asked)
    again = explorer.by_text("Effusion.", encoder="words")
    assert len(towers.one.asked) == runs
    assert again.hits == first.hits
    assert again.query == first.query
    explorer.by_text("Effusion.", encoder="words", k=1)
    assert len(towers.one.asked) == runs + 1
    explorer.close()
    explorer.by_text("Effusion.", encoder="words")
    assert len(towers.one.asked) == runs + 2
