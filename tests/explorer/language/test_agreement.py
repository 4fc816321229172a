from __future__ import annotations

import pytest

from explorer.language.agreement import agreements
from explorer.types import Finding


def finding(name="Pleural Effusion", status="present", side=""):
    return Finding(name, status, "", side, "", "findings", 0, 1)


@pytest.mark.parametrize(
    ("asked", "found", "verdict"),
    [
        (finding(), finding(), "agrees"),
        (finding(side="left"), finding(side="left"), "agrees"),
        (finding(side="left"), finding(side="bilateral"), "agrees"),
        (finding(side="left"), finding(), "agrees"),
        (finding(side="left"), finding(side="right"), "contradicts"),
        (finding(), finding(status="absent"), "contradicts"),
        (finding(status="absent"), finding(), "contradicts"),
        (finding(status="absent"), finding(status="absent"), "agrees"),
        (finding(), finding(status="uncertain"), "uncertain"),
        (finding(status="uncertain"), finding(), "uncertain"),
        (finding(), finding(name="Edema"), "not mentioned"),
    ],
)
def test_one_finding_against_one_mention(asked, found, verdict):
    (judged,) = agreements([asked], [found])

    assert judged.verdict == verdict
    assert judged.found is (None if verdict == "not mentioned" else found)


def test_the_mention_that_speaks_best_for_the_report_decides():
    right, left = finding(side="right"), finding(side="left")

    (judged,) = agreements([finding(side="left")], [right, left])

    assert (judged.verdict, judged.found) == ("agrees", left)


def test_findings_are_judged_in_the_order_asked_and_once_each():
    asked = [finding(name="Edema"), finding(), finding(name="Edema")]

    assert [judged.asked.name for judged in agreements(asked, [])] == ["Edema", "Pleural Effusion"]
