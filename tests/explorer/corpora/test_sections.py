from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.corpora.sections import by_headings, collapse, scope_text, without_redactions

BOTH = {"findings": "Lungs clear.", "impression": "Normal.", "indication": "Cough"}


@pytest.mark.parametrize(
    ("sections", "scope", "text"),
    [
        (BOTH, "report", "Lungs clear.\nNormal."),
        (BOTH, "findings", "Lungs clear."),
        (BOTH, "impression", "Normal."),
        ({"impression": "Normal."}, "report", "Normal."),
        ({"impression": "Normal."}, "findings", ""),
        ({"indication": "Cough"}, "report", ""),
    ],
)
def test_a_scope_holds_its_sections_and_leaves_a_missing_one_out(sections, scope, text):
    assert scope_text(sections, scope) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("There are no XXXX of effusion.", "There are no of effusion."),
        ("Normal chest x-XXXX.", "Normal chest."),
        ("XXXX-year-old male", "male"),
        ("Compared to XXXX, XXXX.", "Compared to,."),
        ("XXXX", ""),
        ("No redaction here", "No redaction here"),
    ],
)
def test_redacted_words_are_dropped_and_their_closing_punctuation_kept(text, kept):
    assert without_redactions(text) == kept


@given(st.text())
def test_dropping_redactions_twice_changes_nothing_more(text):
    once = without_redactions(text)

    assert without_redactions(once) == once
    assert "XXXX" not in once


def test_texts_that_differ_in_white_space_only_collapse_to_one():
    assert collapse(" No \n effusion.\t") == collapse("No effusion.")


@pytest.mark.parametrize("text", ["a ___-year-old with a line", "___ a with a line", "a with ___. a line"])
def test_words_that_mimic_removed_are_dropped_as_those_of_openi_are(text):
    assert "___" not in without_redactions(text)


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("FINDINGS: Clear.\nIMPRESSION: Normal.", {"findings": "Clear.", "impression": "Normal."}),
        ("Findings:\r\nClear.\r\n\r\nImpression:\r\n1. Normal.", {"findings": "Clear.", "impression": "1. Normal."}),
        ("FINDINGS/IMPRESSION: Clear.", {"findings": "Clear."}),
        ("FINDINGS AND IMPRESSION: Clear.", {"findings": "Clear."}),
        ("IMPRESSION AND RECOMMENDATION: Repeat.", {"impression": "Repeat."}),
        ("REASON FOR THE EXAM: cough\nCONCLUSION: Normal.", {"indication": "cough", "impression": "Normal."}),
        ("IMPRESSION: Old.\nADDENDUM: changed.\nIMPRESSION: New.", {"impression": "New."}),
        ("IMPRESSION: Kept.\nIMPRESSION:\n", {"impression": "Kept."}),
        ("FINDINGS: LUNGS: clear.\nHEART: normal.", {"findings": "LUNGS: clear.\nHEART: normal."}),
        ("FINDINGS: Clear.\nTECHNIQUE: one view.", {"findings": "Clear."}),
        ("IMPRESSION: Normal.\nIncidental finding: a rib.", {"impression": "Normal.\nIncidental finding: a rib."}),
        ("The impression: none.", {}),
        ("", {}),
        (":\n::", {}),
    ],
)
def test_sections_are_what_stands_under_their_heading(text, sections):
    assert by_headings(text, "source") == sections


def test_a_rule_for_unmarked_reports_leaves_marked_ones_alone_and_keeps_what_else_is_marked():
    assert by_headings("IMPRESSION: Normal.", "whole") == {"impression": "Normal."}
    told = by_headings("INDICATION: cough\n\nClear lungs.", "last-paragraph")
    assert told == {"indication": "cough\n\nClear lungs.", "findings": "Clear lungs."}
    assert by_headings(" \n ", "whole") == {}


@given(st.text(alphabet=st.sampled_from("FINDGSMPREO:\n a.")), st.sampled_from(["source", "last-paragraph", "whole"]))
def test_any_text_has_sections_with_words_from_it(text, rule):
    for body in by_headings(text, rule).values():
        assert body
        assert set(body.split()) <= set(text.replace(":", ": ").split()) | set(text.split())
