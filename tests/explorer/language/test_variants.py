from __future__ import annotations

import numpy as np

from explorer.language.variants import IndicationPairs, VariantMaker, findings_and_impression

MAKER = VariantMaker.open()
REPORT = "Stable cardiomegaly. No effusion or pneumothorax.\n1. Right lower lobe pneumonia."


def test_each_variant_tells_the_report_its_own_way():
    assert MAKER.split(REPORT) == "Stable cardiomegaly. No effusion. No pneumothorax. Right lower lobe pneumonia."
    assert MAKER.prior_omitted(REPORT) == "Cardiomegaly. No effusion or pneumothorax.\n1. Right lower lobe pneumonia."
    assert MAKER.anatomical(REPORT) == (
        "Lungs: Right lower lobe pneumonia.\nPleura: No effusion or pneumothorax.\nHeart: Stable cardiomegaly."
    )
    told = MAKER.similar(REPORT, np.random.default_rng(1))
    assert told.count("\n") == 1
    assert told != REPORT


def test_an_empty_report_has_empty_variants():
    assert (MAKER.split(""), MAKER.prior_omitted(""), MAKER.anatomical("")) == ("", "", "")
    assert MAKER.similar("", np.random.default_rng(0)) == ""


def test_findings_go_with_the_impression_only_where_both_are_there():
    sections = {"findings": "Small XXXX effusion.", "impression": "Effusion."}
    assert findings_and_impression(sections) == ("Small effusion.", "Effusion.")
    assert findings_and_impression({"findings": "Small effusion.", "impression": "XXXX"}) is None
    assert findings_and_impression({"impression": "Effusion."}) is None


def test_an_indication_in_short_forms_is_paired_with_the_same_in_full():
    pairs = IndicationPairs.open()
    typed = "60F s/p CT placement to WS, eval PTX"
    short, full = pairs.pair({"indication": typed}, np.random.default_rng(0)) or ("", "")
    assert short == typed
    assert "status post" in full
    assert "water seal" in full
    assert "pneumothorax" in full


def test_an_indication_in_full_is_shortened():
    pairs, draw = IndicationPairs.open(), np.random.default_rng(3)
    full = "Shortness of breath, evaluate for pneumothorax"
    made = [pairs.pair({"indication": full}, draw) for _ in range(10)]
    kept = [one for one in made if one]
    assert kept
    assert all(long == full and short != full for short, long in kept)


def test_nothing_is_paired_where_nothing_is_short():
    pairs = IndicationPairs.open()
    assert pairs.pair({}, np.random.default_rng(0)) is None
    assert pairs.pair({"indication": "Fell yesterday"}, np.random.default_rng(0)) is None
