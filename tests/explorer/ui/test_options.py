from __future__ import annotations

import pytest

from explorer.errors import BadQuery
from explorer.types import Filters
from explorer.ui.options import Wanted


def test_untouched_options_filter_nothing():
    assert Wanted.read("pocket", "report", 10, "", "", "") == Wanted("pocket", "report", 10, Filters())


def test_ages_and_view_become_filters():
    wanted = Wanted.read("bm25", "impression", 50, "40", " 65 ", "LATERAL")
    assert wanted == Wanted("bm25", "impression", 50, Filters(40, 65, "LATERAL"))


@pytest.mark.parametrize("age", ["forty", "-1", "4.5", "1e2", ["4"]])
def test_an_age_that_is_no_number_of_years_is_refused(age):
    with pytest.raises(BadQuery, match="whole number of years"):
        Wanted.read("pocket", "report", 10, age, "", "")


@pytest.mark.parametrize(
    ("scope", "k", "view"),
    [("indication", 10, ""), ("report", 1_000, ""), ("report", "10; --", ""), ("report", 10, "L")],
)
def test_what_the_page_does_not_offer_is_refused(scope, k, view):
    with pytest.raises(BadQuery, match="no such option"):
        Wanted.read("pocket", scope, k, "", "", view)
