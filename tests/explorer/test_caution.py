from __future__ import annotations

import numpy as np

from explorer.caution import caution
from models.interfaces import Dual, Likeness

FILM = np.zeros((4, 4), np.uint8)


class Says:
    def __init__(self, likeness):
        self.likeness = likeness

    def judge(self, film):
        assert film is FILM
        return self.likeness


def said(likeness):
    return caution(Dual(None, None, Says(likeness) if likeness else None), FILM)


def test_a_film_like_those_the_tower_knows_is_not_cautioned():
    assert said(Likeness(unlike=False, farther=0.03, held_out=128)) == ""


def test_a_tower_nobody_measured_cautions_of_nothing():
    assert said(None) == ""


def test_a_caution_says_against_how_many_it_was_measured():
    assert "of 128 others, none lay farther out" in said(Likeness(unlike=True, farther=0.0, held_out=128))
    assert "of 128 others, 2 lay farther out" in said(Likeness(unlike=True, farther=2 / 128, held_out=128))


def test_a_kind_that_is_recognised_is_named():
    lateral = said(Likeness(unlike=True, farther=0.4, held_out=128, kind="a lateral film"))
    assert lateral.startswith("This picture looks like a lateral film.")
    assert "upright frontal chest radiographs only" in lateral
