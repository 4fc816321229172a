"""Findings of films: told by the report tower's words (zero-shot), and by a linear map on the features (probe)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explorer.metrics.classification import aurocs, enough, mean_auroc
from explorer.metrics.significance import Interval
from models.interfaces import SECTION_PROMPTS, Dual
from models.precision import Placement
from models.vision import VisionConfig, VisionTower
from training.datasets import SHARED_LABELS, Film, label_matrix
from training.finding_words import ASKED, directions, every_sentence
from training.images import begin_tower
from training.probe import Probe, fit_probe

STRENGTHS = (1e-4, 1e-3, 1e-2)  # of the probe, weakest penalty last; the choosing patients choose


@dataclass(frozen=True)
class Told:
    """How well findings are told on some of the films."""

    figure: Interval  # mean AUROC over labels, interval over patients
    labels: tuple[str, ...]  # those with enough positives
    each: tuple[float, ...]  # AUROC of each


def zero_shot(dual: Dual, pixels: Sequence[np.ndarray]) -> np.ndarray:
    """Return [n, labels] scores of films: how much nearer they are to a finding's words than to its denial's."""
    vectors = torch.from_numpy(dual.text.encode(every_sentence(ASKED), SECTION_PROMPTS["report"]))
    scores: np.ndarray = dual.image.encode(pixels) @ directions(ASKED, vectors).numpy().T
    return scores


def probe(features: Mapping[str, np.ndarray], shown: Mapping[str, Sequence[Film]]) -> np.ndarray:
    """Return [n, labels] scores of the reporting films, by a logistic map learned from the training films.

    Args:
        features: [n, d] of the films "train", "choosing", "reporting".
        shown: those films.
    """
    flags = {part: flags_of(found) for part, found in shown.items()}
    told = enough(flags["choosing"], 10)

    def figure(one: Probe) -> float:
        return float(aurocs(one.logits(features["choosing"])[:, told], flags["choosing"][:, told]).mean())

    probes = [fit_probe(features["train"], flags["train"], strength) for strength in STRENGTHS]
    return max(probes, key=figure).logits(features["reporting"])


def imagenet(vision: VisionConfig, placement: Placement) -> VisionTower:
    """Return a tower with ImageNet's weights, as it was before it saw a film."""
    tower = VisionTower(vision)
    begin_tower(tower, "")
    return tower.eval().to(placement.device)


def told(scores: np.ndarray, shown: Sequence[Film], groups: Sequence[str] | None = None) -> Told | None:
    """Return the mean AUROC over the labels with enough positives; None where no label has.

    With groups [n], only films of the same one are compared.
    """
    flags = flags_of(shown)
    kept = enough(flags)
    if not kept.any():
        return None
    figure = mean_auroc(scores[:, kept], flags[:, kept], [film.patient for film in shown], groups)
    names = tuple(name for name, one in zip(SHARED_LABELS, kept, strict=True) if one)
    return Told(figure, names, tuple(aurocs(scores[:, kept], flags[:, kept], groups).tolist()))


def flags_of(shown: Sequence[Film]) -> np.ndarray:
    """Return [n, labels] bool."""
    flags: np.ndarray = label_matrix([film.labels for film in shown], SHARED_LABELS) > 0
    return flags
