from __future__ import annotations

import pytest

from explorer.language.phrases import Phrases, fold, table, words

NAMES = Phrases([("pleural effusion", "effusion"), ("effusion", "some effusion"), ("opaci*", "opacity")])


def found(phrases: Phrases[str], text: str) -> list[tuple[str, str]]:
    among = words(text)
    return [(m.meaning, text[among[m.first].start : among[m.stop - 1].end]) for m in phrases.find(among)]


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("Effusions", "effusion"),
        ("opacities", "opacity"),
        ("masses", "mass"),
        ("atelectasis", "atelectasis"),
        ("sulcus", "sulcus"),
        ("Haemothorax", "hemothorax"),
        ("OEDEMA", "edema"),
        ("tumours", "tumor"),
    ],
)
def test_a_word_is_compared_in_small_singular_american_letters(word: str, form: str):
    assert fold(word) == form


def test_words_and_signs_keep_their_places():
    assert [(w.form, w.start, w.end) for w in words("R/O 1.5 cm", start=10)] == [
        ("r", 10, 11),
        ("/", 11, 12),
        ("o", 12, 13),
        ("1.5", 14, 17),
        ("cm", 18, 20),
    ]


def test_the_longer_phrase_wins():
    assert found(NAMES, "Pleural effusions, effusion") == [
        ("effusion", "Pleural effusions"),
        ("some effusion", "effusion"),
    ]


def test_a_star_stands_for_any_ending():
    assert found(NAMES, "opacification and opaque") == [("opacity", "opacification")]


def test_a_gap_skips_up_to_four_words_but_no_sign():
    gapped = Phrases([("nodular ~ opacity", "nodule")])
    assert found(gapped, "nodular opacity") == [("nodule", "nodular opacity")]
    assert found(gapped, "nodular a b c d opacity") == [("nodule", "nodular a b c d opacity")]
    assert found(gapped, "nodular a b c d e opacity") == []
    assert found(gapped, "nodular, opacity") == []


def test_a_wide_gap_passes_commas():
    wide = Phrases([("acute ~~ disease", "disease")])
    assert found(wide, "acute cardiac, pulmonary or pleural disease") != []
    assert found(wide, "acute pain; disease") == []


def test_a_gap_yields_to_a_phrase_inside_it():
    both = Phrases([("acute ~~ disease", "disease"), ("infiltrate", "infiltrate")])
    assert found(both, "acute infiltrate or disease") == [("infiltrate", "infiltrate")]


def test_a_phrase_is_not_found_across_the_end():
    assert found(NAMES, "pleural") == []


@pytest.mark.parametrize("name", ["findings", "organs", "states", "cues", "anatomy", "severity"])
def test_every_row_of_a_table_is_complete_and_there_once(name: str):
    rows = [tuple(row.items()) for row in table(f"{name}.tsv")]
    assert len(rows) == len(set(rows))
    assert all(dict(row)["phrase"].strip() for row in rows)
    assert all(None not in value for row in rows for value in row)


@pytest.mark.parametrize(
    ("name", "column", "allowed"),
    [
        ("findings", "kind", {"named", "device", "hinted", "denial", "ignored"}),
        ("states", "status", {"present", "absent", "uncertain", "neutral"}),
        ("cues", "kind", {"negation", "uncertainty", "claim", "alternative", "none", "stop", "fresh", "list"}),
        ("cues", "side", {"before", "after", "either", "-"}),
        ("anatomy", "laterality", {"", "left", "right", "bilateral"}),
        ("severity", "severity", {"trace", "minimal", "mild", "moderate", "severe"}),
    ],
)
def test_a_table_uses_known_words(name: str, column: str, allowed: set[str]):
    assert {row[column] for row in table(f"{name}.tsv")} == allowed
