from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.language.negatives import listed_negatives
from explorer.language.sentences import sentences
from explorer.language.splitting import LONGEST_SENTENCE, Splitter, finished, views_apart

SPLITTER = Splitter.open()


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("No nodule, mass, or effusion.", ("No nodule.", "No mass.", "No effusion.")),
        ("There is no effusion or pneumothorax seen.", ("No effusion.", "No pneumothorax.")),
        ("No evidence of edema and no effusion.", ("No edema.", "No effusion.")),
        ("Negative for fracture or effusion", ("No fracture.", "No effusion.")),
        (
            "No consolidation, nodule, or collapse in the left lower lobe.",
            (
                "No consolidation in the left lower lobe.",
                "No nodule in the left lower lobe.",
                "No collapse in the left lower lobe.",
            ),
        ),
        (
            "No effusion or free fluid is seen in the right hemithorax.",
            ("No effusion in the right hemithorax.", "No free fluid in the right hemithorax."),
        ),
    ],
)
def test_a_list_of_negatives_becomes_one_denial_each_with_the_place_of_all(sentence: str, parts: tuple[str, ...]):
    assert listed_negatives(sentence) == parts


@pytest.mark.parametrize(
    "sentence",
    [
        "No focal or diffuse opacity.",  # one noun
        "No pleural, bony or cardiac disease.",
        "No effusion, and the heart is normal.",  # another statement follows
        "Effusion, edema, or pneumonia.",  # denies nothing
        "No effusion.",
    ],
)
def test_what_is_no_list_of_negatives_is_left_alone(sentence: str):
    assert listed_negatives(sentence) == ()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "Heart size and mediastinal contours are normal.",
            ("Heart size is normal.", "Mediastinal contours are normal."),
        ),
        ("Normal heart size and mediastinal contours.", ("Normal heart size.", "Normal mediastinal contours.")),
        (
            "Cardiac and mediastinal contours are unremarkable.",
            ("Cardiac contours are unremarkable.", "Mediastinal contours are unremarkable."),
        ),
        (
            "The cardiomediastinal silhouette is enlarged.",
            ("The cardiac silhouette is enlarged.", "The mediastinal silhouette is enlarged."),
        ),
        (
            "The lungs are clear without consolidation or effusion.",
            ("The lungs are clear.", "No consolidation.", "No effusion."),
        ),
        (
            "Streaky left basilar opacity, atelectasis versus pneumonia.",
            ("Streaky left basilar opacity.", "Possible atelectasis.", "Possible pneumonia."),
        ),
        (
            "Dense opacity at the right base which may represent pneumonia.",
            ("Dense opacity at the right base.", "Possible pneumonia."),
        ),
        ("Small right effusion with basilar atelectasis.", ("Small right effusion.", "Basilar atelectasis.")),
        ("Mild cardiomegaly but no edema.", ("Mild cardiomegaly.", "No edema.")),
    ],
)
def test_findings_said_together_are_said_one_by_one(text: str, parts: tuple[str, ...]):
    assert SPLITTER.split(text) == parts


def test_technique_is_dropped_views_stand_alone_and_list_numbers_go():
    text = (
        "Frontal and lateral views of the chest demonstrate a small left effusion. The study is limited by rotation.\n"
        "1. Small left effusion. 2. No fracture."
    )
    assert SPLITTER.split(text) == (
        "Frontal and lateral views of the chest.",
        "A small left effusion.",
        "Small left effusion.",
        "No fracture.",
    )


def test_a_limited_study_that_still_says_something_is_kept():
    assert SPLITTER.split("Study limited by rotation, but there is a large effusion.") != ()


def test_views_that_open_no_sentence_are_left_in_place():
    assert views_apart("Opacity is seen on both views of the chest.") == ["Opacity is seen on both views of the chest."]


def test_a_piece_is_finished_as_a_sentence():
    assert finished(" , small effusion (left;") == "Small effusion left."
    assert finished(" ;, ") == ""


@pytest.mark.parametrize(
    ("piece", "sentence"),
    [
        (":\x0c0", "0."),
        (" ,\n; - small effusion", "Small effusion."),
        ("small effusion .", "Small effusion."),
        ("small effusion,. ; –", "Small effusion."),
        ("small effusion ,)", "Small effusion."),
        (". ; small effusion", "Small effusion."),
        (" .5 cm nodule", ".5 cm nodule."),
        ("small effusion (left) (", "Small effusion (left)."),
        (" .\t:,\x0c(", ""),
    ],
)
def test_whatever_mix_of_blanks_and_signs_stands_at_its_ends_is_left_over(piece: str, sentence: str):
    assert finished(piece) == sentence
    assert finished(sentence) == sentence


PHRASES = st.sampled_from(
    ["small effusion", "left basilar atelectasis", "pneumonia", "a nodule", "pulmonary edema", "hiatal hernia"]
)
JOINTS = st.sampled_from([", ", " and ", " or ", " with ", " without ", " versus ", "; ", ", which may represent "])
LEADS = st.sampled_from(["", "No ", "There is ", "Possible ", "The lungs are clear without "])


@given(LEADS, PHRASES, st.lists(st.tuples(JOINTS, PHRASES), max_size=4))
def test_splitting_never_changes_what_is_read(lead: str, first: str, more: list[tuple[str, str]]):
    text = lead + first + "".join(joint + phrase for joint, phrase in more) + "."
    assert SPLITTER.claims(*SPLITTER.split(text)) == SPLITTER.claims(text)


SIGNS = st.sampled_from([*" .,:;/()-–?1", "\n", "\x0c", "\xa0", "XXXX", "vs."])


@given(st.text(max_size=200) | st.lists(SIGNS | PHRASES | JOINTS, max_size=30).map("".join))
def test_any_text_is_split_into_sentences(text: str):
    for part in SPLITTER.split(text):
        assert part.endswith(".")
        assert part.strip() == part
        assert finished(part) == part


def test_a_list_without_end_is_left_as_it_is_in_good_time():
    text = "No " + ", ".join(["effusion"] * LONGEST_SENTENCE) + "."
    started = time.process_time()
    assert len(SPLITTER.split(text)) == len(sentences(text)) == 1
    assert time.process_time() - started < 2
