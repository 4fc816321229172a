"""The command line on the real corpus, with BM25: no tower needs to load."""

from __future__ import annotations

import json

import pytest

from explorer.__main__ import main


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def run(capsys, *words):
    status = main(words)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_search_prints_the_documented_json(capsys):
    status, out, _ = run(capsys, "search", "--text", "hiatal hernia", "--encoder", "bm25", "-k", "3", "--json")
    result = json.loads(out)

    assert status == 0
    assert set(result) == {"query", "encoder", "space", "score_name", "corpus", "scope", "seconds", "hits"}
    assert result["query"] == {"kind": "text", "text": "hiatal hernia", "notes": []}
    assert [hit["rank"] for hit in result["hits"]] == [1, 2, 3]
    assert set(result["hits"][0]) >= {"rank", "score", "id", "source", "licence", "sections", "findings"}
    assert "hernia" in json.dumps(result["hits"][0]["sections"]).lower()


def test_search_for_people_names_the_score_and_says_not_for_clinical_use(capsys):
    status, out, _ = run(capsys, "search", "--text", "hiatal hernia", "--encoder", "bm25", "-k", "1")

    assert status == 0
    assert " bm25  openi:" in out
    assert "Not for clinical use" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("search", "--text", " ", "--encoder", "bm25"), "empty"),
        (("search", "--text", "x", "--encoder", "nobody"), "Known: pocket"),
        (("search", "--text", "x", "--corpus", "nowhere"), "Known: openi"),
        (("search", "--image", "/nonexistent.dcm"), "cannot be opened"),
        (("expand", "a" * 4001), "4,000"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_status_two(capsys, words, says):
    status, out, err = run(capsys, *words)

    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_expand_prints_spans_that_point_into_the_note(capsys):
    note = "sm R PTX s/p CT to WS"
    status, out, _ = run(capsys, "expand", note, "--json")
    expansion = json.loads(out)

    assert status == 0
    assert expansion["expanded"] == "small right pneumothorax status post chest tube to water seal"
    assert all(note[span["start"] : span["end"]] == span["short"] for span in expansion["spans"])


def test_index_info_counts_the_corpus(capsys):
    status, out, _ = run(capsys, "index", "info", "--encoder", "bm25")

    assert status == 0
    assert "3,955 studies (CC BY-NC-ND 4.0)" in out


def test_a_text_file_dressed_as_dicom_is_refused_kindly(capsys, tmp_path):
    file = tmp_path / "JOHN_DOE.dcm"
    file.write_text("not a picture")
    status, out, err = run(capsys, "search", "--image", str(file), "--encoder", "bm25")

    assert (status, out) == (2, "")
    assert "DICOM" in err
    assert "JOHN" not in err
