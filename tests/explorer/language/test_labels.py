from __future__ import annotations

import pytest

from explorer.language.labels import CHEXPERT, LABELS, labels_of_codes, labels_of_nih


@pytest.mark.parametrize(
    ("codes", "labels"),
    [
        (("normal",), {"No Finding"}),
        (("Opacity/lung/base/left", "Cardiomegaly/mild"), {"Lung Opacity", "Cardiomegaly"}),
        (("Hydropneumothorax/right",), {"Pneumothorax", "Pleural Effusion"}),
        (("Thickening/pleura/apex",), {"Pleural Other"}),
        (("Thickening/lung",), set()),
        (("Cardiac Shadow/enlarged/borderline",), {"Cardiomegaly"}),
        (("Calcified Granuloma/lung",), set()),
        ((), set()),
    ],
)
def test_expert_codes_become_labels(codes, labels):
    assert labels_of_codes(codes) == labels


@pytest.mark.parametrize(
    ("nih", "labels"),
    [
        (("Effusion", "Mass", "Nodule"), {"Pleural Effusion", "Lung Lesion"}),
        (("Infiltration", "Pleural_Thickening"), {"Lung Opacity", "Pleural Other"}),
        (("No Finding",), {"No Finding"}),
        (("Emphysema", "Hernia"), {"Emphysema", "Hernia"}),
        (("COVID-19",), set()),
    ],
)
def test_nih_labels_become_ours(nih, labels):
    assert labels_of_nih(nih) == labels


def test_there_are_fourteen_chexpert_observations_and_three_more():
    assert len(CHEXPERT) == 14
    assert len(set(LABELS)) == 17
