"""Image towers on timm: grey films in, one feature vector per film out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = 0.449, 0.226  # ImageNet's, averaged over colours: a film has one
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the published dual tower alone, a colour each
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class VisionConfig:
    """Which network, at which size."""

    architecture: str = "tf_efficientnet_lite0"  # a timm name
    size: int = 224  # pixels, square


class VisionTower(nn.Module):
    """A timm network without its head."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.network = timm.create_model(config.architecture, pretrained=False, num_classes=0)
        self.width: int = self.network.num_features

    def forward(self, films: Tensor) -> Tensor:
        """Films [b, 1, s, s], normalised → features [b, width]."""
        return self.network(films.expand(-1, 3, -1, -1))  # type: ignore[no-any-return]  # [b, 1, …] → [b, 3, …]


@dataclass(frozen=True)
class EvaConfig:
    """Shape of an EVA02-CLIP tower, https://arxiv.org/abs/2303.15389. Defaults: L/14 at 448 pixels."""

    size: int = 448  # pixels, square
    patch: int = 14
    width: int = 1024
    depth: int = 24
    dim: int = 1280  # of the shared space


class EvaTower(nn.Module):
    """EVA02-CLIP with the head that leads into the shared space."""

    def __init__(self, config: EvaConfig) -> None:
        super().__init__()
        self.config = config
        self.network = timm.create_model(
            "eva02_large_patch14_clip_336",
            pretrained=False,
            img_size=config.size,
            patch_size=config.patch,
            embed_dim=config.width,
            depth=config.depth,
            num_heads=config.width // 64,
            num_classes=config.dim,
        )

    def forward(self, films: Tensor) -> Tensor:
        """Films [b, 3, s, s], normalised → [b, dim]."""
        return self.network(films)  # type: ignore[no-any-return]


def centre_of_film(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Fit a film [h, w] into [size, size] by its shorter side and cut what is left of the longer, as CLIP does."""
    height, width = pixels.shape
    short = min(height, width)
    fitted = (int(size * width / short), int(size * height / short))
    resized = np.asarray(Image.fromarray(pixels).resize(fitted, Image.Resampling.BICUBIC))
    top, left = (round((side - size) / 2) for side in resized.shape)
    return resized[top : top + size, left : left + size]


def normalised_as_clip(films: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Stack films, each [s, s] uint8 → [b, 3, s, s] float32 as CLIP's networks expect them."""
    stacked = torch.from_numpy(np.stack(films)).unsqueeze(1).float() / 255  # [b, s, s] → [b, 1, s, s]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    return (stacked - mean) / std


def whole_film(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Fit a film [h, w] into [size, size] without cutting: scaled by its longer side, black around (letterbox)."""
    height, width = pixels.shape
    scale = size / max(height, width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = np.asarray(Image.fromarray(pixels).resize(fitted, Image.Resampling.BILINEAR, reducing_gap=3.0))
    canvas = np.zeros((size, size), dtype=np.uint8)
    top, left = (size - resized.shape[0]) // 2, (size - resized.shape[1]) // 2
    canvas[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return canvas


def normalised(films: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Stack films, each [s, s] uint8 → [b, 1, s, s] float32 as the networks expect them."""
    stacked = torch.from_numpy(np.stack(films)).unsqueeze(1).float() / 255  # [b, s, s] → [b, 1, s, s]
    return (stacked - IMAGENET_MEAN) / IMAGENET_STD
