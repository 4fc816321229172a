"""Short forms in their context: hand-made notes, what must stay untouched, and what holds for every text."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.corpora.base import Corpus
from explorer.corpora.split import in_split
from explorer.errors import BadQuery, Damaged
from explorer.language.abbreviation_card import abbreviation_card, plain_sentences, read_cases
from explorer.language.abbreviations import Expander, Span, look_up, with_readings
from explorer.language.lexicon import LEXICONS, Lexicon
from models.interfaces import EncoderInfo, Vectors

HERE = Path(__file__).parent
EXPANDER = Expander.open()
ANOTHER = Expander.open()
AMBIGUOUS = ("CT", "PE", "MS", "RA", "LA", "PA", "AP", "CM", "BS", "L", "ETT", "PCP", "AS", "MI", "RLL", "LLL", "CP")


def cases(name: str) -> list[tuple[str, str, str]]:
    return [(case.kind, case.text, case.expected) for case in read_cases(HERE / name)]


FIRST = cases("abbreviation_cases.tsv")
LATER = cases("abbreviation_later_cases.tsv")


def only_span(text: str, short: str) -> Span:
    (span,) = [span for span in EXPANDER.expand(text).spans if span.short == short]
    return span


class Favours:
    """A tower for which a text says the same as another if both, or neither, hold a word; the typed text holds it."""

    def __init__(self, word: str) -> None:
        self.info = EncoderInfo("fake", "report", 2, 64, "cosine", "fp32", "cpu", "0")
        self.word = word
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        self.asked += texts
        holds = [i == 0 or self.word in text for i, text in enumerate(texts)]
        return np.array([[1.0, 0.0] if held else [0.0, 1.0] for held in holds], dtype=np.float32)


# --- the notes


def test_there_are_enough_notes_and_enough_of_them_are_ambiguous() -> None:
    ambiguous = [kind for kind, _, _ in FIRST if kind in {*AMBIGUOUS, "side", "lobe", "other"}]
    assert len(FIRST) >= 170
    assert len(ambiguous) >= 60


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in FIRST if row[0] in {"paper", "product", "plain"}])
def test_what_the_paper_and_the_product_promise_is_exact(text: str, expected: str) -> None:
    assert EXPANDER.expand(text).expanded == expected


@pytest.mark.parametrize("name", ["abbreviation_cases.tsv", "abbreviation_later_cases.tsv"])
def test_at_least_95_of_100_notes_are_read_right(name: str) -> None:
    wrong = [text for _, text, expected in cases(name) if EXPANDER.expand(text).expanded != expected]
    assert len(wrong) <= 0.05 * len(cases(name)), wrong


def test_what_has_been_expanded_once_is_not_changed_again() -> None:
    changed = [said for _, _, said in FIRST + LATER if EXPANDER.expand(said).expanded != said]
    assert changed == []


def test_the_location_survives() -> None:
    assert "bilateral lower lung fields" in EXPANDER.expand("retic opac BLLF").expanded
    assert "suspecting of tuberculosis" in EXPANDER.expand("Nodules in LULF, suspecting of Tb.").expanded


# --- the lexicon


def test_the_lexicon_holds_at_least_500_short_forms() -> None:
    assert len(EXPANDER.glossary()) >= 500


@pytest.mark.parametrize("short", AMBIGUOUS)
def test_forms_with_several_readings_offer_all_of_them_with_hints(short: str) -> None:
    (entry,) = [entry for entry in EXPANDER.glossary() if entry.short == short]
    assert len(entry.longs) >= 2
    assert len(entry.hints) == len(entry.longs)
    assert all(entry.hints)


def test_no_long_form_holds_a_short_one() -> None:
    longs = [long for entry in EXPANDER.glossary() for long in entry.longs]
    assert [long for long in longs if EXPANDER.expand(long).expanded != long] == []


def test_no_entry_lists_a_reading_twice() -> None:
    assert all(len(set(entry.longs)) == len(entry.longs) for entry in EXPANDER.glossary())


@pytest.mark.parametrize(
    "row",
    [
        "QXT\tfinding\tany\tmuch\tquaint thing",
        "QXT\tfinding\tnever\t1\tquaint thing",
        "QXT\tfinding\tany\t1\t",
        "QXT\tfinding\tany\t1\tquaint thing\t\tbeyond: x",
        "QXT\tfinding\tany\t1\tquaint thing\t\tnext: @nothing",
    ],
)
def test_a_row_that_is_not_understood_is_refused(tmp_path: Path, row: str) -> None:
    shutil.copytree(LEXICONS, tmp_path / "lexicons")
    with (tmp_path / "lexicons" / "abbreviations.tsv").open("a", encoding="utf-8") as table:
        table.write(f"\n{row}\n")
    with pytest.raises(Damaged, match="QXT"):
        Lexicon.read(tmp_path / "lexicons")


def test_a_missing_lexicon_is_said_without_a_path(tmp_path: Path) -> None:
    with pytest.raises(Damaged) as refused:
        Lexicon.read(tmp_path)
    assert str(tmp_path) not in str(refused.value)


# --- readings, scores and reasons


def test_the_readings_come_best_first_with_the_words_that_decided() -> None:
    span = only_span("sm R PTX s/p CT to WS", "CT")
    assert span.long == "chest tube" == span.alternatives[0].long
    assert "computed tomography" in [reading.long for reading in span.alternatives]
    assert {"s/p", "to", "WS"} <= set(span.because)


def test_scores_fall_and_sum_to_one() -> None:
    for _, text, _ in FIRST:
        for span in EXPANDER.expand(text).spans:
            scores = [reading.score for reading in span.alternatives]
            assert scores == sorted(scores, reverse=True)
            assert sum(scores) == pytest.approx(1.0)


def test_a_heading_counts_as_context() -> None:
    assert only_span("INDICATION: possible PE.", "PE").long == "pulmonary embolism"
    assert only_span("FINDINGS: possible PE.", "PE").long == "pleural effusion"
    assert only_span("INDICATION: possible PE.", "PE").because == ("INDICATION",)


@pytest.mark.parametrize("wanted", ["aortic stenosis", "ankylosing spondylitis"])
def test_an_encoder_breaks_a_tie(wanted: str) -> None:
    tower = Favours(wanted)
    span = Expander.open(tie_break=tower).expand("Comparison none. Film shows AS today.").spans[0]
    assert span.long == wanted
    assert span.because == ("fake",)
    assert sum(reading.score for reading in span.alternatives) == pytest.approx(1.0)
    assert tower.asked[0] == "Film shows AS today."


def test_an_encoder_is_not_asked_where_the_context_decides() -> None:
    tower = Favours("tomography")
    expanded = Expander.open(tie_break=tower).expand("L CT to WS, BLLF opac").expanded
    assert expanded == "left chest tube to water seal, bilateral lower lung fields opacity"
    assert tower.asked == []


def test_a_reading_can_be_chosen_by_hand() -> None:
    typed = EXPANDER.expand("sm R PTX s/p CT to WS")
    (place,) = [number for number, span in enumerate(typed.spans) if span.short == "CT"]
    read = with_readings(typed, {place: "computed tomography"})
    assert read.expanded == "small right pneumothorax status post computed tomography to water seal"
    assert read.spans[place].alternatives == typed.spans[place].alternatives
    assert with_readings(read, {place: "chest tube"}) == typed


@pytest.mark.parametrize("chosen", [{0: "no such reading"}, {9: "chest tube"}, {-1: "chest tube"}])
def test_a_reading_that_is_not_offered_is_refused(chosen: dict[int, str]) -> None:
    with pytest.raises(BadQuery, match="no such reading"):
        with_readings(EXPANDER.expand("s/p CT"), chosen)


def test_the_glossary_finds_short_forms_before_what_they_mean() -> None:
    entries = EXPANDER.glossary()
    found = [entry.short for entry in look_up(entries, " ptx ")]
    assert found[0] == "PTX"
    by_meaning = look_up(entries, "chest tube")
    assert "CT" in [entry.short for entry in by_meaning]
    assert all("chest tube" in " ".join(entry.longs) for entry in by_meaning)
    assert look_up(entries, "") == entries
    assert look_up(entries, "qqxt") == ()


# --- spelling


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("PTXs", "pneumothoraces"),
        ("effs", "effusions"),
        ("ptx", "pneumothorax"),
        ("ETT/NGT", "endotracheal tube/nasogastric tube"),
        ("RLL/RML", "right lower lobe/right middle lobe"),
        ("R>L effs", "right greater than left effusions"),
        ("RULopac", "right upper lobe opacity"),
        ("w/CHF", "with congestive heart failure"),
        ("POD3", "postoperative day 3"),
        ("65yo M", "65 year old male"),
        ("CHF, ?PE. No PTX", "Congestive heart failure, ?pulmonary embolism. No pneumothorax"),
        ("No eff? PNA. RLL", "No effusion? Pneumonia. right lower lobe"),
        ("mod. R eff.", "moderate right effusion."),
        ("eff, vs. PNA", "effusion, versus pneumonia"),
        ("atx. Heart nl.", "atelectasis. Heart normal."),
        ("no ptx. no eff.", "no pneumothorax. no effusion."),
        ("pneumothorax\n// eval", "pneumothorax; evaluate"),
        ("SMALL R PTX, S/P CT TO WS", "SMALL right pneumothorax, status post chest tube TO water seal"),
    ],
)
def test_spelling_does_not_matter(text: str, expanded: str) -> None:
    assert EXPANDER.expand(text).expanded == expanded


def test_a_slash_between_two_forms_makes_two_spans() -> None:
    assert [span.short for span in EXPANDER.expand("ETT/NGT ok").spans] == ["ETT", "NGT"]


def test_a_full_stop_of_its_own_belongs_to_the_span() -> None:
    assert [span.short for span in EXPANDER.expand("bilat. effs.").spans] == ["bilat.", "effs"]


@pytest.mark.parametrize(
    "text",
    [
        "as it is or as it was, so we sat in on it at six",
        "a mass, no nodule; it was seen by us in papa and ma",
        "2cm and 5mm and 10 mm and 3 x 4 cm",
        "T5, T12, L1-L2 and C7 are intact",
        "XXXX and XXXXX were redacted on XX",
        "Vitamin R, plan L, and type IV",
        "the patient has ms in education",
        "images 2/2, dated 2/2/2020, see https://example.org//a",
        "THE HEART IS NORMAL. IT IS AS BEFORE, OR SMALLER.",
        "and/or, he/she, cardiac/mediastinal",
    ],
)
def test_everyday_words_and_measurements_stay(text: str) -> None:
    expansion = EXPANDER.expand(text)
    assert (expansion.expanded, expansion.spans) == (text, ())


# --- what is not known


def test_unknown_forms_are_listed_and_left() -> None:
    text = "New QXT and r/zz in RLL, ZQ/b; CT/QVV seen"
    expansion = EXPANDER.expand(text)
    assert [found for _, _, found in expansion.unknown] == ["QXT", "r/zz", "ZQ/b", "QVV"]
    assert all(text[start:end] == found for start, end, found in expansion.unknown)
    assert all(found in expansion.expanded for _, _, found in expansion.unknown)


@pytest.mark.parametrize(
    "text",
    [
        "FINDINGS: clear lungs. FINAL QXT: clear lungs",
        "NO ACUTE DISEASE IS SEEN IN QXT",
        "film of XXXX, XXXXPM, type III and/or VII",
        "COVID-19, OK per MD",
        "T5 and L1",
        "plan R/L",
    ],
)
def test_headings_shouting_redactions_and_numerals_are_not_unknown_forms(text: str) -> None:
    assert EXPANDER.expand(text).unknown == ()


# --- every text


PIECES = [entry.short for entry in EXPANDER.glossary()]
NOTES = st.lists(
    st.one_of(
        st.sampled_from(PIECES), st.sampled_from([*" .,;:/-()\n", "XXXX", "2", "QXT", "the"]), st.text(max_size=4)
    ),
    max_size=30,
).map("".join)


@given(st.one_of(st.text(), NOTES))
def test_spans_are_in_order_apart_and_inside_any_text(text: str) -> None:
    expansion = EXPANDER.expand(text)
    places = sorted([*((s.start, s.end, s.short) for s in expansion.spans), *expansion.unknown])
    assert [s.start for s in expansion.spans] == sorted(s.start for s in expansion.spans)
    assert list(expansion.unknown) == sorted(expansion.unknown)
    at = 0
    for start, end, short in places:
        assert at <= start < end <= len(text)
        assert text[start:end] == short
        at = end
    assert expansion.text == text
    assert "XXXX" not in [s.short for s in expansion.spans]


@given(NOTES)
def test_the_same_text_is_always_read_the_same(text: str) -> None:
    assert EXPANDER.expand(text) == ANOTHER.expand(text)


@given(NOTES)
def test_what_lies_between_the_spans_is_kept(text: str) -> None:
    expansion = EXPANDER.expand(text)
    kept, at = [], 0
    for span in expansion.spans:
        kept.append(text[at : span.start])
        at = span.end
    kept.append(text[at:])
    expected = re.sub(r"\s", "", "".join(kept))
    found = re.sub(r"\s", "", expansion.expanded)
    position = 0
    for letter in expected:
        position = found.index(letter, position) + 1


def test_a_note_takes_at_most_five_milliseconds() -> None:
    texts = [text for _, text, _ in FIRST + LATER]
    start = time.process_time()
    for text in texts:
        EXPANDER.expand(text)
    assert (time.process_time() - start) / len(texts) < 0.005


def test_a_very_long_note_takes_no_more_than_its_length_warrants() -> None:
    start = time.process_time()
    EXPANDER.expand("sm R PTX s/p CT to WS, r/o PE vs PNA; QXT z/q AS MI RA " * 400)
    assert time.process_time() - start < 5.0


# --- plain sentences of real reports


def test_500_plain_sentences_of_the_test_split_are_not_changed(open_i: Corpus) -> None:
    sentences = plain_sentences(in_split(open_i.reports, "test"))
    chosen = np.random.default_rng(0).permutation(len(sentences))[:500]
    assert len(chosen) == 500
    assert [i for i in chosen if EXPANDER.expand(sentences[i]).expanded != sentences[i]] == []


def test_the_card_counts_right_notes_and_untouched_sentences(open_i: Corpus, tmp_path: Path) -> None:
    file = tmp_path / "two.tsv"
    file.write_text("kind\ttext\texpected\nplain\tNo PTX.\tNo pneumothorax.\nplain\tNo PTX.\tNo fracture.\n")
    card = abbreviation_card([file], open_i.reports)
    assert "two: 1 of 2 notes right (50.0%)" in card
    assert "Plain test-split sentences changed: 0 of 500" in card
