from __future__ import annotations

from training.cards import card_of_space
from training.film_cards import about_films

STAGE = {
    "run": "made-films",
    "recipe": {"batch": 8, "vision": {"size": 32}, "loop": {"steps": 9, "seed": 1}},
    "step": 6,
    "code": "ab" * 20,
    "validation": {"mean AUROC": 0.75, "AUROC Edema": 0.9},
}
DUAL = {
    "dual": {"vision": {"architecture": "a network", "size": 32}},
    "recipe": {"batch": 16, "reports": 64, "loop": {"steps": 30, "seed": 2}},
    "step": 20,
    "validation": {"mean": 0.5, "average precision": 0.4},
    "stages": [STAGE],
    "base": "a base",
    "note": "baseline: of a BERT; aligned through findings",
    "trained_on": "made-up films",
    "licence": "a licence",
    "report_tower": "one",
    "image_tower": "other",
}
ROW = {"films": 9, "patients": 8, "value": 0.5, "low": 0.25, "high": 0.75, "chance": 0.5, "floor": None}
WORDS, SAME = "AUROC, by words (zero-shot)", "reciprocal rank, the same findings"
MEASURED = {
    "measures": [
        {**ROW, "measure": WORDS, "part": "all", "labels": {"Edema": 0.5, "Hernia": 0.5}, "value": 0.875},
        {**ROW, "measure": WORDS, "part": "pairs of films of one view and sampling", "labels": {"Edema": 0.5}},
        {**ROW, "measure": SAME, "part": "all", "labels": None, "value": 0.5, "floor": 0.8},
    ],
    "groups": [{**ROW, "measure": WORDS, "part": "women", "labels": {"Edema": 0.6}, "value": 0.6}],
}
KINDS = ("nih_cxr14", "covid_chestxray", "hannover_covid")
CHECK = {
    "rates": {f"frontal chest films, {kind}": {"cautioned": 1, "n": 10} for kind in KINDS}
    | {
        "lateral chest films, one": {"cautioned": 6, "n": 7},
        "lateral chest films, two": {"cautioned": 1, "n": 2},
        "frontal chest films, inverted": {"cautioned": 9, "n": 10},
    }
}


def test_a_card_says_what_made_the_space_and_what_it_reaches():
    text = about_films(DUAL, MEASURED, CHECK)
    assert "- **made-films**: 32 pixels, batch 8, step 6 of 9, seed 1, code abababab" in text
    assert "choosing patients: mean AUROC 0.750\n" in text
    assert "batch 16 films and 64 reports, step 20 of 30, seed 2; choosing patients: mean 0.500" in text
    assert f"| {WORDS}, 2 findings | all | 8 | 9 | 0.875 | 0.250–0.750 | – | 0.500 |" in text
    assert f"| {WORDS}, 1 findings | women | 8 | 9 | 0.600 |" in text


def test_the_limits_are_figures_and_not_words():
    text = about_films(DUAL, MEASURED, CHECK)
    assert "with an AUROC of 0.500 (0.250–0.750)" in text
    assert "comes no earlier (0.500) than if the commonest" in text
    assert "warned of 7 of 9 laterals, and of 3 of 30 frontal films" in text


def test_without_a_film_check_nothing_is_said_of_one():
    assert "laterals" not in about_films(DUAL, MEASURED, None)


def test_a_space_on_the_towers_of_others_names_them_and_says_that_it_is_a_baseline():
    text = card_of_space("made", DUAL, "films")
    assert text.startswith("# made\n\nThe report tower of `one` and the image tower of `other`")
    assert "Baseline: of a BERT." in text
    assert text.endswith("- Licence of these weights: a licence\n\nfilms\n")
