"""From settings to a working `Explorer`: the one place that knows the towers' registry and the corpora by name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from explorer import preparing
from explorer.batching import SharedTexts, shared
from explorer.choices import WORDS, RankerChoice, chosen
from explorer.corpora import openi
from explorer.errors import NotPrepared, UnknownTower, WeightsMissing
from explorer.progress import Progress, silent
from explorer.search import Explorer
from explorer.settings import Settings
from explorer.store import ReportStore

if TYPE_CHECKING:
    from models.interfaces import Dual, TextEncoder, WeightsSource

Say = Callable[[str], object]

_TEXT, _FILMS = frozenset[Literal["text", "image"]](("text",)), frozenset[Literal["text", "image"]](("image",))
_CHOICES = (
    RankerChoice("pocket", "pocket: LLM tower, trained here", _TEXT | _FILMS, ""),
    RankerChoice("pocket-int8", "pocket-int8: the same in 8 bits, for processors", _TEXT, ""),
    RankerChoice("llm2vec4cxr", "llm2vec4cxr: the paper's 1B LLM tower", _TEXT, ""),
    RankerChoice("llm2vec4cxr-mean", "llm2vec4cxr-mean: the same, pooled by mean", _TEXT, ""),
    RankerChoice("llm2clip4cxr", "llm2clip4cxr: the paper's tower for radiographs", _FILMS, ""),
    RankerChoice("base", "base: the LLM of pocket, untrained", _TEXT, "untrained"),
    RankerChoice("bert4cxr", "bert4cxr: BERT, trained here in the same way", _TEXT, "baseline"),
    RankerChoice("clip4cxr", "clip4cxr: bert4cxr for radiographs, beside pocket's film tower", _FILMS, "baseline"),
    RankerChoice("minilm", "minilm: general BERT, untouched", _TEXT, "baseline"),
    RankerChoice("bert-base", "bert-base: BERT of general English", _TEXT, "baseline"),
    RankerChoice("biomedbert", "biomedbert: BERT of PubMed articles", _TEXT, "baseline"),
    RankerChoice("bioclinicalbert", "bioclinicalbert: BERT of clinical notes", _TEXT, "baseline"),
    RankerChoice("clinicalbert", "clinicalbert: BERT of health records", _TEXT, "baseline"),
    RankerChoice("cxr-bert", "cxr-bert: BERT of PubMed and MIMIC", _TEXT, "baseline"),
    RankerChoice("cxr-bert-specialized", "cxr-bert-specialized: aligned with films", _TEXT, "baseline"),
    RankerChoice(WORDS, "bm25: words only, no model", _TEXT, "baseline"),
)


@dataclass(frozen=True)
class TowerState:
    """A tower as this machine has it."""

    name: str
    lacking: str  # what it lacks here and what to do, "" if it can be loaded
    source: WeightsSource | None  # None: it comes with the product


class LoadedTowers:
    """Loads towers from the registry on first use, and keeps them; queries that come together share their runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, TextEncoder] = {}
        self._duals: dict[str, Dual] = {}

    def text(self, name: str) -> TextEncoder:
        """Return a report-space encoder. Raises TowerError."""
        from models.registry import load_text_encoder

        with self._lock:
            if name not in self._texts:
                self._texts[name] = SharedTexts(load_text_encoder(name))
            return self._texts[name]

    def dual(self, name: str) -> Dual:
        """Return two towers with a shared space. Raises TowerError."""
        from models.registry import load_dual

        with self._lock:
            if name not in self._duals:
                self._duals[name] = shared(load_dual(name))
            return self._duals[name]


def compose(settings: Settings, progress: Progress = silent) -> Explorer:
    """Open the corpora prepared on this machine, the one in the settings first, and give them their rankers.

    The packaged corpus is read from its source the first time, and when its package changed; the findings of all are
    read anew when the rules changed. `progress` is told of both.

    Raises:
        UnknownCorpus: no corpus has that name.
        NotPrepared: it has to be read first: `python -m explorer index build`.
        CorpusMissing: the source is not on this machine.
        UnknownTower: no encoder has the name in the settings.
        WeightsMissing: its weights are not on this machine.
        Damaged: what was prepared does not match its manifest; `python -m explorer index build` makes it anew.
    """
    check_encoder(settings.encoder)
    store = _store(settings, progress)
    beside = preparing.prepared_beside(settings, store.info.name, progress)
    others = [one for one in beside if any(one.info.scopes.values())]  # some have films only
    ready = [choice for choice in _CHOICES if not _lacking(choice.name)]
    first = [choice for choice in ready if choice.name == settings.encoder]
    rest = [choice for choice in ready if choice.name != settings.encoder]
    return Explorer(settings, store, LoadedTowers(), (*first, *rest), others)


def check_encoder(name: str) -> None:
    """Raise UnknownTower, with the known ones, if no encoder has that name; WeightsMissing if it is not here."""
    if lacking := _lacking(chosen(_CHOICES, name).name):
        raise WeightsMissing(lacking)


def towers() -> tuple[TowerState, ...]:
    """Return every known tower, whether it is on this machine, and where it is fetched from."""
    from models.registry import source

    names = [choice.name for choice in _CHOICES if choice.name != WORDS]
    return tuple(TowerState(name, _lacking(name), source(name)) for name in names)


def load(name: str) -> str:
    """Load a tower and return its precision and device. Raises TowerError."""
    from models.registry import load_dual, load_text_encoder, names

    info = (load_text_encoder(name) if name in names() else load_dual(name).text).info
    return f"{info.precision} on {info.device}"


def graphics_card() -> str:
    """Return the name of the GPU that towers would run on, "" where there is none."""
    from models.registry import graphics_card as found

    return found()


def fetch_weights(settings: Settings, name: str, given: Path | None, say: Say, progress: Progress) -> str:
    """Bring the weights of a tower to this machine.

    Args:
        settings: where the cache is.
        name: of the tower.
        given: a file or a folder to take them from; None to download them.
        say: gets lines for a person.
        progress: gets a file and the share of it that is here.

    Returns:
        What the tower still lacks, in words; "" if it can be used.

    Raises:
        UnknownTower: nothing of that name is fetched.
        FetchError, WeightsMissing, WeightsDamaged: see `explorer.fetch`.
    """
    from explorer.fetch import fetch, take
    from models.registry import install, is_whole

    known = {state.name: state.source for state in towers()}
    source = known.get(name)
    if source is None:
        fetched = ", ".join(one for one in known if known[one])
        raise UnknownTower(f"There is nothing to fetch for {name!r}. Weights are fetched for: {fetched}.")
    if given is not None:
        take(source, given, settings.cache, partial(install, name), say)
    elif is_whole(name):
        say(f"{source.name} is here already, and whole.")
    else:
        fetch(source, settings.cache / "incoming" / source.name, partial(install, name), say, progress)
    return _lacking(name)


def _lacking(name: str) -> str:
    from models.registry import missing

    return "" if name == WORDS else missing(name)


def _store(settings: Settings, progress: Progress) -> ReportStore:
    if settings.corpus != openi.NAME:
        return preparing.opened(settings, settings.corpus, progress)
    try:
        store = preparing.opened(settings, openi.NAME, progress)
        if store.info.sha256 == openi.source_sha256():
            return store
    except NotPrepared:
        pass
    return preparing.build(settings, preparing.Order(openi.NAME), progress)
