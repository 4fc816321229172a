from __future__ import annotations

from dataclasses import replace

import pytest

from explorer.types import Report, StudyMeta
from training.texts import Told, every_text, told


def study(number, codes=(), **sections):
    return Report(f"openi:{number}", "openi", sections, (), StudyMeta(codes=codes), "")


STUDIES = (
    study(
        7,
        ("Pleural Effusion/left",),
        findings="Small left pleural effusion, unchanged. No pneumothorax or XXXX consolidation.",
        impression="Left effusion.",
        indication="SOB. XXXX",
    ),
    study(9, impression="Nothing acute."),
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    return tmp_path / "variants"


def plain(**said):
    empty = Told("openi:1", "", "", "", (), "", "", "", (), ())
    return replace(empty, **said)


def test_a_study_is_told_in_every_way_without_redactions(cache):
    first, second = told(STUDIES)
    assert first.findings == "Small left pleural effusion, unchanged. No pneumothorax or consolidation."
    assert first.impression == "Left effusion."
    assert first.report == f"{first.findings} Left effusion."
    assert "unchanged" not in first.omitted
    assert "effusion" in first.omitted
    assert first.split.count(".") > first.findings.count(".")
    assert first.anatomical.startswith(("Pleura", "Lungs"))
    assert first.similar
    assert first.indication[0] == "SOB."
    assert first.indication[1].lower().startswith("shortness of breath")
    assert (second.findings, second.split, second.omitted, second.anatomical) == ("", "", "", "")
    assert (second.report, second.indication) == ("Nothing acute.", ())


def test_what_was_told_once_is_read_and_not_made_again(cache):
    first = told(STUDIES)
    (kept,) = cache.iterdir()
    kept.write_text(kept.read_text().replace("Nothing acute.", "From the cache."))
    assert told(STUDIES)[0] == first[0]
    assert told(STUDIES)[1].report == "From the cache."
    assert list(cache.iterdir()) == [kept]


def test_other_texts_or_another_order_are_told_anew(cache):
    told(STUDIES)
    told(STUDIES[::-1])
    told(STUDIES[1:])
    assert len(list(cache.iterdir())) == 3


def test_the_same_texts_of_another_study_keep_that_studys_name_and_codes(cache):
    told(STUDIES)
    (one, _) = told((replace(STUDIES[0], id="openi:8", meta=StudyMeta(codes=("normal",))), STUDIES[1]))
    assert (one.id, one.codes) == ("openi:8", ("normal",))
    assert len(list(cache.iterdir())) == 1


def test_every_text_is_there_once_in_a_fixed_order(cache):
    studies = told(STUDIES)
    texts = every_text(studies)
    assert len(texts) == len(set(texts))
    assert "" not in texts
    assert texts == every_text(told(STUDIES))
    assert {studies[0].findings, studies[0].split, studies[0].omitted, *studies[0].similar} <= set(texts)
    assert "Nothing acute." in texts


def test_texts_that_are_told_alike_are_one_text():
    one = plain(findings="Clear.", report="Clear.", similar=("Clear.", "No change."), split="Clear.")
    assert every_text([one, one]) == ["Clear.", "No change."]
