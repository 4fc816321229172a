"""Findings in words: the sentences that an image–label data set becomes, as CXR-CLIP (arXiv 2310.13292) does.

Training reads some sentences, evaluation asks by others: a figure never rests on a sentence that was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.language.labels import NO_FINDING
from training.datasets import SHARED_LABELS

WORDS: Mapping[str, str] = {
    "Cardiomegaly": "cardiomegaly",
    "Lung Opacity": "pulmonary opacity",
    "Lung Lesion": "pulmonary nodule or mass",
    "Edema": "pulmonary edema",
    "Consolidation": "consolidation",
    "Pneumonia": "pneumonia",
    "Atelectasis": "atelectasis",
    "Pneumothorax": "pneumothorax",
    "Pleural Effusion": "pleural effusion",
    "Pleural Other": "pleural thickening",
    "Emphysema": "emphysema",
    "Fibrosis": "pulmonary fibrosis",
    "Hernia": "hiatal hernia",
}


@dataclass(frozen=True)
class Sentences:
    """How a finding is said to be there, or not, and how a normal chest is told."""

    present: tuple[str, ...]
    absent: tuple[str, ...]
    normal: tuple[str, ...]


TAUGHT = Sentences(
    ("{} is seen.", "The film shows {}.", "{} is present."),
    ("{} is not seen.", "The film shows no {}.", "{} is absent."),
    ("No disease is seen.", "The film is normal.", "Unremarkable chest."),
)
ASKED = Sentences(
    ("{}.", "There is {}.", "Findings consistent with {}."),
    ("No {}.", "There is no {}.", "No evidence of {}."),
    ("No acute cardiopulmonary abnormality.", "Normal chest.", "The lungs are clear. The heart is normal."),
)


def every_sentence(told: Sentences) -> list[str]:
    """Return all sentences: for each finding of `WORDS` those that affirm it, then those that deny it; normal last."""
    of_findings = [_filled(template, name) for name in WORDS for template in (*told.present, *told.absent)]
    return [*of_findings, *told.normal]


def directions(told: Sentences, vectors: Tensor) -> Tensor:
    """Return [labels, d]: from the words that deny a label to those that affirm it, rows as `SHARED_LABELS`.

    Args:
        told: the sentences.
        vectors: [n, d] unit rows, those of `every_sentence(told)`.

    A normal chest lies opposite to the mean of all findings.
    """
    both = len(told.present) + len(told.absent)
    of_findings = vectors[: both * len(WORDS)].unflatten(0, (len(WORDS), both))  # [f, s, d]
    present = of_findings[:, : len(told.present)].mean(dim=1)
    away = present - of_findings[:, len(told.present) :].mean(dim=1)
    normal = vectors[both * len(WORDS) :].mean(dim=0) - present.mean(dim=0)
    rows = dict(zip(WORDS, away, strict=True)) | {NO_FINDING: normal}
    return torch.stack([rows[name] for name in SHARED_LABELS])


def _filled(template: str, name: str) -> str:
    text = template.format(WORDS[name])
    return text[0].upper() + text[1:]
