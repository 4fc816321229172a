"""Two towers in one space: reports and radiographs, each behind a projection, and the scale between them.

Paper section 4: a frozen report tower with LayerNorm and a linear projection, an image tower with a linear head,
cosine of both. Ours by default: both sides L2-normalised.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.checkpoint import Checkpoint, below, digest_of
from models.film_check import MeasuredCheck, Measurements
from models.interfaces import Dual, EncoderInfo, TowerError, Vectors
from models.precision import Placement
from models.text import DecoderTextEncoder, ReportTower, TextTokenizer
from models.vision import VisionConfig, VisionTower, normalised, whole_film

FILMS_PER_BATCH = 32
MAX_SCALE = math.log(100)


@dataclass(frozen=True)
class DualConfig:
    """Shape of the shared space."""

    vision: VisionConfig
    text_dim: int = 576
    dim: int = 512


class TextProjection(nn.Sequential):
    """LayerNorm and a linear map, paper section 4."""

    def __init__(self, config: DualConfig) -> None:
        super().__init__(nn.LayerNorm(config.text_dim), nn.Linear(config.text_dim, config.dim))


class ImageSide(nn.Module):
    """Image tower and its linear head."""

    def __init__(self, config: DualConfig) -> None:
        super().__init__()
        self.tower = VisionTower(config.vision)
        self.head = nn.Linear(self.tower.width, config.dim)

    def forward(self, films: Tensor) -> Tensor:
        """Films [b, 1, s, s] → [b, dim], not normalised."""
        return self.head(self.tower(films))  # type: ignore[no-any-return]


See = Callable[[Sequence[NDArray[np.uint8]]], Tensor]  # grey films, each [h, w] → what a network takes


def whole_films(size: int) -> See:
    """See whole films, letterboxed to [size, size]."""
    return lambda films: normalised([whole_film(film, size) for film in films])


class FilmEncoder:
    """`ImageEncoder` over an image side.

    Args:
        side: what `see` makes of films → [b, dim].
        see: from films to the side's input.
        info: the description.
        placement: where it runs.
    """

    def __init__(self, side: nn.Module, see: See, info: EncoderInfo, placement: Placement) -> None:
        self._side = side.eval().to(placement.device)
        self._see = see
        self._placement = placement
        self.info = info

    @torch.inference_mode()
    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Encode grey films, each [h, w] with bright = dense → [n, dim] float32, unit rows if the score is cosine."""
        vectors = np.zeros((len(images), self.info.dim), dtype=np.float32)
        for start in range(0, len(images), FILMS_PER_BATCH):
            films = self._see(images[start : start + FILMS_PER_BATCH])
            with self._placement.autocast():
                features = self._side(films.to(self._placement.device)).float()
            unit = F.normalize(features, dim=-1) if self.info.score == "cosine" else features
            vectors[start : start + len(films)] = unit.cpu().numpy()
        return vectors

    def headless(self) -> FilmEncoder:
        """Return the tower without its head: the same films → its last features, as unit rows.

        Raises TowerError for a network whose head is part of it.
        """
        if not isinstance(self._side, ImageSide):
            raise TowerError(f"The image tower of {self.info.name!r} cannot be used without its head.")
        tower = self._side.tower
        return FilmEncoder(tower, self._see, replace(self.info, dim=tower.width, score="cosine"), self._placement)


def open_dual(
    trained: Checkpoint,
    tower: ReportTower,
    tokenizer: TextTokenizer,
    text: EncoderInfo,
    placement: Placement,
    known: Measurements | None = None,
) -> Dual:
    """Build both towers of a shared space on an opened report tower.

    Args:
        trained: projection and image side; its manifest names the revision of the report tower it was trained with.
        tower, tokenizer, text: the report tower and its description in report space.
        placement: where both run.
        known: what the image tower makes of the films it was trained on; used only if it was measured with these
            weights.
    """
    about = trained.manifest["dual"]
    config = DualConfig(VisionConfig(**about["vision"]), about["text_dim"], about["dim"])
    tensors = trained.tensors()
    projection, side = TextProjection(config), ImageSide(config)
    projection.load_state_dict(below(tensors, "projection."))
    side.load_state_dict(below(tensors, "image."))
    revision = digest_of(text.revision, trained.revision, json.dumps(about, sort_keys=True))
    shared = replace(text, space="image", dim=config.dim, revision=revision, note=trained.manifest["note"])
    image = FilmEncoder(side, whole_films(config.vision.size), film_side_of(shared), placement)
    return Dual(
        text=DecoderTextEncoder(tower, tokenizer, shared, placement, projection),
        image=image,
        check=MeasuredCheck(image.headless(), known) if known is not None and known.tower == trained.revision else None,
    )


def film_side_of(shared: EncoderInfo) -> EncoderInfo:
    """Return the description of the image side of a shared space from that of its text side."""
    return replace(shared, max_tokens=0, instructed=False, pooling="")
