from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.corpora.sections import collapse, scope_text, without_redactions

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
