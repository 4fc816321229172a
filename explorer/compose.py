"""From settings to a working `Explorer`: the one place that knows the towers' registry and the corpora by name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from explorer.corpora import openi
from explorer.errors import NotPrepared, UnknownCorpus
from explorer.search import WORDS, Explorer, RankerChoice
from explorer.settings import Settings
from explorer.store import ReportStore

if TYPE_CHECKING:
    from models.interfaces import Dual, TextEncoder

CORPORA = (openi.NAME,)
_CHOICES = (
    RankerChoice("pocket", "pocket: LLM tower, trained here", frozenset(("text", "image")), ""),
    RankerChoice("base", "base: the same LLM, untrained", frozenset(("text",)), "untrained"),
    RankerChoice("minilm", "minilm: general BERT, untouched", frozenset(("text",)), "baseline"),
    RankerChoice(WORDS, "bm25: words only, no model", frozenset(("text",)), "baseline"),
)


class LoadedTowers:
    """Loads towers from the registry on first use, and keeps them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, TextEncoder] = {}
        self._duals: dict[str, Dual] = {}

    def text(self, name: str) -> TextEncoder:
        """Return a report-space encoder. Raises TowerError."""
        from models.registry import load_text_encoder

        with self._lock:
            if name not in self._texts:
                self._texts[name] = load_text_encoder(name)
            return self._texts[name]

    def dual(self, name: str) -> Dual:
        """Return two towers with a shared space. Raises TowerError."""
        from models.registry import load_dual

        with self._lock:
            if name not in self._duals:
                self._duals[name] = load_dual(name)
            return self._duals[name]


def compose(settings: Settings) -> Explorer:
    """Open the corpus, reading it from its source the first time, and give it its rankers.

    Raises:
        UnknownCorpus: no reader has that name.
        CorpusMissing: the source is not on this machine.
        UnknownTower: no encoder has the name in the settings.
        Damaged: what was prepared does not match its manifest; `python -m explorer index build` makes it anew.
    """
    store = _store(settings)
    first = [choice for choice in _CHOICES if choice.name == settings.encoder]
    others = [choice for choice in _CHOICES if choice.name != settings.encoder]
    explorer = Explorer(settings, store, LoadedTowers(), (*first, *others))
    explorer.choice(settings.encoder)
    return explorer


def rebuild_store(settings: Settings) -> None:
    """Read the corpus from its source anew, whatever is on disk."""
    _check_corpus(settings.corpus)
    ReportStore.build(settings.cache / "corpora" / settings.corpus, openi.read())


def _store(settings: Settings) -> ReportStore:
    _check_corpus(settings.corpus)
    try:
        store = ReportStore.open(settings.cache / "corpora" / settings.corpus)
        if store.info.sha256 == openi.source_sha256():
            return store
    except NotPrepared:
        pass
    rebuild_store(settings)
    return ReportStore.open(settings.cache / "corpora" / settings.corpus)


def _check_corpus(name: str) -> None:
    if name not in CORPORA:
        raise UnknownCorpus(f"There is no corpus {name!r}. Known: {', '.join(CORPORA)}.")
