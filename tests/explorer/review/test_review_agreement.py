from __future__ import annotations

import pytest

from explorer.review.agreement import concordance, judges_and_humans, kendalls_w, pairs, tau_b
from explorer.review.records import Ballot


def test_kendalls_w_by_hand():
    assert kendalls_w([(1, 2, 3), (1, 2, 3), (1, 2, 3)]) == pytest.approx(1)
    assert kendalls_w([(1, 2, 3), (3, 2, 1)]) == pytest.approx(0)
    # sums 4, 6, 8, 12: S = 35; 12 × 35 / (9 × 60)
    assert kendalls_w([(1, 2, 3, 4), (2, 1, 3, 4), (1, 3, 2, 4)]) == pytest.approx(12 * 35 / 540)


def test_kendalls_w_is_corrected_for_ties():
    # midranks 1.5 1.5 3 and 1 2 3: sums 2.5 3.5 6, S = 6.5; ties 2³ − 2 = 6: 12 × 6.5 / (4 × 24 − 2 × 6)
    assert kendalls_w([(1, 1, 3), (1, 2, 3)]) == pytest.approx(78 / 84)
    assert kendalls_w([(1, 1, 3), (1, 1, 3)]) == pytest.approx(1)


@pytest.mark.parametrize("levels", [[], [(1, 2, 3)], [(1,), (1,)], [(1, 1, 1), (1, 1, 1)]])
def test_kendalls_w_is_none_where_it_is_not_defined(levels):
    assert kendalls_w(levels) is None


def test_tau_b_by_hand():
    assert tau_b((1, 2, 3), (1, 2, 3)) == pytest.approx(1)
    assert tau_b((1, 2, 3), (3, 2, 1)) == pytest.approx(-1)
    assert tau_b((1, 2, 3, 4), (1, 2, 4, 3)) == pytest.approx(4 / 6)
    assert tau_b((1, 1, 3), (1, 2, 3)) == pytest.approx(2 / (2 * 3) ** 0.5)
    assert tau_b((1, 1, 1), (1, 2, 3)) is None


def cast(rater, kind, *rows):
    return [Ballot(rater, kind, case, dict(zip("abc", ranks, strict=True))) for case, ranks in enumerate(rows, 1)]


R, S = cast("R", "human", (1, 2, 3), (1, 2, 3), (1, 1, 1)), cast("S", "human", (1, 2, 3), (3, 2, 1), (1, 2, 3))


def test_agreement_is_the_mean_over_shared_cases_and_counts_those_without_a_value():
    (pair,) = pairs([*R, *S])
    assert pair.raters == ("R", "S")
    assert pair.interval is not None
    assert (pair.interval.mean, pair.interval.n, pair.undefined) == (0, 2, 1)
    all_of_them = concordance([*R, *S])
    assert all_of_them.interval is not None
    assert all_of_them.interval.mean == pytest.approx(
        (1 + 0 + 0.5) / 3
    )  # case 3: sums 3 4 5, 12 × 2 / (4 × 24 − 2 × 24)


def test_raters_without_a_case_in_common_have_no_agreement():
    (pair,) = pairs([R[0], Ballot("S", "human", 2, {"a": 1, "b": 2})])
    assert (pair.interval, pair.undefined) == (None, 0)


def test_judges_are_compared_with_humans_only():
    judge, other = cast("rule judge", "rule", (1, 2, 3)), cast("model", "llm", (3, 2, 1))
    found = judges_and_humans([*R, *judge, *other])
    assert [(one.raters, one.interval and one.interval.mean) for one in found] == [
        (("R", "model"), -1),
        (("R", "rule judge"), 1),
    ]
