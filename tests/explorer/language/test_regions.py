from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from explorer.language.regions import ELSEWHERE, RegionTeller

TELLER = RegionTeller.open()


def test_regions_come_in_the_fixed_order_whatever_the_order_of_the_text():
    text = (
        "Small hiatal hernia. A pacemaker is in place. Old rib fracture. The aorta is tortuous. The heart is enlarged. "
        "Small left effusion. Right basilar opacity. PA and lateral films."
    )
    assert TELLER.tell(text).splitlines() == [
        "Lungs: Right basilar opacity.",
        "Pleura: Small left effusion.",
        "Heart: The heart is enlarged.",
        "Mediastinum: The aorta is tortuous.",
        "Bones: Old rib fracture.",
        "Devices: A pacemaker is in place.",
        "Abdomen: Small hiatal hernia.",
        "Other: PA and lateral films.",
    ]


def test_only_a_sentence_of_several_regions_is_split():
    told = TELLER.by_region("No effusion or pneumothorax. No consolidation, effusion, or fracture.")
    assert told == {
        "Lungs": ("No consolidation.",),
        "Pleura": ("No effusion or pneumothorax.", "No effusion."),
        "Bones": ("No fracture.",),
    }


def test_one_silhouette_is_one_place():
    assert TELLER.by_region("The cardiomediastinal silhouette is normal.") == {
        "Heart": ("The cardiomediastinal silhouette is normal.",)
    }


def test_a_sentence_without_a_region_is_kept():
    assert TELLER.by_region("No acute disease.") == {ELSEWHERE: ("No acute disease.",)}
    assert TELLER.tell(" \n ") == ""


SENTENCES = [
    "Small left effusion.",
    "Normal heart.",
    "Clear lungs.",
    "No fracture.",
    "A port is present.",
    "Scoliosis.",
]


@given(st.lists(st.sampled_from(SENTENCES), max_size=8))
def test_every_sentence_is_told_as_often_as_it_was_said(said: list[str]):
    told = [one for parts in TELLER.by_region(" ".join(said)).values() for one in parts]
    assert sorted(told) == sorted(said)
