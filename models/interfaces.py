"""What the rest of the product knows about a tower: two protocols, their description, and their errors.

CxrError                      everything this product raises on purpose
├─ TowerError                 a tower cannot be loaded or used
│  ├─ UnknownTower            no tower of that name
│  ├─ WeightsMissing          the weights are not on this machine
│  └─ WeightsDamaged          the weights do not match their manifest
└─ (explorer.errors draws the other half)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Space = Literal["report", "image"]
Score = Literal["cosine", "clip_raw"]
Vectors = NDArray[np.float32]


class CxrError(Exception):
    """Base of every error raised on purpose. Its message says what happened and what to do."""


class TowerError(CxrError):
    """A tower cannot be loaded or used."""


class UnknownTower(TowerError):
    """No tower has that name."""


class WeightsMissing(TowerError):
    """The weights of a known tower are not on this machine."""


class WeightsDamaged(TowerError):
    """Weights, manifest and code do not belong together."""


@dataclass(frozen=True)
class EncoderInfo:
    """What a set of vectors needs to know about the tower that made them."""

    name: str
    space: Space  # "report": texts only; "image": the space shared by reports and radiographs
    dim: int  # length of one vector
    max_tokens: int  # texts are cut after so many tokens; 0 for an image tower
    score: Score  # "cosine": unit rows; "clip_raw": plain inner product
    precision: str  # "fp32" | "bf16" | a named quantization
    device: str  # "cpu" | "cuda"
    revision: str  # sha256 over everything that decides a vector
    instructed: bool = False  # whether queries are meant to carry an instruction
    note: str = ""  # how this tower falls short, in words for the screen; "" if it does not
    pooling: str = "mean"  # how token states become one vector: "mean", "whitened mean", ...; "" for an image tower


@runtime_checkable
class TextEncoder(Protocol):
    """Reports to vectors."""

    @property
    def info(self) -> EncoderInfo:
        """The tower's description."""
        ...

    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        """Encode texts → [n, d] float32; unit rows if `info.score` is "cosine"."""
        ...


@runtime_checkable
class ImageEncoder(Protocol):
    """Radiographs to vectors."""

    @property
    def info(self) -> EncoderInfo:
        """The tower's description."""
        ...

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Encode grey films, each [h, w] uint8 with bright = dense → [n, d] float32."""
        ...


@dataclass(frozen=True)
class Likeness:
    """How a film compares with films of the kind its tower was trained on."""

    unlike: bool  # whether it looks like another kind, or lies farther out than the limit chosen on held-out films
    farther: float  # share, 0–1, of the held-out films that lie farther out than this one
    held_out: int  # how many those are
    kind: str = ""  # what it looks like instead, in words for the screen; "" where no kind that is known fits better


@runtime_checkable
class FilmCheck(Protocol):
    """Tells films of the kind an image tower was trained on from everything else."""

    def judge(self, film: NDArray[np.uint8]) -> Likeness:
        """Compare a grey film, [h, w] uint8 with bright = dense, with those the tower knows."""
        ...


@dataclass(frozen=True)
class Frame:
    """What a tower's square shows of a film, in shares of the film's height and width; beyond 0 and 1 it is margin."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True)
class FilmPatches:
    """Where in a film its vector comes from."""

    vectors: Vectors  # [rows, columns, d], in units of the film's own vector if `info.score` is "cosine"
    frame: Frame  # what the grid covers


@runtime_checkable
class PatchEncoder(ImageEncoder, Protocol):
    """An image tower that can tell where in a film its vector comes from."""

    def patches(self, image: NDArray[np.uint8]) -> FilmPatches:
        """Encode the places of a grey film [h, w] uint8.

        Behind a network that averages its places, as a convolutional one does, their mean is the film's vector.
        """
        ...


@dataclass(frozen=True)
class Dual:
    """Two towers in one shared, projected space."""

    text: TextEncoder
    image: ImageEncoder
    check: FilmCheck | None = None  # None: nobody has measured what this image tower knows


@dataclass(frozen=True)
class WeightsFile:
    """One file of a tower that is fetched."""

    names: tuple[str, ...]  # as its host calls it; further ones are tried where the first is not there
    optional: bool = False  # the tower loads without it
    sha256: str = ""  # "" where its authors publish none
    url: str = ""  # where it lies; "" for a file of the source's own page


@dataclass(frozen=True)
class WeightsSource:
    """Where the weights of a tower come from, and what taking them means."""

    name: str  # of the tower
    page: str  # of its authors, for people
    files_at: str  # address that a file's name is put behind
    licence: str
    size: int  # bytes to download, about
    files: tuple[WeightsFile, ...]
    wants_gpu: bool = False  # runs without one, at a pace that nobody waits for


SEARCH_INSTRUCTION = "Retrieve semantically similar sentences"  # paper section 3, tasks 1, 4, 5 and Search
SUMMARY_INSTRUCTION = "Summarize the CXR report"  # tasks 2 and 3
SECTION_PROMPTS = {  # paper section 4.3: what a report carries in the space it shares with radiographs
    "report": "Retrieve the image that best matches the following report.",
    "findings": "Retrieve the image that best matches the following report for the findings section.",
    "impression": "Retrieve the image that best matches the following report for the impression section.",
}

PLACEHOLDERS = {"report": "", "findings": "[FINDINGS] ", "impression": "[IMPRESSION] "}  # of towers trained with them


def cache_folder() -> Path:
    """Return the one folder for everything prepared here: `CXR_CACHE`, else one in the user's cache."""
    named = os.environ.get("CXR_CACHE")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "cxr-report-explorer"
