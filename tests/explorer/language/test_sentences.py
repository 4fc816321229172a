from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.language.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("Clear", ["Clear"]),
        ("Clear lungs. No edema.", ["Clear lungs.", "No edema."]),
        ("1. Clear lungs. 2. No edema.", ["1. Clear lungs.", "2. No edema."]),
        ("2.No edema.", ["2.No edema."]),
        ("A 1.5 cm nodule. Stable.", ["A 1.5 cm nodule.", "Stable."]),
        ("Seen by Dr. Roe today. Clear.", ["Seen by Dr. Roe today.", "Clear."]),
        ("Edema vs. infection. Clear.", ["Edema vs. infection.", "Clear."]),
        ("L. base opacity. Clear.", ["L. base opacity.", "Clear."]),
        ("Within limits.The lungs are clear.", ["Within limits.", "The lungs are clear."]),
        ("no effusion. heart normal.", ["no effusion.", "heart normal."]),
        ("Is it edema? Clear..", ["Is it edema?", "Clear.."]),
        ("Clear lungs\nNo edema", ["Clear lungs", "No edema"]),
        ("Degenerated T12. Clear.", ["Degenerated T12.", "Clear."]),
    ],
)
def test_a_sentence_ends_at_a_stop_that_is_no_abbreviation_decimal_or_list_number(text: str, expected: list[str]):
    assert [sentence.text for sentence in sentences(text)] == expected


@given(st.text(max_size=200))
def test_sentences_are_their_place_in_the_text_in_order_and_lose_no_word(text: str):
    found = sentences(text)
    assert all(text[one.start : one.end] == one.text == one.text.strip() for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert "".join("".join(one.text for one in found).split()) == "".join(text.split())
