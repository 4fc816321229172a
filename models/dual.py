"""Two towers in one space: reports and radiographs, each behind a projection, and the scale between them.

Paper section 4: a frozen report tower with LayerNorm and a linear projection, an image tower with a linear head,
cosine of both. Ours by default: both sides L2-normalised.
"""

from __future__ import annotations

import json
import math
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.baselines import BertTextEncoder, BertTower
from models.checkpoint import Checkpoint, below, digest_of, digest_of_tensors
from models.film_check import MeasuredCheck, Measurements
from models.interfaces import (
    PLACEHOLDERS,
    SECTION_PROMPTS,
    Dual,
    EncoderInfo,
    FilmPatches,
    TextEncoder,
    TowerError,
    Vectors,
    WeightsDamaged,
)
from models.precision import Home, Placement, for_films
from models.text import DecoderTextEncoder, PairTokenizer, ReportTower, TokenPair, merge_lora
from models.vision import Viewing, VisionConfig, VisionTower

FILMS_PER_BATCH = 32
MAX_SCALE = math.log(100)

Film = NDArray[np.uint8]  # [h, w]


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
        self.width = config.text_dim


class ImageSide(nn.Module):
    """Image tower and its linear head."""

    def __init__(self, config: DualConfig) -> None:
        super().__init__()
        self.tower = VisionTower(config.vision)
        self.head = nn.Linear(self.tower.width, config.dim)

    def forward(self, films: Tensor) -> Tensor:
        """Films [b, 1 or 3, s, s] → [b, dim], not normalised."""
        return self.head(self.tower(films))  # type: ignore[no-any-return]

    def patches(self, films: Tensor) -> Tensor:
        """Films as `forward` → [b, rows, columns, dim]; their mean is `forward` where the network averages places."""
        return self.head(self.tower.patches(films))  # type: ignore[no-any-return]


class SeenFilms:
    """What a network made of the last films, so that a film asked about twice passes it once.

    A film is known by the very array it is in, which must not be written to; no film is kept alive here.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[weakref.ref[Film], Tensor]] = OrderedDict()
        self._turn = threading.Lock()

    def find(self, films: Sequence[Film]) -> Tensor | None:
        """Return [b, width] if all of these films were kept."""
        with self._turn:
            kept = [self._kept.get(id(film)) for film in films]
        rows = [one[1] for one, film in zip(kept, films, strict=True) if one is not None and one[0]() is film]
        return torch.stack(rows) if rows and len(rows) == len(films) else None

    def keep(self, films: Sequence[Film], features: Tensor) -> None:
        """Keep the features [b, width] of films in place of the oldest."""
        with self._turn:
            for film, row in zip(films, features, strict=True):
                self._kept[id(film)] = (weakref.ref(film), row)
            while len(self._kept) > FILMS_PER_BATCH:
                self._kept.popitem(last=False)


class FilmEncoder:
    """`PatchEncoder` over an image side.

    Args:
        side: what `viewing` makes of films → [b, dim]; `patches` of it → [b, rows, columns, dim].
        viewing: how films of any shape become the side's input.
        info: the description.
        place: where it runs, or the home that it shares with another.
        seen: films that another encoder over the same network shares.
    """

    def __init__(
        self,
        side: Any,  # noqa: ANN401 - ours or the published one's
        viewing: Viewing,
        info: EncoderInfo,
        place: Placement | Home,
        seen: SeenFilms | None = None,
    ) -> None:
        self.side = side.eval().to(memory_format=torch.channels_last)  # convolutions are a third faster so
        self._viewing = viewing
        self._info = info
        self._home = place if isinstance(place, Home) else Home([side], place)
        self._seen = seen or SeenFilms()

    @property
    def info(self) -> EncoderInfo:
        """The tower's description, as it runs now."""
        return self._home.told(self._info)

    @torch.inference_mode()
    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Encode grey films, each [h, w] with bright = dense → [n, dim] float32, unit rows if the score is cosine."""
        vectors = np.zeros((len(images), self._info.dim), dtype=np.float32)
        for start in range(0, len(images), FILMS_PER_BATCH):
            features = self._encoded(images[start : start + FILMS_PER_BATCH])
            unit = F.normalize(features, dim=-1) if self._info.score == "cosine" else features
            vectors[start : start + len(features)] = unit.numpy()
        return vectors

    def headless(self) -> FilmEncoder:
        """Return the tower without its head: the same films → its last features, as unit rows.

        Raises TowerError for a network whose head is part of it.
        """
        if not isinstance(self.side, ImageSide):
            raise TowerError(f"The image tower of {self.info.name!r} cannot be used without its head.")
        tower = self.side.tower
        info = replace(self._info, dim=tower.width, score="cosine")
        return FilmEncoder(tower, self._viewing, info, self._home, self._seen)

    @torch.inference_mode()
    def patches(self, image: NDArray[np.uint8]) -> FilmPatches:
        """Encode the places of a grey film [h, w] uint8."""
        films = self._viewing.films([image])
        places = self._home.run(lambda: self._features(self.side.patches, films))[0]
        if self._info.score == "cosine":
            places = places / self._encoded([image])[0].norm().clamp_min(1e-9)
        height, width = image.shape
        return FilmPatches(places.numpy(), self._viewing.frame(height, width))

    def _encoded(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return [b, dim], not normalised."""
        network, head = (self.side.tower, self.side.head) if isinstance(self.side, ImageSide) else (self.side, None)
        features = self._seen.find(images)
        if features is None:
            films = self._viewing.films(images)
            features = self._home.run(lambda: self._features(network, films))
            self._seen.keep(images, features)
        return features if head is None else self._home.run(lambda: self._features(head, features))

    def _features(self, see: Any, films: Tensor) -> Tensor:  # noqa: ANN401 - the side, a part of it, or its patches
        placement = self._home.placement
        with placement.autocast():
            return see(films.to(placement.device)).float().cpu()  # type: ignore[no-any-return]


