from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from explorer.export import csv_text, json_text
from explorer.types import Agreement, Finding, Hit, Query, Report, SearchResult, StudyMeta

ASKED = Finding("Pneumothorax", "present", "", "right", "", "query", 0, 3)


def result(findings: str = "Clear.", query: Query | None = None) -> SearchResult:
    meta = StudyMeta(age=61, views=("PA", "LATERAL"), sex="F")
    report = Report("toy:1", "toy", {"findings": findings}, (ASKED,), meta, "CC0")
    hit = Hit(1, -0.1234567, report, ("toy:2", "toy:3"), 0.99, (Agreement(ASKED, "agrees", None),))
    return SearchResult(query or Query(text="q"), "pocket", "report", "cosine", "toy", "findings", (hit,), 0.1)


def row(of: SearchResult) -> dict[str, str]:
    (only,) = csv.DictReader(io.StringIO(csv_text(of).removeprefix("\ufeff"), newline=""))
    return only


def test_a_line_holds_the_hit_and_how_to_read_its_score():
    line = row(result())
    assert {name: line[name] for name in ("rank", "id", "score", "score_name", "closer_than")} == {
        "rank": "1",
        "id": "toy:1",
        "score": "-0.123457",
        "score_name": "cosine",
        "closer_than": "0.99",
    }
    assert (line["identical"], line["agreement"]) == ("toy:2 toy:3", "present Pneumothorax: agrees")
    assert (line["age"], line["sex"], line["views"], line["findings"]) == ("61", "F", "PA LATERAL", "Clear.")
    assert (line["encoder"], line["corpus"], line["scope"]) == ("pocket", "toy", "findings")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "  =", " -"])
def test_no_cell_of_a_report_starts_like_a_formula(start):
    text = f"{start}cmd|' /C calc'!A0"
    assert row(result(text))["findings"] == f"'{text}"


@pytest.mark.parametrize("text", ["Clear, dry.", 'He said "no".', "two\nlines", "naïve – ≥ 3 cm", ""])
def test_every_other_text_comes_back_as_it_was(text):
    assert row(result(text))["findings"] == text


def test_json_carries_a_caution_where_there_is_one():
    doubtful = replace(result(), caution="No chest.")
    assert json.loads(json_text(doubtful))["query"]["caution"] == "No chest."


def test_json_names_the_study_that_others_shall_be_like_and_only_then():
    typed = json.loads(json_text(result()))["query"]
    assert typed == {"kind": "text", "text": "q", "notes": []}
    liked = json.loads(json_text(result(query=Query(study="toy:9"))))["query"]
    assert (liked["kind"], liked["study"]) == ("study", "toy:9")
