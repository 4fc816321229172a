from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from test_render import Structure

from explorer.nearness import Floor
from explorer.types import Agreement, Finding, Hit, Query, Report, SearchResult, StudyMeta
from explorer.ui import hits_html


def study(findings: str = "", impression: str = "", **other: str) -> Report:
    sections = {"impression": impression, **other, "findings": findings}
    return Report("made-up:1", "made-up", sections, (), StudyMeta(), "CC BY 4.0")


def one(hit: Hit, score_name: str = "cosine", scope: str = "report") -> str:
    result = SearchResult(Query(text="q"), "pocket", "report", score_name, "made-up", scope, (hit,), 0.1)
    return hits_html.card(hit, result)


def test_a_card_names_its_score_and_says_it_in_words():
    card = Structure(one(Hit(3, 0.8249, study("Clear lungs."), closer_than=0.993))).text
    assert card.startswith("30.82 cosineclose: closer than 99.3\u00a0% of unrelated pairs")


def test_a_score_below_half_of_the_unrelated_pairs_is_not_called_close():
    card = Structure(one(Hit(1, 0.31, study("Clear lungs."), closer_than=0.004))).text
    assert "no closer than most unrelated pairs" in card


def test_a_word_score_has_no_share_of_pairs():
    card = Structure(one(Hit(1, 12.345, study("Clear lungs.")), "bm25")).text
    assert card.startswith("112.3 BM25")
    assert "closer than" not in card


def test_findings_come_first_and_empty_sections_not_at_all():
    card = one(Hit(1, 0.5, study("Clear lungs.", "Normal.", comparison="  ", indication="Cough.")))
    assert card.index("Clear lungs.") < card.index("Normal.") < card.index("Cough.")
    assert "comparison" not in card


def test_the_searched_section_is_marked():
    card = one(Hit(1, 0.5, study("Clear lungs.", "Normal.")), scope="impression")
    assert '<span class="tag">findings</span><span class="tag searched">impression</span>' in card


def test_identical_studies_are_counted_with_this_one_and_named_up_to_twelve():
    twins = tuple(f"made-up:{number}" for number in range(2, 17))
    card = Structure(one(Hit(1, 0.5, study("Clear lungs."), identical=twins))).text
    assert "×16 identical" in card
    assert "made-up:13 and 3 more" in card
    assert "made-up:14" not in card


def test_no_hit_says_what_to_do():
    result = SearchResult(Query(text="q"), "pocket", "report", "cosine", "made-up", "report", (), 0.1)
    assert "Widen the age range" in hits_html.answer(result)


@pytest.mark.parametrize(
    ("verdict", "sign"), [("agrees", "✓"), ("contradicts", "✗"), ("uncertain", "?"), ("not mentioned", "–")]
)
def test_each_finding_asked_for_has_a_sign_and_a_word_for_its_verdict(verdict, sign):
    asked = Finding("Pleural Effusion", "present", "", "left", "small", "query", 0, 1)
    hit = Hit(1, 0.5, study("x"), agreement=(Agreement(asked, verdict, None),))
    page = Structure(one(hit))
    assert f"{sign} small left pleural effusion" in page.text
    assert verdict in page.values


def test_a_denied_finding_is_named_with_its_denial():
    asked = Finding("Pneumothorax", "absent", "", "", "", "query", 0, 1)
    hit = Hit(1, 0.5, study("x"), agreement=(Agreement(asked, "agrees", None),))
    assert "✓ no pneumothorax" in Structure(one(hit)).text


def finding(name: str, status: str, words: str, text: str, section: str = "findings") -> Finding:
    start = text.index(words)
    return Finding(name, status, "", "", "", section, start, start + len(words))


def answered(report: Report, *asked: Finding, **more: object) -> SearchResult:
    hit = Hit(1, 0.5, report, agreement=tuple(Agreement(one, "agrees", None) for one in asked))
    return SearchResult(
        Query(text="q"), "pocket", "report", "cosine", "m", "report", (hit,), 0.1, (), "", asked, **more
    )


TEXT = "No pneumothorax. Small effusion, possible pneumonia. Heart XXXX normal."


def test_what_was_asked_for_is_marked_where_the_report_says_it_with_what_it_says():
    report = study(TEXT)
    said = (
        finding("Pneumothorax", "absent", "pneumothorax", TEXT),
        finding("Pleural Effusion", "present", "effusion", TEXT),
        finding("Pneumonia", "uncertain", "pneumonia", TEXT),
        finding("Cardiomegaly", "absent", "Heart XXXX normal", TEXT),
    )
    asked = tuple(
        Finding(name, "present", "", "", "", "query", 0, 1)
        for name in ("Pneumothorax", "Pleural Effusion", "Pneumonia", "Cardiomegaly")
    )
    card = hits_html.card(*parts(answered(replace(report, findings=said), *asked)))
    for mark in (
        '<mark class="contradicts" title="contradicts: no pneumothorax">pneumothorax</mark>',
        '<mark class="agrees" title="agrees: pleural effusion">effusion</mark>',
        '<mark class="uncertain" title="uncertain: possible pneumonia">pneumonia</mark>',
    ):
        assert mark in card
    assert "▮</span> normal</mark>" in card


