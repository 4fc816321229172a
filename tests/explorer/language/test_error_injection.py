from __future__ import annotations

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.language.error_edits import scaled
from explorer.language.error_injection import CATEGORIES, PREFERRED, Category, Injected, Injector
from explorer.language.findings import FindingsReader
from explorer.language.phrases import table
from explorer.language.sentences import sentences

READER = FindingsReader.open()
CHOOSING, TESTING = Injector.open("choosing"), Injector.open("testing")
REPORT = (
    "Small right pleural effusion. The heart is moderately enlarged. No pneumothorax. A 4.5 cm mass in the left upper "
    "lobe. Left PICC line with its tip in the superior vena cava.\n1. Right effusion. 2. No acute fracture."
)


def told(text: str, category: Category, count: int = 40, injector: Injector = CHOOSING) -> set[str]:
    made = (injector.inject(text, category, np.random.default_rng(seed)) for seed in range(count))
    return {one.text for one in made if one is not None}


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = (Counter(one.text for one in sentences(text)) for text in (before, after))
    return list((old - new).elements()), list((new - old).elements())


@pytest.mark.parametrize(
    ("category", "text", "expected"),
    [
        (
            "change severity",
            "Small left effusion.",
            {"Tiny left effusion.", "Moderate left effusion.", "Large left effusion."},
        ),
        (
            "change severity",
            "The heart is mildly enlarged.",
            {
                "The heart is minimally enlarged.",
                "The heart is moderately enlarged.",
                "The heart is severely enlarged.",
            },
        ),
        ("change location", "Small left effusion.", {"Small right effusion."}),
        ("change location", "RLL pneumonia.", {"LLL pneumonia."}),
        ("change location", "An upper lobe opacity.", {"A lower lobe opacity."}),
        ("change location", "Apical scarring.", {"Basilar scarring.", "Basal scarring."}),
        ("change location", "Opacity in the anterior segment.", {"Opacity in the posterior segment."}),
        ("change measurement", "A 10 mm nodule.", {"A 7 mm nodule.", "A 13 mm nodule.", "A 10 cm nodule."}),
        ("change measurement", "A 4.5 cm mass.", {"A 3.2 cm mass.", "A 5.9 cm mass.", "A 4.5 mm mass."}),
        (
            "false negation",
            "Small left effusion.",
            {"There is no left effusion.", "No evidence of left effusion."},
        ),
        (
            "false negation",
            "The trachea is midline. Patchy opacities are seen in the right lung base.",
            {
                "The trachea is midline. There are no patchy opacities in the right lung base.",
                "The trachea is midline. No evidence of patchy opacities in the right lung base.",
            },
        ),
        ("false negation", "The heart is enlarged.", {"Heart is normal."}),
        ("change name of device", "An endotracheal tube is in place.", {"A nasogastric tube is in place."}),
        ("change position of device", "Catheter tip in the SVC.", {"Catheter tip in the right atrium."}),
        ("change position of device", "Right chest port.", {"Left chest port."}),
    ],
)
def test_a_category_changes_just_what_it_names(category: Category, text: str, expected: set[str]):
    assert told(text, category) == expected


@pytest.mark.parametrize(
    ("category", "text"),
    [
        ("change severity", "No large effusion."),  # denied
        ("change severity", "Mild to moderate cardiomegaly."),  # a range
        ("change severity", "Small stature."),  # no finding
        ("change location", "No effusion on the left."),
        ("change location", "Bilateral effusions, left more than right."),  # both sides
        ("change location", "Effusion on the lateral view. Opacity near the right atrium."),
        ("change location", "Right middle lobe opacity."),  # the left lung has none
        ("false negation", "No effusion."),
        ("false negation", "Possible pneumonia."),  # not said to be there
        ("false negation", "Effusion with atelectasis."),  # more than one thing would change
        ("change measurement", "No nodule above 5 mm."),
        ("change measurement", "A small nodule."),
        ("change name of device", "No pacemaker."),
        ("change position of device", "The heart is in the mediastinum."),
        ("add opposite sentence", "Normal study."),
    ],
)
def test_a_category_that_does_not_apply_changes_nothing(category: Category, text: str):
    assert told(text, category) == set()


