from __future__ import annotations

import pytest

from explorer.errors import BadQuery
from explorer.store_filters import Facets
from explorer.types import Filters, FindingFilter
from explorer.ui.options import FINDINGS, Chosen, Wanted, finding_choices, restored


def test_untouched_options_filter_nothing():
    assert Wanted.read("pocket", "report", 10) == Wanted("pocket", "report", 10, Filters())


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


PTX = FindingFilter("Pneumothorax", "present")
ALL = Wanted(
    "minilm",
    "findings",
    25,
    Filters(18, 90, "PA", "F", "indication", None, (PTX, FindingFilter("Edema")), ("Fracture", "Chest Tube")),
    "ours",
)
DEFAULT = Wanted("pocket", "report", 10, Filters())


def test_findings_sex_and_sections_become_filters():
    chosen = Chosen("pocket", "report", 10, sex="M", part="comparison", findings=["Edema · absent"], without=["Hernia"])
    assert Wanted.read(*vars(chosen).values()).filters == Filters(
        sex="M", section="comparison", findings=(FindingFilter("Edema", "absent"),), without=("Hernia",)
    )


@pytest.mark.parametrize(
    "more",
    [{"findings": ["Plague"]}, {"findings": ["Edema · maybe"]}, {"without": ["<b>"]}, {"without": ["Edema"] * 9}],
)
def test_a_finding_no_report_is_read_for_is_refused(more):
    with pytest.raises(BadQuery):
        Wanted.read(*vars(Chosen("pocket", "report", 10, **more)).values())


@pytest.mark.parametrize("more", [{"sex": "X"}, {"part": "title"}])
def test_other_choices_than_those_offered_are_refused(more):
    with pytest.raises(BadQuery, match="no such option"):
        Wanted.read(*vars(Chosen("pocket", "report", 10, **more)).values())


@pytest.mark.parametrize("wanted", [ALL, DEFAULT])
def test_an_address_brings_the_same_choices_back(wanted):
    corpora = ("made-up", "ours")
    assert restored(f"?{wanted.address()}", DEFAULT, ("pocket", "minilm"), corpora) == wanted
    assert Wanted.read(*vars(wanted.boxes()).values()) == wanted


@pytest.mark.parametrize(
    "address",
    ["", "?", "encoder=evil&k=9999&section=x&view=1&sex=Q&has=x&min_age=-3&max_age=1e9", "finding=Plague&without=<b>"],
)
def test_what_an_address_names_wrongly_is_as_if_it_were_not_named(address):
    assert restored(address, DEFAULT, ("pocket",), ("made-up",)) == DEFAULT


def test_the_lists_of_findings_say_how_many_studies_each_choice_has():
    facets = Facets({"Edema": {"present": 3, "absent": 1_200}, "Hernia": {"absent": 9}}, {}, {}, {})
    asked, excluded = finding_choices(facets)
    assert asked[:3] == [
        ("Edema · present (3)", "Edema · present"),
        ("Edema · absent (1,200)", "Edema · absent"),
        ("Hernia · absent (9)", "Hernia · absent"),
    ]
    assert excluded[0] == ("Edema (3)", "Edema")
    assert {sent for _, sent in excluded} == FINDINGS
    assert {shown for shown, sent in finding_choices(None)[0]} == {sent for _, sent in asked}
