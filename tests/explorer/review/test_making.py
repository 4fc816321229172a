from __future__ import annotations

import pytest

from explorer.errors import BadReview
from explorer.language.findings import FindingsReader
from explorer.review.generated import Generated, Imported
from explorer.review.making import Plan, Sources, make, of_queries, of_studies
from explorer.review.records import PRACTICE, Candidate, Case
from explorer.review.selection import Wanted, pool_of, select
from explorer.types import Hit, Report, StudyMeta

READER = FindingsReader.open()
EFFUSION, NORMAL = "There is a left pleural effusion.", "Lungs are clear. No effusion."


def study(number, text, codes=(), age=None, views=()):
    return Report(f"openi:{number}", "openi", {"findings": text}, (), StudyMeta(age, views, 1, codes), "")


POOL = [
    *(study(number, EFFUSION, ("Effusion/left",), age=20 + number) for number in range(10)),
    *(study(100 + number, NORMAL, ("normal",), age=60) for number in range(20)),
]


def ids(selected):
    return [report.id for report in selected.reports]


def test_half_of_the_normals_are_left_out_before_the_draw():
    found = select(POOL, Wanted(200, 1, "findings"), READER)
    assert (found.pool, found.normal, found.left_out, len(found.reports)) == (30, 20, 10, 20)
    assert sum(report.meta.codes == ("normal",) for report in found.reports) == 10


def test_a_draw_hangs_on_its_seed_alone():
    wanted = Wanted(8, 1, "findings")
    assert ids(select(POOL, wanted, READER)) == ids(select(POOL, wanted, READER))
    assert ids(select(POOL, wanted, READER)) != ids(select(POOL, Wanted(8, 2, "findings"), READER))
    assert len(set(ids(select(POOL, wanted, READER)))) == 8


def test_without_codes_the_rules_say_what_is_normal():
    plain = [study(1, EFFUSION), study(2, NORMAL), study(3, NORMAL), study(4, "A picc line is seen. Lungs are clear.")]
    found = select(plain, Wanted(9, 1, "findings"), READER)
    assert (found.normal, found.left_out) == (3, 1)


def test_a_filter_keeps_a_finding_an_age_and_a_view():
    with_finding = Wanted(200, 1, "findings", halve_normals=False, finding="Pleural Effusion", min_age=22, max_age=25)
    assert sorted(ids(select(POOL, with_finding, READER))) == [f"openi:{number}" for number in (2, 3, 4, 5)]
    lateral = [study(1, EFFUSION, views=("PA", "LATERAL")), study(2, EFFUSION, views=("AP",)), study(3, EFFUSION)]
    assert ids(select(lateral, Wanted(9, 1, "findings", view="LATERAL"), READER)) == ["openi:1"]
    assert ids(select(lateral, Wanted(9, 1, "findings", max_age=50), READER)) == []


def test_of_open_i_only_test_studies_with_the_part_asked_with_are_cases():
    reports = [study(5, EFFUSION), study(6, EFFUSION), study(10, "XXXX")]
    assert [one.id for one in pool_of(reports, "openi", "findings")] == ["openi:5"]
    assert [one.id for one in pool_of(reports, "other", "findings")] == ["openi:5", "openi:6"]
    assert pool_of(reports, "openi", "impression") == ()


ANSWERS = {
    "one": [study(1, "A. The study itself."), study(2, "B."), study(3, "C.")],
    "two": [study(3, "C."), study(2, "B.")],
    "same": [study(9, "B. "), study(3, "C.")],
}


def find(text, ranker):
    twins = {"openi:9": ("openi:1",)}
    return [Hit(place, 1.0, one, twins.get(one.id, ())) for place, one in enumerate(ANSWERS[ranker], 1)]


def test_a_study_never_answers_itself_nor_does_one_with_its_text():
    (case,) = of_studies([study(1, "A. The study itself.")], "findings", Sources(("one", "same")), find)
    assert [(one.text, one.models) for one in case.candidates] == [("B.", ("one",)), ("C.", ("same",))]
    (twin,) = of_studies([study(7, "B.")], "findings", Sources(("one", "same")), find)
    assert [one.models for one in twin.candidates] == [("one",), ("same",)]
    assert twin.candidates[0].text == "A. The study itself."


def test_imported_reports_stand_among_those_of_their_study():
    imported = Imported((Generated("openi:1", "maira-2", "No effusion."), Generated("openi:2", "maira-2", "X")), ())
    (case,) = of_studies([study(1, "A.")], "findings", Sources(("two",), imported), find)
    assert [(one.text, one.models) for one in case.candidates] == [("C.", ("two",)), ("No effusion.", ("maira-2",))]


def test_a_query_is_its_own_ground_truth_and_gives_several_hits_a_ranker():
    (case,) = of_queries(["small effusion"], Sources(("two",), first=2), find)
    assert (case.study, case.query, case.truth) == ("", "small effusion", "small effusion")
    assert [one.models for one in case.candidates] == [("two, hit 1",), ("two, hit 2",)]


@pytest.mark.parametrize("sources", [Sources(("one",)), Sources(tuple("abcdefghij")), Sources(("a", "b"), first=5)])
def test_there_are_two_to_nine_candidates(sources):
    with pytest.raises(BadReview, match="2 to 9"):
        list(of_queries(["x"], sources, find))


def test_an_import_may_not_be_called_as_an_encoder_is():
    with pytest.raises(BadReview, match="Rename"):
        Sources(("one", "two"), Imported((Generated("openi:1", "one", "t"),), ())).check()


def test_cases_without_a_choice_are_left_out_and_the_others_are_numbered_and_shuffled():
    texts = ["a", "b", "c", "d"]
    full = Case(0, "s", "q", "t", tuple(Candidate(text, ()) for text in texts))
    empty = Case(0, "s", "q", "t", (Candidate("a", ()),))
    review, cases = make(Plan(" My  review ", "openi", 5, unknown=False, about={}), [full, empty, full, full])
    assert [case.number for case in cases] == [PRACTICE, 1, 2, 3]
    assert (review.cases, review.title, review.about["nothing_to_rank"]) == (3, "My review", 1)
    assert all(sorted(one.text for one in case.candidates) == texts for case in cases[1:])
    assert len({case.candidates for case in cases[1:]}) > 1
    with pytest.raises(BadReview, match="none of the cases"):
        make(Plan("", "openi", 5, unknown=False, about={}), [empty])
