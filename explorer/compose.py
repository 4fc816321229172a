"""From settings to a working `Explorer`: the one place that knows the towers' registry and the corpora by name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from explorer import preparing
from explorer.corpora import openi
from explorer.errors import NotPrepared
from explorer.search import WORDS, Explorer, RankerChoice, chosen
from explorer.settings import Settings
from explorer.store import ReportStore

if TYPE_CHECKING:
    from models.interfaces import Dual, TextEncoder

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
    """Open the corpora prepared on this machine, the one in the settings first, and give them their rankers.

    The packaged corpus is read from its source the first time, and when its package changed.

    Raises:
        UnknownCorpus: no corpus has that name.
        NotPrepared: it has to be read first: `python -m explorer index build`.
        CorpusMissing: the source is not on this machine.
        UnknownTower: no encoder has the name in the settings.
        Damaged: what was prepared does not match its manifest; `python -m explorer index build` makes it anew.
    """
    check_encoder(settings.encoder)
    store = _store(settings)
    beside = preparing.prepared_beside(settings, store.info.name)
    others = [one for one in beside if any(one.info.scopes.values())]  # some have films only
    first = [choice for choice in _CHOICES if choice.name == settings.encoder]
    rest = [choice for choice in _CHOICES if choice.name != settings.encoder]
    return Explorer(settings, store, LoadedTowers(), (*first, *rest), others)


def check_encoder(name: str) -> None:
    """Raise UnknownTower, with the known ones, if no encoder has that name."""
    chosen(_CHOICES, name)


def _store(settings: Settings) -> ReportStore:
    if settings.corpus != openi.NAME:
        return preparing.opened(settings, settings.corpus)
    try:
        store = preparing.opened(settings, openi.NAME)
        if store.info.sha256 == openi.source_sha256():
            return store
    except NotPrepared:
        pass
    return preparing.build(settings, preparing.Order(openi.NAME))
