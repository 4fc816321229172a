"""What an image tower that stays as it is sees in films: made once, and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import digest_of
from models.interfaces import Vectors
from models.precision import Placement
from models.vision import VisionTower, normalised
from training.augment import jittered
from training.datasets import Film
from training.embeddings import kept

AT_ONCE = 64  # films


def features_of(
    tower: VisionTower, shown: Sequence[Film], pixels: np.ndarray, placement: Placement, seed: int | None = None
) -> Vectors:
    """Return the tower's last features [n, width] of films, not of unit length.

    Args:
        tower: in evaluation mode.
        shown: the films.
        pixels: [n, s, s] uint8, theirs at the tower's size.
        placement: where the tower is.
        seed: of the little changes made to each film; None for the films as they are.
    """
    names = [f"{film.source}/{film.file.name}" for film in shown]
    name = digest_of(_digest(tower), placement.precision, str(pixels.shape), str(seed), *names)
    return kept(name, (len(shown), tower.width), lambda: seen_by(tower, pixels, placement, seed))


@torch.no_grad()
def seen_by(tower: VisionTower, pixels: np.ndarray, placement: Placement, seed: int | None = None) -> Vectors:
    """Return what `features_of` does, made now and kept nowhere."""
    if seed is not None:
        torch.manual_seed(seed)
    rows: list[Tensor] = []
    for part in np.array_split(pixels, max(1, len(pixels) // AT_ONCE)):
        films = normalised(part)
        with placement.autocast():
            rows.append(tower((films if seed is None else jittered(films)).to(placement.device)).float().cpu())
    return torch.cat(rows).numpy()


def _digest(tower: VisionTower) -> str:
    digest = hashlib.sha256(str(tower.config).encode())
    for key, value in tower.state_dict().items():
        digest.update(key.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()
