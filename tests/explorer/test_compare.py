"""Answers joined and counted; every expectation is worked out by hand from the four made-up lists below."""

from __future__ import annotations

from dataclasses import replace

import pytest

from explorer.compare import Asked, Joined, check_rankers, compared
from explorer.errors import BadQuery
from explorer.types import Agreement, Finding, Hit, Query, Report, SearchResult, StudyMeta


def finding(name: str, status: str = "present") -> Finding:
    return Finding(name, status, "", "", "", "impression", 0, 1)  # type: ignore[arg-type]


PTX, TUBE = finding("Pneumothorax"), finding("Chest Tube")


def hit(rank: int, study: str, verdicts: str = "", found: tuple[Finding, ...] = (), twins: tuple[str, ...] = ()) -> Hit:
    """A hit; `verdicts` has a letter for the pneumothorax and one for the tube: a, c, u, n."""
    words = {"a": "agrees", "c": "contradicts", "u": "uncertain", "n": "not mentioned"}
    asked = tuple(Agreement(one, words[letter], None) for one, letter in zip((PTX, TUBE), verdicts, strict=False))
    report = Report(study, "ours", {"impression": study}, found, StudyMeta(), "CC0")
    return Hit(rank, 1.0 / rank, report, twins, agreement=asked)


def answer(*hits: Hit, encoder: str = "words") -> SearchResult:
    return SearchResult(Query(text="R PTX, CT"), encoder, "report", "cosine", "ours", "report", hits, 0.1)


def of(studies: str) -> SearchResult:
    return answer(*(hit(rank, study) for rank, study in enumerate(studies, 1)))


def test_studies_are_joined_with_the_rank_in_each_answer():
    comparison = compared([of("abc"), of("cad"), of("x")])
    assert comparison.studies == (
        Joined("a", (1, 2, None)),
        Joined("b", (2, None, None)),
        Joined("c", (3, 1, None)),
        Joined("d", (None, 3, None)),
        Joined("x", (None, None, 1)),
    )
    assert [study.found_by for study in comparison.studies] == [2, 1, 2, 1, 1]
    assert comparison.lists == (("a", "b", "c"), ("c", "a", "d"), ("x",))


def test_identical_texts_are_one_study_whichever_of_them_an_answer_names():
    one = answer(hit(1, "a", twins=("b", "c")), hit(2, "d"))
    other = answer(hit(1, "d"), hit(2, "b", twins=("a", "c")))
    comparison = compared([one, other])
    assert comparison.studies == (Joined("a", (1, 2)), Joined("d", (2, 1)))
    assert comparison.shared(0, 1) == 2


def test_kept_lost_and_uncertain_are_counted_for_each_finding_asked_for():
    hits = (hit(1, "a", "aa"), hit(2, "b", "an"), hit(3, "c", "cu"), hit(4, "d", "nn"))
    account = compared([answer(*hits), of("")]).accounts[0]
    assert account.asked == (Asked(PTX, kept=2, lost=2, uncertain=0), Asked(TUBE, kept=1, lost=2, uncertain=1))
    assert (account.kept, account.lost, account.uncertain) == (3, 4, 1)
    assert account.kept + account.lost + account.uncertain == len(hits) * 2


def test_invented_is_what_reports_have_and_the_query_does_not_name():
    effusion, doubted, denied = finding("Pleural Effusion"), finding("Edema", "uncertain"), finding("Edema", "absent")
    hits = (
        hit(1, "a", "an", (PTX, effusion, effusion, doubted)),  # told twice in one report counts once
        hit(2, "b", "an", (effusion, finding("Cardiomegaly"), denied)),
        hit(3, "c", "nn", (finding("No Finding"), finding("Atelectasis"))),  # a normal chest is no invention
        hit(4, "d", "na", (finding("PICC"),)),  # a device was asked for
    )
    account = compared([answer(*hits), of("")]).accounts[0]
    assert account.others == (("Pleural Effusion", 2), ("Atelectasis", 1), ("Cardiomegaly", 1))
    assert account.invented == 4


def test_an_answer_without_hits_or_a_query_without_findings_counts_nothing():
    nothing, unasked = compared([of(""), of("ab")]).accounts
    for account in (nothing, unasked):
        assert (account.asked, account.kept, account.lost, account.invented) == ((), 0, 0, 0)


def test_disagreement_is_one_minus_the_mean_overlap_of_every_two_answers():
    comparison = compared([of("ab"), of("ba"), of("xy")])
    assert comparison.overlap(0, 1) == pytest.approx(0.9)  # 0.1 · 0.9 + 0.81, see the test of the overlap
    assert comparison.overlap(0, 2) == comparison.overlap(1, 2) == 0.0
    assert comparison.disagreement == pytest.approx(1 - 0.9 / 3)
    assert compared([of("abc"), of("abc")]).disagreement == pytest.approx(0.0)


def test_one_answer_alone_is_no_comparison():
    with pytest.raises(ValueError, match="nothing to be compared"):
        compared([of("ab")])


@pytest.mark.parametrize("names", [(), ("a",), ("a", "a"), ("a", "b", "c", "d", "e")])
def test_other_than_two_to_four_different_rankers_are_refused(names):
    with pytest.raises(BadQuery, match="2 to 4 different rankers"):
        check_rankers(names)


def test_the_accounts_stand_in_the_order_of_the_answers():
    kept = answer(hit(1, "a", "aa"), encoder="one")
    lost = replace(answer(hit(1, "b", "nn")), encoder="two")
    assert [account.kept for account in compared([lost, kept]).accounts] == [0, 2]
