from __future__ import annotations

import pytest

from explorer.review.ranks import competition, midranks, spread


@pytest.mark.parametrize(
    ("levels", "ranks"),
    [
        ((1, 2, 2, 3), (1, 2, 2, 4)),  # dense
        ((1, 2, 2, 4, 5, 6), (1, 2, 2, 4, 5, 6)),  # competition: as it was, the paper's own example
        ((3, 3, 3), (1, 1, 1)),
        ((2, 1), (2, 1)),
        ((0.5, 12, 0.5), (1, 3, 1)),
        ((), ()),
    ],
)
def test_levels_become_competition_ranks(levels, ranks):
    assert competition(levels) == ranks


def test_midranks_share_the_places_of_a_tie():
    assert midranks((1, 2, 2, 4)) == (1.0, 2.5, 2.5, 4.0)


def test_models_that_gave_one_text_tie_and_those_behind_are_moved_back():
    assert spread((2, 1, 3), [("c",), ("a", "b"), ("d",)]) == {"a": 1, "b": 1, "c": 3, "d": 4}
