from __future__ import annotations

import numpy as np

from explorer.language.shorthand import Shortener


def test_phrases_are_replaced_by_their_shorts_longest_first():
    shortener = Shortener({"effusion": ("eff",), "pleural effusion": ("pl eff",)})

    texts = {shortener.shorten("Small pleural effusion", np.random.default_rng(seed)) for seed in range(40)}

    assert "Small pl eff" in texts
    assert "Small pleural eff" not in texts


def test_words_that_merely_contain_a_phrase_are_left_alone():
    shortener = Shortener({"right": ("R",)})

    assert shortener.shorten("upright", np.random.default_rng(0)) == "upright"


def test_negation_and_side_survive_every_draw():
    shortener = Shortener.open()

    for seed in range(200):
        short = shortener.shorten("No effusion in the left lung.", np.random.default_rng(seed)).lower()
        assert "no " in short
        assert any(side in short.split() for side in ("left", "l", "lt"))


def test_the_same_draw_gives_the_same_shorthand():
    shortener, text = Shortener.open(), "Small right pneumothorax with chest tube."

    assert shortener.shorten(text, np.random.default_rng(7)) == shortener.shorten(text, np.random.default_rng(7))
