from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from explorer.corpora import openi
from explorer.corpora.sections import scope_text
from explorer.corpora.split import in_split
from explorer.language.phrases import table
from explorer.types import SCOPES, Finding
from models.interfaces import SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION
from training.losses import contrastive
from training.pairs import Mix, Pair, PairMaker, _status_sentences, documents_of, impression_bank, says_the_same
from training.texts import Told, told

NOTHING = dict.fromkeys(("summary", "search", "variant", "note", "indication", "status", "term", "made"), 0.0)
ALWAYS = dict.fromkeys(NOTHING, 1.0) | {"wrong": 1.0}
STUDY = Told(
    id="openi:2",
    findings="There is a small left pleural effusion, unchanged. The heart is normal.",
    impression="Small left pleural effusion.",
    report="There is a small left pleural effusion, unchanged. The heart is normal. Small left pleural effusion.",
    similar=("Tiny fluid on the left.",),
    split="There is a small left pleural effusion. The heart is normal.",
    omitted="There is a small left pleural effusion. The heart is normal.",
    anatomical="Pleura: There is a small left pleural effusion. Heart: The heart is normal.",
    indication=("SOB.", "Shortness of breath."),
    codes=("Pleural Effusion/left",),
)


@cache
def maker(**mix):
    """One that makes what is named here and nothing else."""
    return PairMaker.open(Mix(**{**NOTHING, **mix}))


def only(family, study=STUDY, **mix):
    """An epoch's pairs of one study and one family."""
    return maker(**{family: 1.0}, **mix).epoch([study], 4096, 0)


def of_many_epochs(family):
    """The pairs of one study and one family in sixty epochs."""
    return [pair for epoch in range(60) for pair in maker(**{family: 1.0}).epoch([STUDY], 1, epoch)]


@pytest.fixture(scope="module")
def studies(made_corpus):
    return told(in_split(openi.read().reports, "train"))


@pytest.fixture(scope="module")
def pairs(studies):
    return maker(**ALWAYS).epoch(studies, 4096, 0)


def of(pairs, family):
    return [pair for pair in pairs if pair.family == family]


def test_every_family_is_made_and_asked_with_its_instruction(pairs):
    asked = {family: {pair.instruction for pair in of(pairs, family)} for family in NOTHING}
    assert asked["summary"] == asked["made"] == {SUMMARY_INSTRUCTION}
    assert all(text.startswith("Determine the change or status of the ") for text in asked["status"])
    assert asked["status"] >= {"Determine the change or status of the pleural effusion"}
    for family in ("search", "variant", "note", "indication", "term"):
        assert asked[family] == {SEARCH_INSTRUCTION}, family


def test_findings_ask_for_their_impression(studies, pairs):
    sections = {study.id: study for study in studies}
    assert len(of(pairs, "summary")) == len(studies)
    for pair in of(pairs, "summary"):
        assert pair.document == sections[pair.study].impression
    (plain,) = only("summary", thinned=0.0, shorthand=0.0, wrong=0.0)
    assert set(plain.query.replace(".", "").split()) == set(STUDY.findings.replace(".", "").split())


def test_some_sentences_in_any_order_ask_for_their_report():
    made = of_many_epochs("search")
    assert {pair.document for pair in made} == {STUDY.report}
    assert len({pair.query for pair in made}) > 5


def test_a_retelling_and_its_original_ask_for_one_another():
    made = {(pair.query, pair.document) for pair in of_many_epochs("variant")}
    told_of_findings = {(text, STUDY.findings) for text in (STUDY.split, STUDY.anatomical)}
    expected = told_of_findings | {(STUDY.similar[0], STUDY.report)}
    assert made == expected | {(document, query) for query, document in expected}


def test_shorthand_asks_for_the_same_in_full():
    made = of_many_epochs("note")
    assert len(made) > 30
    for pair in made:
        assert pair.query != pair.document
        assert all(sentence in STUDY.report for sentence in pair.document.split(". "))


def test_an_indication_in_short_forms_and_in_full_ask_for_one_another():
    made = {(pair.query, pair.document) for pair in of_many_epochs("indication")}
    assert made == {STUDY.indication, STUDY.indication[::-1]}


def test_a_study_gives_no_pair_of_a_family_that_it_has_nothing_for():
    empty = Told("openi:4", "", "", "", (), "", "", "", ("Cough.",), ())
    for family in ("summary", "search", "variant", "note", "indication", "status"):
        assert only(family, empty) == []


