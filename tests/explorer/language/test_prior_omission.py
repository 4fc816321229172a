from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.language.prior_omission import PriorOmitter
from explorer.language.splitting import Splitter
from explorer.language.temporal import KEYWORDS, keywords_in

OMITTER = PriorOmitter.open()


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        # what has resolved or was taken out is denied
        ("Resolved left effusion.", "No left effusion."),
        ("The left effusion has resolved.", "No left effusion."),
        ("Interval resolution of the right basilar opacity.", "No right basilar opacity."),
        ("Interval removal of the chest tube.", "No chest tube."),
        ("The endotracheal tube has been removed.", "No endotracheal tube."),
        ("Nearly completely resolved effusion.", "Effusion."),
        # what has changed is there
        ("Improved left effusion.", "Left effusion."),
        ("There has been interval improvement in the right effusion.", "There is right effusion."),
        ("Worsening bibasilar atelectasis.", "Bibasilar atelectasis."),
        ("Left effusion, increased.", "Left effusion."),
        ("New right pneumothorax.", "Right pneumothorax."),
        ("Right basilar opacity is decreased compared to the prior study.", "Right basilar opacity."),
        ("No change in the left apical nodule.", "Left apical nodule."),
        # what is the same is there
        ("Stable cardiomegaly.", "Cardiomegaly."),
        ("The granuloma is unchanged.", "The granuloma."),
        ("There is stable scarring at the apex.", "There is scarring at the apex."),
        ("The heart is stable and normal in size.", "The heart is normal in size."),
        ("Persistent small effusion.", "Small effusion."),
        ("1. Unchanged small nodule.", "1. Small nodule."),
        ("As compared to the prior film, there is a small effusion.", "There is a small effusion."),
        ("Pacemaker leads are again noted.", "Pacemaker leads are noted."),
        # a denial stays a denial
        ("No new opacity.", "No opacity."),
        ("No effusion.", "No effusion."),
        # static uses get another word
        ("The heart is enlarged.", "The heart is large."),
        ("The heart is not enlarged.", "The heart is not large."),
        ("Elevated left hemidiaphragm.", "High left hemidiaphragm."),
        ("The lungs are well expanded and clear.", "The lungs are inflated and clear."),
        ("Unfolded aorta.", "Tortuous aorta."),
        ("Degenerative change of the spine.", "Degenerative changes of the spine."),
        ("Bibasilar opacities, left greater than right.", "Bibasilar opacities, left more than right."),
        ("Reduced lung volumes.", "Low lung volumes."),
        # nothing is left to say
        ("No change.", ""),
        ("No significant interval change.", ""),
        ("The cardiomediastinal silhouette is stable.", ""),
        ("Stable appearance of the chest.", ""),
    ],
)
def test_a_sentence_is_told_without_an_earlier_film(sentence: str, told: str):
    assert OMITTER.omit(sentence) == told


def test_lines_stay_lines_and_an_empty_one_goes():
    assert (
        OMITTER.omit("Stable nodule. No effusion.\nNo change.\nSmall nodule.") == "Nodule. No effusion.\nSmall nodule."
    )


def test_what_compares_nothing_comes_back_as_it_was():
    text = "Heart size  is normal.No effusion\n2. small nodule"
    assert OMITTER.omit(text) == text


WORDS = st.sampled_from(
    [
        *KEYWORDS,
        *(word.upper() for word in KEYWORDS[:9]),
        "no",
        "the",
        "effusion",
        "in",
        ",",
        ".",
        "is",
        "left",
        "since",
        "compared to prior",
        "-",
        "\n",
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_no_keyword_survives_whatever_the_text(text: str):
    assert keywords_in(OMITTER.omit(text)) == ()


@given(st.text(max_size=150))
def test_any_text_is_accepted(text: str):
    assert keywords_in(OMITTER.omit(text)) == ()


SUBJECTS = st.sampled_from(["left effusion", "right basilar opacity", "nodule", "pneumothorax"])
FORMS = st.sampled_from(
    ["Stable {}.", "No new {}.", "Worsening {}.", "There is a {}, unchanged.", "The {} has resolved."]
)


@given(st.lists(st.tuples(FORMS, SUBJECTS), min_size=1, max_size=4))
def test_telling_twice_tells_the_same(parts: list[tuple[str, str]]):
    told = OMITTER.omit(" ".join(form.format(subject) for form, subject in parts))
    assert OMITTER.omit(told) == told


@pytest.mark.parametrize("subject", ["left effusion", "pulmonary edema", "rib fracture", "pacemaker"])
def test_findings_and_their_denial_survive(subject: str):
    claims = Splitter.open().claims
    assert claims(OMITTER.omit(f"Stable {subject}.")) == claims(f"{subject}.")
    assert claims(OMITTER.omit(f"The {subject} has resolved.")) == claims(f"No {subject}.")


def test_a_long_text_takes_no_more_than_its_length():
    text = "stable unchanged increased in the interval since prior " * 400
    started = time.process_time()
    assert keywords_in(OMITTER.omit(text)) == ()
    assert time.process_time() - started < 5