class WithPlaceholders:
    """Puts the placeholder of its section before each text, for towers trained with them, paper section 4.3."""

    def __init__(self, tokenizer: PairTokenizer) -> None:
        self._tokenizer = tokenizer
        self._of_prompt = {SECTION_PROMPTS[scope]: mark for scope, mark in PLACEHOLDERS.items()}

    def pairs(self, texts: Sequence[str], instructions: Sequence[str]) -> list[TokenPair]:
        """Return the ids of each instruction and of its text; the instruction tells the section."""
        marked = [self._of_prompt.get(one, "") + text for text, one in zip(texts, instructions, strict=True)]
        return self._tokenizer.pairs(marked, instructions)


def open_dual(
    trained: Checkpoint,
    tower: ReportTower | BertTower,
    tokenizer: PairTokenizer,
    text: EncoderInfo,
    placement: Placement,
    known: Measurements | None = None,
    beside: Checkpoint | None = None,
) -> Dual:
    """Build both towers of a shared space on an opened report tower.

    Args:
        trained: projection, image side and the report tower's adapter for this space, if it has one; its manifest
            names the revision of the report tower it was trained with.
        tower, tokenizer, text: the report tower and its description in report space; the tower is changed in place.
        placement: where both run; films as `for_films` says.
        known: what the image tower makes of the films it was trained on; used only if it was measured with these
            weights.
        beside: the space whose image tower it is, where several share one; None: its own.

    Raises:
        WeightsDamaged: the image tower is not the one it was trained with.
    """
    about = trained.manifest["dual"]
    images = image_tower(beside or trained)
    known_as = digest_of_tensors(images)
    if beside is not None and trained.manifest["image_revision"] != known_as:
        raise WeightsDamaged(f"The image tower of {trained.manifest['name']!r} is not the one it was trained with.")
    config = DualConfig(VisionConfig(**about["vision"]), about["text_dim"], about["dim"])
    tensors = images | trained.tensors()
    projection, side = TextProjection(config), ImageSide(config)
    projection.load_state_dict(below(tensors, "projection."))
    side.load_state_dict(below(tensors, "image."))
    merge_lora(language_model_of(tower), below(tensors, "lora."), about.get("lora_scale", 1.0))
    shared = _shared(trained, known_as if beside else "", text, about)
    read = WithPlaceholders(tokenizer) if about.get("placeholders", False) else tokenizer
    viewing = Viewing(config.vision.size, colours=config.vision.colours)
    films = for_films(placement)
    image = FilmEncoder(side, viewing, replace(film_side_of(shared), precision=films.precision), films)
    return Dual(
        text=_text_side(tower, read, shared, placement, projection),
        image=image,
        check=MeasuredCheck(image.headless(), known) if known is not None and known.tower == known_as else None,
    )


def image_tower(space: Checkpoint) -> dict[str, Tensor]:
    """Return the weights of the image tower of a shared space, as stored."""
    return space.tensors(lambda key: key.startswith("image.tower."))


def language_model_of(tower: ReportTower | BertTower) -> nn.Module:
    """Return the part of a report tower that adapters go into."""
    model: nn.Module = tower.decoder if isinstance(tower, ReportTower) else tower.bert
    return model


def film_side_of(shared: EncoderInfo) -> EncoderInfo:
    """Return the description of the image side of a shared space from that of its text side."""
    return replace(shared, max_tokens=0, instructed=False, pooling="")


def _shared(trained: Checkpoint, images: str, text: EncoderInfo, about: Mapping[str, Any]) -> EncoderInfo:
    """Describe a space; images: the digest of an image tower that is not among its own weights."""
    weights = filter(None, (trained.revision, images))
    revision = digest_of(text.revision, *weights, json.dumps(about, sort_keys=True))
    name = trained.manifest.get("name", text.name)
    return replace(text, name=name, space="image", dim=about["dim"], revision=revision, note=trained.manifest["note"])


def _text_side(
    tower: ReportTower | BertTower,
    tokenizer: PairTokenizer,
    shared: EncoderInfo,
    placement: Placement,
    projection: nn.Module,
) -> TextEncoder:
    if isinstance(tower, BertTower):
        return BertTextEncoder(tower, tokenizer, shared, placement, projection)
    return DecoderTextEncoder(tower, tokenizer, shared, placement, projection)
