"""One map between the 14 CheXpert observations, NIH ChestX-ray14's labels and Open-I's expert codes.

CheXpert: Irvin et al. 2019, https://arxiv.org/abs/1901.07031. NIH: Wang et al. 2017,
https://arxiv.org/abs/1705.02315. Open-I codes: `MeSH/major` of each report, "descriptor/qualifier/…".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NO_FINDING = "No Finding"
CHEXPERT: tuple[str, ...] = (
    NO_FINDING,
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
NIH_EXTRAS: tuple[str, ...] = ("Emphysema", "Fibrosis", "Hernia")
LABELS: tuple[str, ...] = CHEXPERT + NIH_EXTRAS

_OF_NIH: Mapping[str, str] = {
    "Effusion": "Pleural Effusion",
    "Infiltration": "Lung Opacity",
    "Mass": "Lung Lesion",
    "Nodule": "Lung Lesion",
    "Pleural_Thickening": "Pleural Other",
}

_OF_DESCRIPTOR: Mapping[str, tuple[str, ...]] = {
    "normal": (NO_FINDING,),
    "Cardiomegaly": ("Cardiomegaly",),
    "Opacity": ("Lung Opacity",),
    "Airspace Disease": ("Lung Opacity",),
    "Infiltrate": ("Lung Opacity",),
    "Nodule": ("Lung Lesion",),
    "Mass": ("Lung Lesion",),
    "Pulmonary Edema": ("Edema",),
    "Pulmonary Congestion": ("Edema",),
    "Heart Failure": ("Edema",),
    "Consolidation": ("Consolidation",),
    "Pneumonia": ("Pneumonia",),
    "Pulmonary Atelectasis": ("Atelectasis",),
    "Pneumothorax": ("Pneumothorax",),
    "Hydropneumothorax": ("Pneumothorax", "Pleural Effusion"),
    "Hemopneumothorax": ("Pneumothorax", "Pleural Effusion"),
    "Pleural Effusion": ("Pleural Effusion",),
    "Hemothorax": ("Pleural Effusion",),
    "Pleura": ("Pleural Other",),
    "Fractures, Bone": ("Fracture",),
    "Catheters, Indwelling": ("Support Devices",),
    "Implanted Medical Device": ("Support Devices",),
    "Medical Device": ("Support Devices",),
    "Tube, Inserted": ("Support Devices",),
    "Surgical Instruments": ("Support Devices",),
    "Stents": ("Support Devices",),
    "Emphysema": ("Emphysema",),
    "Pulmonary Emphysema": ("Emphysema",),
    "Bullous Emphysema": ("Emphysema",),
    "Pulmonary Fibrosis": ("Fibrosis",),
    "Fibrosis": ("Fibrosis",),
    "Hernia, Hiatal": ("Hernia",),
    "Hernia, Diaphragmatic": ("Hernia",),
}

_OF_QUALIFIED: Mapping[tuple[str, str], str] = {
    ("Cardiac Shadow", "enlarged"): "Cardiomegaly",
    ("Heart", "enlarged"): "Cardiomegaly",
    ("Mediastinum", "enlarged"): "Enlarged Cardiomediastinum",
    ("Mediastinum", "prominent"): "Enlarged Cardiomediastinum",
    ("Thickening", "pleura"): "Pleural Other",
    ("Cicatrix", "pleura"): "Pleural Other",
    ("Calcinosis", "pleura"): "Pleural Other",
}


def labels_of_codes(codes: Iterable[str]) -> frozenset[str]:
    """Return the labels an expert coded as present, e.g. ("Opacity/lung/base/left",) → {"Lung Opacity"}.

    Descriptors without a counterpart among `LABELS` add nothing; a study coded only with such is not normal.
    """
    found: set[str] = set()
    for code in codes:
        descriptor, *qualifiers = code.split("/")
        found.update(_OF_DESCRIPTOR.get(descriptor.strip(), ()))
        found.update(
            label for qualifier in qualifiers if (label := _OF_QUALIFIED.get((descriptor.strip(), qualifier.strip())))
        )
    return frozenset(found)


def labels_of_nih(labels: Iterable[str]) -> frozenset[str]:
    """Return our labels for NIH ChestX-ray14's, e.g. ("Effusion", "Mass") → {"Pleural Effusion", "Lung Lesion"}.

    A label that is not among `LABELS` after the map (such as a diagnosis) adds nothing.
    """
    mapped = (_OF_NIH.get(label, label) for label in labels)
    return frozenset(label for label in mapped if label in LABELS)
