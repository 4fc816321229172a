from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.language.findings import FindingsReader
from explorer.language.paraphrase import Paraphraser, PhraseTable, sides
from explorer.language.phrases import table

PARAPHRASER = Paraphraser.open()
READER = FindingsReader.open()
REPORT = (
    "The heart size is within normal limits. There is no evidence of pleural effusion. "
    "Small opacity in the right lower lobe, consistent with pneumonia. These are stable."
)


def draws(count: int) -> list[str]:
    return [PARAPHRASER.similar(REPORT, np.random.default_rng(seed)) for seed in range(count)]


def test_a_phrase_is_exchanged_for_its_other_and_keeps_its_capital():
    phrases = PhraseTable({"heart size": ("cardiac size",), "^no": ("there is no",)})
    draw = np.random.default_rng(0)
    assert phrases.exchange("Heart size normal, heart sizes not", 1.0, draw) == "Cardiac size normal, heart sizes not"
    assert phrases.exchange("No mass, no nodule", 1.0, draw) == "There is no mass, no nodule"
    assert phrases.exchange("Heart size", 0.0, draw) == "Heart size"


def test_the_longest_phrase_is_exchanged():
    phrases = PhraseTable({"lung": ("A",), "lung base": ("B",)})
    assert phrases.exchange("lung base", 1.0, np.random.default_rng(0)) == "B"


def test_pairs_that_are_not_equivalent_are_off_unless_asked_for():
    said = "fibrotic changes and reticulonodular pattern"
    assert PhraseTable.open().exchange(said, 1.0, np.random.default_rng(0)) == said
    told = PhraseTable.open(demo=True).exchange(said, 1.0, np.random.default_rng(0))
    assert told == "scarring and diffuse infiltration"
    assert "fibrotic changes" not in PhraseTable.open(demo=True).exchange("scarring", 1.0, np.random.default_rng(0))


def test_no_pair_makes_a_borderline_heart_enlarged():
    said = {(row["phrase"], row["instead"]) for row in table("paraphrases.tsv")}
    assert not any("upper limit" in phrase or "borderline" in phrase for pair in said for phrase in pair)


def test_the_same_draw_gives_the_same_words_and_others_give_others():
    assert draws(3) == draws(3)
    assert len(set(draws(12))) > 6


def test_findings_sides_and_amounts_survive_every_draw():
    wanted = Counter((one.name, one.status) for one in READER.read(REPORT, ""))
    for told in draws(40):
        assert Counter((one.name, one.status) for one in READER.read(told, "")) == wanted
        assert not {"left", "bilateral"} & set(told.lower().split())


def test_a_sentence_that_points_back_stays_behind_its_own():
    text = "Small opacity in the left lung. This may represent pneumonia. No effusion. Normal heart."
    for seed in range(20):
        told = PARAPHRASER.similar(text, np.random.default_rng(seed)).lower()
        assert told.index("this") > told.index("opac")
        between = told[told.index("opac") : told.index("this")]
        assert "heart" not in between
        assert "eff" not in between


def test_short_forms_are_read_out_or_typed():
    told = [
        PARAPHRASER.similar("Sm R PTX. Left lower lobe opacity.", np.random.default_rng(seed)) for seed in range(30)
    ]
    assert any("pneumothorax" in one.lower() for one in told)
    assert any("LLL" in one for one in told)


@pytest.mark.parametrize(
    ("text", "left", "right", "bilateral"),
    [("Left and right bases, bilaterally.", 1, 1, 1), ("leftover upright", 0, 0, 0), ("Right-sided", 0, 1, 0)],
)
def test_words_for_sides_are_counted(text: str, left: int, right: int, bilateral: int):
    counts = sides(text)
    assert (counts[("left",)], counts[("right",)], counts[("bilateral",)]) == (left, right, bilateral)


@given(st.text(max_size=120), st.integers(0, 2**32 - 1))
def test_any_text_is_accepted(text: str, seed: int):
    PARAPHRASER.similar(text, np.random.default_rng(seed))
