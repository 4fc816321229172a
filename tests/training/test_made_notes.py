from __future__ import annotations

import numpy as np
import pytest

from training.made_notes import OPPOSITES, WRONG, NoteMaker, _opposites

SLOTS = {"finding": [("eff", "effusion")], "field": [("RLL", "right lower lobe")], "device": [("ETT", "tube")]}
OTHERS = {slot: [("x", "long")] for slot in ("procedure", "history", "symptom", "view", "place")}


@pytest.fixture(scope="module")
def notes():
    maker, draw = NoteMaker(SLOTS | OTHERS), np.random.default_rng(0)
    return [maker.make(draw) for _ in range(400)]


def test_a_note_has_no_slot_left_and_its_full_form_no_short_one(notes):
    for note in notes:
        assert "{" not in note.short + note.full
        assert not {"eff", "RLL", "ETT", "unch", "rt"} & set(note.full.replace(".", "").replace(",", "").split())
        assert note.full.endswith(".")
        assert note.full[0].isupper()


def test_a_wrong_copy_differs_from_the_note_in_one_word_and_copies_from_one_another(notes):
    for note in notes:
        assert len(set(note.wrong)) == len(note.wrong) <= WRONG
        for wrong in note.wrong:
            assert wrong != note.full
    assert {len(note.wrong) for note in notes} == {0, 1, 2, 3}


def test_a_word_is_turned_with_its_capital_and_its_mark():
    draw = np.random.default_rng(0)
    assert _opposites("Right effusion.", draw) == ("Left effusion.",)
    assert _opposites("Effusion in the right lung, unchanged.", draw) in (
        ("Effusion in the left lung, unchanged.", "Effusion in the right lung, increased."),
        ("Effusion in the right lung, increased.", "Effusion in the left lung, unchanged."),
    )
    assert _opposites("No effusion.", draw) == ("A new effusion.",)
    assert _opposites("Chest radiograph.", draw) == ()


def test_no_word_is_its_own_opposite():
    assert all(word != turned for word, turned in OPPOSITES.items())


def test_the_same_draw_makes_the_same_note():
    maker = NoteMaker.open()
    assert maker.make(np.random.default_rng(3)) == maker.make(np.random.default_rng(3))