def test_a_false_prediction_is_of_something_the_report_does_not_speak_of():
    for text in told(REPORT, "false prediction"):
        gone, new = changed(REPORT, text)
        assert gone == []
        names = {one.name for one in READER.read(new[0], "")}
        assert names
        assert names.isdisjoint({"Pleural Effusion", "Cardiomegaly", "Pneumothorax", "Lung Lesion", "PICC", "Fracture"})


def test_an_opposite_sentence_turns_a_statement_of_the_report():
    said = {"There is no pleural effusion.", "There is a small left apical pneumothorax."}
    made = {new for text in told(REPORT, "add opposite sentence", 80) for new in changed(REPORT, text)[1]}
    assert said <= made
    assert not any("pneumonia" in one for one in made)


def test_an_added_device_is_of_a_kind_not_there():
    assert not any("PICC" in changed(REPORT, text)[1][0] for text in told(REPORT, "add medical device", 60, TESTING))


@pytest.mark.parametrize("injector", [CHOOSING, TESTING])
@pytest.mark.parametrize("category", CATEGORIES)
def test_one_sentence_differs_and_the_span_is_what_was_put_in(injector: Injector, category: Category):
    for seed in range(15):
        made = injector.inject(REPORT, category, np.random.default_rng(seed))
        assert made is not None
        gone, new = changed(REPORT, made.text)
        assert len(new) == 1
        assert len(gone) <= 1
        assert made.category == category
        assert made.text[made.start : made.end] in made.text
        assert (
            made.text[: made.start] == REPORT[: made.start] or made.text[: made.start].rstrip() == REPORT[: made.start]
        )
        assert 0 <= made.start < made.end <= len(made.text)


def test_the_same_draw_makes_the_same_error():
    for category in CATEGORIES:
        one, two = (CHOOSING.inject(REPORT, category, np.random.default_rng(9)) for _ in range(2))
        assert one == two


def test_several_errors_are_of_different_categories_the_first_four_before_the_others():
    made = CHOOSING.several(REPORT, 3, np.random.default_rng(0))
    assert len(made) == len({one.category for one in made}) == 3
    assert {one.category for one in made} <= set(PREFERRED)
    normal = CHOOSING.several("Clear lungs. Normal heart.", 3, np.random.default_rng(0))
    assert len(normal) == 3
    assert normal[0].category == "false prediction"


def test_no_wording_is_used_both_in_choosing_and_in_testing():
    uses: dict[str, set[tuple[str, str]]] = {"choosing": set(), "testing": set(), "any": set()}
    for row in table("errors.tsv"):
        uses[row["use"]].add((row["category"], row["text"].lower()))
    assert {category for category, _ in uses["any"]} == {"noun"}
    assert uses["choosing"].isdisjoint(uses["testing"])
    assert len(uses["choosing"]) >= 50
    assert len(uses["testing"]) >= 50


@pytest.mark.parametrize(
    ("number", "factor", "expected"),
    [("10", "0.7", "7"), ("4.5", "0.7", "3.2"), ("4.5", "1.3", "5.9"), ("1", "1.3", "1.3"), ("0.1", "0.7", "0.07")],
)
def test_a_length_keeps_its_decimals_unless_it_would_not_change(number: str, factor: str, expected: str):
    assert scaled(number, Decimal(factor)) == expected


PARTS = st.sampled_from(
    [
        "Small left effusion",
        "No pneumothorax",
        "1. Mild edema",
        "A 3 mm nodule",
        "Right IJ line in the SVC",
        "2.",
        "vs.",
        "The heart is enlarged",
        "Clear lungs",
    ]
)


@given(
    st.lists(st.tuples(PARTS, st.sampled_from([". ", ".", "\n", ", "])), max_size=5),
    st.sampled_from(CATEGORIES),
    st.integers(0, 999),
)
def test_whatever_the_report_at_most_one_sentence_differs(parts: list[tuple[str, str]], category: Category, seed: int):
    text = "".join(part + end for part, end in parts)
    made = TESTING.inject(text, category, np.random.default_rng(seed))
    if isinstance(made, Injected):
        gone, new = changed(text, made.text)
        assert (len(new), len(gone) <= 1) == (1, True)