def parts(result: SearchResult) -> tuple[Hit, SearchResult]:
    return result.hits[0], result


def test_a_finding_that_was_not_asked_for_is_not_marked_but_can_be_left_out():
    report = replace(study(TEXT), findings=(finding("Pleural Effusion", "present", "effusion", TEXT),))
    card = hits_html.card(*parts(answered(report)))
    assert "<mark" not in card
    assert 'data-without="Pleural Effusion"' in card


def test_of_two_marks_that_overlap_the_longer_first_one_stays():
    one = Finding("A", "present", "", "", "", "findings", 0, 9)
    shown = hits_html.marked("abcdefghij", [(2, 5, "agrees", one), (0, 9, "agrees", one), (0, 3, "agrees", one)])
    assert shown == '<mark class="agrees" title="agrees: a">abcdefghi</mark>j'


def test_a_section_that_was_not_searched_is_folded():
    card = one(Hit(1, 0.5, study("Clear lungs.", "Normal.")), scope="impression")
    assert '<details class="others section"><summary>findings</summary>' in card
    assert '<section class="impression"><h3>' in card


def test_every_sentence_of_the_original_report_can_be_copied_as_the_source_wrote_it():
    card = one(Hit(1, 0.5, study("Tube XXXX up. Lungs clear.", "Normal.", indication="Cough.")))
    for sentence in ("Tube XXXX up.", "Lungs clear.", "Normal.", "Cough."):
        assert f'data-copy="{sentence}"' in card


def test_the_files_of_an_answer_hold_every_hit_and_no_cell_is_a_formula():
    report = replace(study("=HYPERLINK(1)", " @cmd", indication="+1\n-2"), id="-2:3")
    result = answered(report)
    page = Structure(hits_html.answer(result))
    text = result_file(hits_html.answer(result), "csv")
    (row,) = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    assert text.startswith("\ufeff")
    assert (row["findings"], row["impression"], row["indication"]) == ("'=HYPERLINK(1)", "' @cmd", "'+1\n-2")
    assert (row["id"], row["rank"], row["score"]) == ("'-2:3", "1", "0.5")
    (hit,) = json.loads(result_file(hits_html.answer(result), "json"))["hits"]
    assert (hit["id"], hit["sections"]["findings"]) == ("-2:3", "=HYPERLINK(1)")
    assert "save as CSV" in page.text


def result_file(markup: str, kind: str) -> str:
    import html
    import re

    return html.unescape(re.search(rf'data-{kind}="(.*?)"', markup, re.DOTALL)[1])


@pytest.mark.parametrize(
    ("share", "word"),
    [(0.9995, "very close"), (0.99, "close"), (0.96, "related"), (0.6, "loosely related"), (0.2, "not close")],
)
def test_a_score_is_called_by_a_word_for_the_share_of_pairs_it_is_above(share, word):
    assert Structure(one(Hit(1, 0.5, study("x"), closer_than=share))).text.split("cosine")[1].startswith(f"{word}: ")


@pytest.mark.parametrize(("best", "similar"), [(0.24, False), (0.25, False), (0.26, True)])
def test_nothing_similar_is_said_where_other_texts_come_as_near(best, similar):
    result = replace(answered(study("x")), hits=(Hit(1, best, study("x")),))
    said = hits_html.warning(result, Floor(0.25, 40))
    assert (said == "") is similar
    assert similar or ("0.25 for 95 % of 40 such texts" in said and f"{best} cosine" in said)


def test_without_a_floor_or_a_hit_nothing_is_claimed():
    assert hits_html.warning(answered(study("x")), None) == ""
    assert hits_html.warning(replace(answered(study("x")), hits=()), Floor(0.9, 40)) == ""


def test_words_that_no_report_has_are_said_to_be_in_none():
    result = SearchResult(Query(text="q"), "bm25", "words", "bm25", "made-up", "report", (), 0.1)
    assert "has any of these words" in hits_html.answer(result)


def test_a_caution_stands_above_the_hits_for_everybody_to_hear():
    result = SearchResult(Query(text="q"), "pocket", "image", "cosine", "made-up", "report", (), 0.1)
    warned = hits_html.answer(replace(result, caution="This is no chest."))
    assert warned.startswith('<p class="status alert" role="alert">This is no chest.</p>')
    assert "alert" not in hits_html.answer(result)
