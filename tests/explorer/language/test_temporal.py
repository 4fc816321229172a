from __future__ import annotations

import pytest

from explorer.corpora.base import Corpus
from explorer.language.temporal import KEYWORDS, keywords_in, without_temporal
from explorer.types import Report, StudyMeta

COMPARED = [
    ("The nodule is bigger.", ("bigger",)),
    ("No interval change.", ("change",)),
    ("The left base has cleared.", ("cleared",)),
    ("Decreased lung volumes.", ("decreased",)),
    ("Elevated right hemidiaphragm.", ("elevated",)),
    ("The heart is enlarged.", ("enlarged",)),
    ("The lungs are well expanded.", ("expanded",)),
    ("Right effusion greater than left.", ("greater",)),
    ("IMPROVED aeration.", ("improved",)),
    ("Interval improvement; increased opacity.", ("improvement", "increased")),
    ("The larger cavity is in the apex.", ("larger",)),
    ("A new left PICC.", ("new",)),
    ("Persistent consolidation.", ("persistent",)),
    ("Removal of the chest tube.", ("removal",)),
    ("The edema resolved.", ("resolved",)),
    ("Smaller than before.", ("smaller",)),
    ("Stable cardiomegaly, unchanged stable clips.", ("stable", "unchanged")),
    ("Unfolded aorta.", ("unfolded",)),
    ("Worsening infiltrate.", ("worsening",)),
    ("Constant size.", ("constant",)),
]
ALONE = [
    "The lungs are clear.",
    "No pneumothorax.",
    "Small effusion.",
    "Degenerative changes of the spine.",
    "Newly placed line.",
    "Unstable rib.",
    "Renewed request.",
    "Increment of dose.",
    "Resolves on the lateral view.",
    "",
]


def report(number: int, **sections: str) -> Report:
    return Report(f"openi:{number}", "openi", sections, (), StudyMeta(), "")


@pytest.mark.parametrize(("text", "keywords"), COMPARED)
def test_words_of_comparison_are_found_in_order_each_once(text: str, keywords: tuple[str, ...]):
    assert keywords_in(text) == keywords


@pytest.mark.parametrize("text", ALONE)
def test_only_whole_words_count(text: str):
    assert keywords_in(text) == ()


def test_the_list_is_the_published_one():
    assert len(KEYWORDS) == len(set(KEYWORDS)) == 44
    assert {"bigger", "unaltered"} <= set(KEYWORDS)


def test_a_report_with_any_keyword_leaves_and_each_keyword_is_counted_once_a_report():
    reports = [
        report(1, findings="Stable. Stable heart.", impression="New line."),
        report(2, findings="Clear."),
        report(3, impression="Stable."),
        report(4, indication="New pain."),
    ]
    found = without_temporal(reports)
    assert [kept.id for kept in found.kept] == ["openi:2"]
    assert found.removed == 2
    assert dict(found.removed_by) == {"stable": 2, "new": 1}
    assert list(found.removed_by) == ["stable", "new"]


def test_the_filter_reads_the_scope_asked_for():
    one = report(1, findings="Clear.", impression="Stable.")
    assert without_temporal([one], "findings").kept == (one,)
    assert without_temporal([one], "impression").kept == ()


def test_open_i_keeps_what_an_independent_count_keeps(open_i: Corpus):
    whole = without_temporal(open_i.reports)
    both = without_temporal(r for r in open_i.reports if r.sections.get("findings") and r.sections.get("impression"))
    assert (len(whole.kept), len(whole.kept) + whole.removed) == (2_556, 3_927)
    assert (len(both.kept), len(both.kept) + both.removed) == (2_268, 3_419)
