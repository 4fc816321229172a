"""Image towers on timm: grey films in, one feature vector per film out, or one for each place in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from models.interfaces import Frame, TowerError

IMAGENET_MEAN, IMAGENET_STD = 0.449, 0.226  # ImageNet's, averaged over colours: a film has one
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's networks, a colour each
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Cut = Literal["whole", "centre"]
Colours = Literal["grey", "clip"]
Films = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]  # each [s, s]


@dataclass(frozen=True)
class VisionConfig:
    """Which network, at which size, with which normalisation."""

    architecture: str = "tf_efficientnet_lite0"  # a timm name
    size: int = 224  # pixels, square
    colours: Colours = "grey"  # "clip": each colour as CLIP's networks learned it


@dataclass(frozen=True)
class Viewing:
    """How a tower sees films of any shape."""

    size: int  # pixels, square
    cut: Cut = "whole"  # "whole": black around (letterbox); "centre": by the shorter side, the rest cut off
    colours: Colours = "grey"

    def films(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Fit grey films, each [h, w] → [b, 1, s, s] or, for CLIP's colours, [b, 3, s, s]."""
        fit = whole_film if self.cut == "whole" else centre_of_film
        return self.normalised(np.stack([fit(film, self.size) for film in images]))

    def normalised(self, films: NDArray[np.uint8]) -> Tensor:
        """Films of this size [b, s, s] uint8 → as `films`."""
        return normalised(films) if self.colours == "grey" else normalised_as_clip(films)

    def frame(self, height: int, width: int) -> Frame:
        """Return what the square shows of a film of that shape."""
        if self.cut == "whole":
            rows, columns = _fitted(height, width, self.size)
            top, left = -((self.size - rows) // 2), -((self.size - columns) // 2)
        else:
            columns, rows = _by_shorter_side(height, width, self.size)
            top, left = (round((side - self.size) / 2) for side in (rows, columns))
        return Frame(top / rows, left / columns, (top + self.size) / rows, (left + self.size) / columns)


class VisionTower(nn.Module):
    """A timm network without its head.

    Raises TowerError where timm has no such network, or it cannot be built at the size.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.network = _network(config)
        self.width: int = self.network.num_features

    def forward(self, films: Tensor) -> Tensor:
        """Films [b, 1 or 3, s, s], normalised → features [b, width]."""
        return self.network(films.expand(-1, 3, -1, -1))  # type: ignore[no-any-return]  # [b, 1, …] → [b, 3, …]

    def patches(self, films: Tensor) -> Tensor:
        """Films as `forward` → [b, rows, columns, width]: the features of each place, before they are averaged."""
        return _places(self.network, films.expand(-1, 3, -1, -1))


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

    def patches(self, films: Tensor) -> Tensor:
        """Films as `forward` → [b, rows, columns, dim]: the head on each patch's token instead of the film's."""
        return self.network.head(_places(self.network, films))  # type: ignore[no-any-return]


def centre_of_film(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Fit a film [h, w] into [size, size] by its shorter side and cut what is left of the longer, as CLIP does."""
    height, width = pixels.shape
    fitted = _by_shorter_side(height, width, size)
    resized = np.asarray(Image.fromarray(pixels).resize(fitted, Image.Resampling.BICUBIC))
    top, left = (round((side - size) / 2) for side in resized.shape)
    return resized[top : top + size, left : left + size]


def normalised_as_clip(films: Films) -> Tensor:
    """Stack films, each [s, s] uint8 → [b, 3, s, s] float32 as CLIP's networks expect them."""
    stacked = torch.from_numpy(np.asarray(films)).unsqueeze(1).float() / 255  # [b, s, s] → [b, 1, s, s]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    return (stacked - mean) / std


def whole_film(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Fit a film [h, w] into [size, size] without cutting: scaled by its longer side, black around (letterbox)."""
    height, width = pixels.shape
    rows, columns = _fitted(height, width, size)
    resized = np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR, reducing_gap=3.0))
    canvas = np.zeros((size, size), dtype=np.uint8)
    top, left = (size - rows) // 2, (size - columns) // 2
    canvas[top : top + rows, left : left + columns] = resized
    return canvas


def normalised(films: Films) -> Tensor:
    """Stack films, each [s, s] uint8 → [b, 1, s, s] float32 as the networks expect them."""
    stacked = torch.from_numpy(np.asarray(films)).unsqueeze(1).float() / 255  # [b, s, s] → [b, 1, s, s]
    return (stacked - IMAGENET_MEAN) / IMAGENET_STD


def _fitted(height: int, width: int, size: int) -> tuple[int, int]:
    """Return rows and columns of a film scaled by its longer side."""
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _by_shorter_side(height: int, width: int, size: int) -> tuple[int, int]:
    """Return columns and rows of a film scaled by its shorter side, as CLIP's transforms round them."""
    short = min(height, width)
    return int(size * width / short), int(size * height / short)


def _network(config: VisionConfig) -> Any:  # noqa: ANN401 - a network of the library's
    if not timm.is_model(config.architecture):
        raise TowerError(f"timm has no network {config.architecture!r}. Choose one of `timm.list_models()`.")
    about = timm.get_pretrained_cfg(config.architecture)
    try:
        if about is not None and about.fixed_input_size:  # its positions are counted, so it has to know the size
            return timm.create_model(config.architecture, pretrained=False, num_classes=0, img_size=config.size)
        return timm.create_model(config.architecture, pretrained=False, num_classes=0)
    except (AssertionError, ValueError) as error:
        raise TowerError(
            f"The network {config.architecture!r} cannot be built for {config.size} pixels: {error}."
        ) from error


def _places(network: Any, films: Tensor) -> Tensor:  # noqa: ANN401 - a network of the library's
    """Return the features of each place of films [b, 3, s, s] → [b, rows, columns, width]."""
    features: Tensor = network.forward_features(films)
    if features.dim() == 4:
        columns_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        return features if columns_last else features.permute(0, 2, 3, 1)
    tokens = features[:, network.num_prefix_tokens :]  # [b, 1 + n, width] → [b, n, width]
    if hasattr(network, "fc_norm"):
        tokens = network.fc_norm(tokens)
    rows, columns = network.patch_embed.grid_size
    return tokens.reshape(len(tokens), rows, columns, -1)