def test_a_family_is_made_as_often_as_the_mix_says(studies):
    made = maker(summary=0.25, wrong=0.0).epoch(list(studies) * 4, 7, 0)
    assert {pair.family for pair in made} == {"summary"}
    assert len(made) / (4 * len(studies)) == pytest.approx(0.25, abs=0.05)


def test_the_same_seed_and_epoch_give_the_same_pairs_and_others_do_not(studies, pairs):
    everything = maker(**ALWAYS)
    assert everything.epoch(studies, 4096, 0) == pairs
    assert everything.epoch(studies[:20], 4096, 0) != everything.epoch(studies[:20], 4096, 1)
    assert everything.epoch(studies[:20], 4096, 0) != everything.epoch(studies[:20], 4097, 0)


def test_no_pair_comes_from_a_validation_or_test_study(studies, pairs):
    numbers = {int(pair.study.removeprefix("made beside ").partition(":")[2]) for pair in pairs}
    assert all(number % 5 and number % 10 != 1 for number in numbers)
    assert len(numbers) == len(studies)
    reports = openi.read().reports
    others = in_split(reports, "validation") + in_split(reports, "test")
    theirs = {scope_text(one.sections, scope) for one in others for scope in SCOPES}
    assert len(theirs) > 100
    assert not {text for pair in pairs for text in (pair.query, pair.document)} & theirs


def test_hard_negatives_are_like_their_document_and_never_equal_to_it(pairs):
    with_wrong = {family: [pair for pair in of(pairs, family) if pair.wrong] for family in NOTHING}
    for family in ("summary", "note", "status"):
        assert len(with_wrong[family]) > 0.8 * len(of(pairs, family)), family
    for pair in (pair for made in with_wrong.values() for pair in made):
        assert pair.document not in pair.wrong
    for family in ("search", "variant", "indication"):
        assert not with_wrong[family]


def test_an_error_in_an_impression_leaves_most_of_it_as_it_was():
    (pair,) = only("summary", wrong=1.0)
    assert len(pair.wrong) == len(set(pair.wrong)) == 3
    for wrong in pair.wrong:
        assert len(set(wrong.split()) & set(pair.document.split())) >= 2


def test_an_error_that_the_findings_bear_out_is_none():
    findings = (
        "Small left pleural effusion. Mild cardiomegaly. Stable right pneumothorax. Left atelectasis. Old fracture."
    )
    study = replace(STUDY, findings=findings, impression="Small left pleural effusion.")
    told = [
        wrong
        for epoch in range(40)
        for pair in maker(summary=1.0, wrong=1.0, thinned=0.0, shorthand=0.0).epoch([study], 1, epoch)
        for wrong in pair.wrong
    ]
    assert told
    assert not any("cardiomegaly" in wrong and "no " not in wrong.lower() for wrong in told)


def test_a_study_whose_impression_is_abnormal_is_asked_twice_where_the_mix_says_so():
    normal = replace(STUDY, impression="No acute cardiopulmonary abnormality.")
    assert [len(only("summary", study, again=1.0)) for study in (STUDY, normal)] == [2, 1]


def test_no_sentence_that_an_evaluation_puts_in_is_put_in_here(studies):
    mix = {"summary": 1.0, "note": 1.0, "made": 1.0, "wrong": 1.0}
    put_in = [text for pair in maker(**mix).epoch(studies, 1, 0) for text in (pair.document, *pair.wrong)]
    kept = [row["text"] for row in table("errors.tsv") if row["category"] in ("statement", "device")]
    told = {text for study in studies for text in (study.report, study.impression)}
    assert len(put_in) > 100
    for sentence in kept:
        if not any(sentence in text for text in told):
            assert not any(sentence in text for text in put_in), sentence


def test_no_error_is_made_where_the_mix_asks_for_none(studies):
    mix = {**ALWAYS, "wrong": 0.0, "status": 0.0}
    assert not any(pair.wrong for pair in maker(**mix).epoch(studies, 1, 0))


