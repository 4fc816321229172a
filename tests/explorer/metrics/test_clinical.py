from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from explorer.language.findings import FindingsReader
from explorer.metrics.clinical import (
    FLIPPED,
    Errors,
    compare,
    embsim,
    entities_of,
    entrel_f1,
    entsim,
    green_form,
    green_form_score,
    macro_f1,
    relations_of,
    rule_label_counts,
    rule_label_f1,
    set_f1,
)
from explorer.types import Finding
from models.interfaces import EncoderInfo, Vectors

READER = FindingsReader.open()


class WordCounter:
    """A report tower of word counts: enough to tell texts apart, nothing to load."""

    info = EncoderInfo("word counts", "report", 64, 512, "cosine", "fp32", "cpu", "words-1")

    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        rows = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[sum(map(ord, word)) % 64] += 1
        return rows


def read(text: str) -> tuple[Finding, ...]:
    return READER.read(text, "findings")


def entrel(reference: str, candidate: str) -> float:
    return entrel_f1(read(reference), read(candidate))


def ent_sim(reference: str, candidate: str) -> float:
    return entsim(read(reference), read(candidate), WordCounter())


def green(reference: str, candidate: str) -> float:
    return green_form_score(read(reference), read(candidate), reference, candidate)


def pairs() -> list[dict[str, str]]:
    with Path(__file__).with_name("ordering_pairs.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))


METRICS = [pytest.param(metric, id=metric.__name__) for metric in (entrel, ent_sim, green)]


@pytest.mark.parametrize("metric", METRICS)
def test_forty_pairs_are_put_in_order(metric: Callable[[str, str], float]):
    assert len(pairs()) == 40
    for pair in pairs():
        closer = metric(pair["reference"], pair["closer"])
        if pair["kind"] == "same":
            assert closer == pytest.approx(1), pair
            continue
        farther = metric(pair["reference"], pair["farther"])
        assert closer > farther, pair
        assert pair["kind"] != "denied" or farther < 0.5, pair


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_is_the_same_both_ways_and_between_0_and_1(metric: Callable[[str, str], float]):
    texts = [pair["reference"] for pair in pairs()]
    for one, other in zip(texts, reversed(texts), strict=True):
        score = metric(one, other)
        assert 0 <= score <= 1
        assert score == pytest.approx(metric(other, one))


def test_rule_label_f1_counts_uncertain_as_positive_and_leaves_out_labels_of_neither_side():
    found = rule_label_f1(
        [
            (read("Left effusion."), read("Possible effusion.")),
            (read("Cardiomegaly. Effusion."), read("Effusion.")),
            (read("No edema."), read("Pneumonia.")),
        ]
    )
    assert dict(found.per_label) == {"Cardiomegaly": 0.0, "Pneumonia": 0.0, "Pleural Effusion": 1.0}
    assert found.macro == pytest.approx(1 / 3)
    assert found.top_five == pytest.approx(1 / 2)


def test_rule_label_f1_of_one_label():
    both, only_reference, only_candidate = ("Effusion.", "Effusion."), ("Effusion.", ""), ("", "Effusion.")
    found = rule_label_f1([(read(a), read(b)) for a, b in (both, both, only_reference, only_candidate)])
    assert found.macro == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))


def test_rule_label_f1_of_reports_without_labels_is_one():
    assert rule_label_f1([(read(""), read("Degenerative spine."))]).macro == 1


def test_set_f1_by_hand():
    assert set_f1({1, 2, 3}, {2, 3, 4, 5}) == pytest.approx(4 / 7)
    assert set_f1({1}, set()) == 0
    assert set_f1(set(), set()) == 1


def test_entities_and_relations_of_a_finding():
    findings = read("Small left base opacity.")
    opacity = ("Lung Opacity", "OBS", "present")
    base, left, mild = ("base", "ANAT", "present"), ("left", "ANAT", "present"), ("mild", "OBS", "present")
    assert entities_of(findings) == {opacity, base, left, mild}
    assert relations_of(findings) == {
        (opacity, "located_at", base),
        (left, "modify", opacity),
        (mild, "modify", opacity),
    }


def test_entrel_f1_is_the_mean_of_entity_and_relation_f1():
    entities, relations = 2 * 1 / (2 + 2), 0 / 2
    assert entrel("Left effusion.", "Right effusion.") == pytest.approx((entities + relations) / 2)


def test_entrel_f1_without_relations_is_entity_f1():
    assert entrel("Effusion. Edema.", "Effusion.") == pytest.approx(2 * 1 / 3)


def test_entsim_weighs_a_flipped_status():
    assert ent_sim("Effusion.", "No effusion.") == pytest.approx(FLIPPED)


def test_entsim_of_a_report_without_findings():
    assert ent_sim("", "") == 1
    assert ent_sim("Effusion.", "") == 0


def test_macro_f1_of_counts_is_rule_label_f1():
    told = [("Edema. Left effusion.", "Edema."), ("No edema.", "Pneumothorax."), ("Cardiomegaly.", "Cardiomegaly.")]
    pairs = [(read(one), read(other)) for one, other in told]
    counts = np.mean([rule_label_counts(*pair) for pair in pairs], axis=0)
    assert macro_f1(counts) == pytest.approx(rule_label_f1(pairs).macro)
    assert macro_f1(counts) == pytest.approx((1 + 0 + 0 + 1) / 4)  # edema, effusion, pneumothorax, cardiomegaly
    assert macro_f1(np.stack([counts, np.zeros(28)])).tolist() == pytest.approx([0.5, 1])


def test_embsim_is_the_cosine_of_whole_texts_pair_by_pair():
    assert embsim(["a b", "c"], ["a", "c"], WordCounter(), "other") == pytest.approx([1 / np.sqrt(2), 1])


def test_no_encoder_judges_itself():
    assert embsim(["a"], ["a"], WordCounter(), "words-1") is None


def test_green_form_by_hand():
    assert green_form(3, Errors(false=1)) == 0.75
    assert green_form(3, Errors(1, 1, 1, 1, 1, 1)) == pytest.approx(1 / 3)
    assert green_form(0, Errors()) == 0


@pytest.mark.parametrize(
    ("reference", "candidate", "matched", "errors"),
    [
        ("Left effusion. No edema.", "Left effusion. No edema.", 2, Errors()),
        ("No edema.", "Edema.", 0, Errors(false=1)),
        ("Edema.", "No edema.", 0, Errors(missing=1)),
        ("Edema.", "Possible edema.", 1, Errors()),
        ("Left effusion.", "Right effusion.", 0, Errors(location=1)),
        ("Left upper lobe nodule.", "Left lower lobe nodule.", 0, Errors(location=1)),
        ("Small effusion.", "Large effusion.", 0, Errors(severity=1)),
        ("Effusion.", "Left effusion.", 1, Errors()),
        ("Effusion.", "Stable effusion.", 1, Errors(comparison_added=1)),
        ("Stable effusion.", "Effusion.", 1, Errors(comparison_omitted=1)),
        ("Edema.", "No acute disease.", 0, Errors(missing=1)),
        ("Effusion.", "Effusion. No edema.", 1, Errors()),
    ],
)
def test_errors_are_sorted_into_six_categories(reference: str, candidate: str, matched: int, errors: Errors):
    assert compare(read(reference), read(candidate), reference, candidate) == (matched, errors)
