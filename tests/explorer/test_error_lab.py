from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent / "review"))

from review_engine import WordCounter

from explorer.error_lab import ErrorLab, Pair, borne_out, by_vectors, by_words, has_both, margins, strip
from explorer.language.error_injection import CATEGORIES
from explorer.language.findings import FindingsReader
from explorer.types import Report, StudyMeta
from explorer.ui.work import Stopped

LAB = ErrorLab.open()
FINDINGS = "There is a small left pleural effusion. A nodule of 12 mm in the right upper lobe."
IMPRESSION = "Small left pleural effusion. 12 mm nodule in the right upper lobe. Endotracheal tube above the carina."


def study(number, findings=FINDINGS, impression=IMPRESSION):
    return Report(f"x:{number}", "x", {"findings": findings, "impression": impression}, (), StudyMeta(), "")


def test_all_nine_categories_are_shown_with_the_one_sentence_each_changes():
    found = LAB.errors(FINDINGS, IMPRESSION, 4096)
    assert [one.category for one in found] == list(CATEGORIES)
    for one in found:
        assert one.after in one.text
        assert one.before == "" or one.before in IMPRESSION
        assert one.before not in one.text.split(one.after) or one.before == ""
        assert one.after[one.start : one.end]


def test_an_added_sentence_has_no_sentence_before():
    at = {one.category: one for one in LAB.errors(FINDINGS, IMPRESSION, 4096)}
    assert at["false prediction"].before == ""
    assert at["change severity"].before == "Small left pleural effusion."


@pytest.mark.parametrize(
    ("findings", "borne"),
    [("There is a right pneumothorax.", True), ("A left pneumothorax.", False), ("Clear lungs.", False)],
)
def test_what_the_findings_bear_out_is_no_error(findings, borne):
    told = "No acute disease. Right pneumothorax."
    assert borne_out(told, "No acute disease.", findings, FindingsReader.open()) is borne


def test_a_margin_is_the_difference_of_the_two_scores():
    encoder = WordCounter("e", seed=1)
    pair = Pair(FINDINGS, IMPRESSION, "No effusion.", "false negation")
    query, true, wrong = encoder.encode([FINDINGS, IMPRESSION, "No effusion."])
    assert margins([pair], by_vectors(encoder))[0] == pytest.approx(float(query @ true - query @ wrong), abs=1e-6)
    assert margins([], by_vectors(encoder)).shape == (0,)


def test_words_alone_notice_what_changes_a_word_of_the_query_and_no_more():
    known = ["No acute disease.", "Small effusion.", "Nodule of the lung."]
    findings = "Small left effusion at the base."

    def margin(true, wrong):
        return margins([Pair(findings, true, wrong, "false negation")], by_words(known))[0]

    assert margin("Small left effusion.", "Small right effusion.") > 0  # "left" is in the findings, "right" is not
    assert margin("Effusion of the left.", "Mass of the right.") > margin(
        "Effusion of the left.", "Effusion of the right."
    )
    assert margin("Sharp angles.", "Blunt angles.") == pytest.approx(0, abs=1e-9)  # words the findings have not


def test_a_word_counts_by_how_rare_it_is_among_the_known_impressions():
    def margin(known):
        return margins([Pair("edema", "edema", "clear", "false negation")], by_words(known))[0]

    assert margin(["clear", "normal", "nodule"]) > margin(["mild edema", "edema left", "edema right"])


def test_the_strip_counts_every_error_of_every_study():
    made = list(LAB.pairs([study(number) for number in range(5)], 7))
    found = strip(
        made, [("e", lambda: by_vectors(WordCounter("e", seed=1))), ("f", lambda: by_vectors(WordCounter("f", seed=2)))]
    )
    assert [one.encoder for one in found] == ["e"] * 9 + ["f"] * 9
    expected = {name: sum(pair.category == name for pairs in made for pair in pairs) for name in CATEGORIES}
    assert {one.category: one.interval.n for one in found[:9]} == expected
    pairs = [pair for some in made for pair in some if pair.category == "change severity"]
    share = np.mean(margins(pairs, by_vectors(WordCounter("e", seed=1))) > 0)
    assert found[0].interval.mean == pytest.approx(share)


def test_the_strip_ends_where_its_progress_says_so():
    made, seen = list(LAB.pairs([study(number) for number in range(20)], 7)), []

    def tell(what, share):
        seen.append(share)
        if len(seen) == 2:
            raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        strip(made, [("e", lambda: by_vectors(WordCounter("e", seed=1)))], tell)
    assert seen == [0.0, 16 / 20]


def test_a_study_without_one_of_the_two_has_no_place_in_the_lab():
    assert has_both(study(1))
    assert not has_both(study(1, impression="XXXX"))
    assert not has_both(study(1, findings=""))