def finding(status, laterality="", name="pleural effusion"):
    return Finding(name, status, "", laterality, "", "", 0, 1)


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        (finding("present", "left"), "Pleural effusion is seen on the left.", "No pleural effusion."),
        (finding("present", "bilateral"), "Pleural effusion is seen.", "No pleural effusion."),
        (finding("absent"), "No pleural effusion.", "Pleural effusion is seen."),
        (finding("absent", "right"), "No pleural effusion.", "Pleural effusion is seen on the right."),
    ],
)
def test_a_status_is_told_in_a_sentence_and_its_opposite_is_the_error(said, right, wrong):
    assert _status_sentences(said) == (right, wrong)


def test_a_report_asked_about_a_finding_answers_with_its_status():
    study = Told("openi:2", "", "", "Small left pleural effusion.", (), "", "", "", (), ())
    (pair,) = only("status", study)
    assert pair.instruction == "Determine the change or status of the pleural effusion"
    assert pair.query == "Small left pleural effusion."
    assert pair.document == "Pleural effusion is seen on the left."
    assert pair.wrong == ("No pleural effusion.",)


def test_documents_come_in_the_order_of_their_pairs_and_errors_after_them():
    batch = [pair("a", wrong=("a1", "a2")), pair("b"), pair("c", wrong=("c1",))]
    assert documents_of(batch) == ["a", "b", "c", "a1", "a2", "c1"]


def pair(document, study="", family="note", normal=False, wrong=()):
    return Pair(family, "", "query", document, study or document, normal, wrong)


def test_no_negative_is_what_says_the_same_computed_by_hand():
    batch = [
        pair("Clear.", "1", "summary", normal=True),
        pair("Effusion.", "2"),
        pair("Normal chest.", "3", "variant", normal=True),
        pair("Heart large.", "2", wrong=("Clear.", "Heart small.")),  # of study 2, as the second
        pair("Effusion. ", "4", "search"),  # the second's words, white space aside
        pair("No fluid.", "5", "search", normal=True),
    ]
    assert says_the_same(batch).astype(int).tolist() == [
        # Clear, Effusion, Normal, Heart, Effusion, No fluid | Clear, Heart small; the second of two equal never counts
        [1, 0, 0, 0, 1, 0, 1, 0],  # asks for an impression: another normal study's wording is no answer
        [0, 1, 0, 1, 1, 0, 1, 0],  # its own study and its own words
        [0, 0, 1, 0, 1, 0, 1, 0],  # asks how a study is told: another normal study is no answer
        [0, 1, 0, 1, 1, 0, 1, 0],  # an error put into its own document stays an error
        [0, 1, 0, 0, 1, 0, 1, 0],
        [1, 0, 1, 0, 1, 1, 1, 0],  # asks what a normal study means: any normal study answers
    ]


def test_the_bank_is_for_queries_that_ask_for_an_impression_computed_by_hand():
    batch = [pair("Clear.", "1", "summary"), pair("Effusion.", "2", "search"), pair("Large heart.", "3", "summary")]
    assert documents_of(batch, ["Clear.", "Mass."]) == ["Clear.", "Effusion.", "Large heart.", "Clear.", "Mass."]
    assert says_the_same(batch, ["Clear.", "Mass."]).astype(int).tolist() == [
        [1, 0, 0, 1, 0],
        [0, 1, 0, 1, 1],
        [0, 0, 1, 1, 0],  # the batch holds "Clear." already
    ]


def test_the_bank_holds_every_common_impression_and_a_draw_of_the_others():
    impressions = ["Clear."] * 3 + ["Normal."] * 4 + ["Mass."] * 2 + ["Effusion.", "Fracture."]
    banks = [impression_bank(impressions, 2, np.random.default_rng(seed)) for seed in range(20)]
    for bank in banks:
        assert bank[:2] == ["Clear.", "Normal."]
        assert len(bank) == len(set(bank)) == 4
    assert {text for bank in banks for text in bank} == set(impressions)
    assert impression_bank(impressions, 0, np.random.default_rng(0)) == ["Clear.", "Normal."]


def test_the_mask_has_the_shape_that_the_loss_takes(pairs):
    import torch

    batch = pairs[:8]
    same = says_the_same(batch)
    documents = documents_of(batch)
    assert same.shape == (8, len(documents))
    assert np.diag(same).all()
    vectors = torch.randn(8 + len(documents), 4, generator=torch.Generator().manual_seed(0))
    assert contrastive(vectors[:8], vectors[8:], torch.from_numpy(same), 20.0).isfinite()
