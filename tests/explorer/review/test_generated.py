from __future__ import annotations

import json

import pytest

from explorer.errors import BadReview
from explorer.review import generated
from explorer.review.generated import read_generated

KNOWN = frozenset({"openi:1", "openi:2"})


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


def row(study="openi:1", model="maira-2", report="No effusion."):
    return {"study_id": study, "model": model, "report": report}


def test_rows_are_read_and_unknown_studies_are_listed():
    data = lines(row(), row(study=2), row(study="1", model="chexagent"), row(study="9"), row(study="nobody"))
    found = read_generated(data, KNOWN, "openi")
    assert [(one.study, one.model) for one in found.rows] == [
        ("openi:1", "maira-2"),
        ("openi:2", "maira-2"),
        ("openi:1", "chexagent"),
    ]
    assert found.unknown == ("9", "nobody")
    assert found.models == ("chexagent", "maira-2")
    assert [one.model for one in found.of("openi:1")] == ["maira-2", "chexagent"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b"{", "line 2: no JSON"),
        (b'{"study_id": "1", "model": "m"}', "line 2: not an object"),
        (b'["1", "m", "t"]', "line 2: not an object"),
        (lines({**row(), "more": 1}), "line 2: not an object"),
        (lines(row(report="")), "line 2: an empty field"),
        (lines(row(model=7)), "line 2: an empty field"),
        (lines(row(model="m" * 61)), "line 2: a name of more"),
        (lines(row(model="a\tb")), "line 2: a name of more"),
        (lines(row(study="2", report="x" * 10_001)), "line 2: a report of more"),
        (lines(row(study="2", report="a\0b")), "line 2: characters"),
        (b'{"study_id": "2", "model": "m", "report": "\\ud800"}', "line 2: characters"),
        (lines(row()), "line 2: the same study and model as line 1"),
        (b"[" * 100_000, "line 2: no JSON"),
    ],
)
def test_one_line_that_is_not_right_refuses_the_whole_file(wrong, said):
    with pytest.raises(BadReview, match="Nothing was imported") as told:
        read_generated(lines(row()) + b"\n" + wrong, KNOWN, "openi")
    assert said in str(told.value)


def test_at_most_five_lines_are_named():
    with pytest.raises(BadReview, match="line 5: no JSON, and 3 more"):
        read_generated(b"{\n" * 8, KNOWN, "openi")


def test_files_that_are_too_large_or_no_text_are_refused(monkeypatch):
    with pytest.raises(BadReview, match="UTF-8"):
        read_generated(b"\xff\xfe\x00", KNOWN, "openi")
    with pytest.raises(BadReview, match="0 rows"):
        read_generated(b"\n \n", KNOWN, "openi")
    monkeypatch.setattr(generated, "MOST_BYTES", 10)
    with pytest.raises(BadReview, match="MB"):
        read_generated(lines(row()), KNOWN, "openi")
