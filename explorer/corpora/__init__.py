"""One reader per source: each turns its files into studies, one after another. Known by name, loaded when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from explorer.errors import UnknownCorpus

if TYPE_CHECKING:
    from explorer.corpora.base import Options, Place, Source

READERS: Mapping[str, str] = {  # name → module with `source(place, options)`
    "openi": "explorer.corpora.openi",
    "mimic-cxr": "explorer.corpora.mimic_cxr",
    "chexpert-plus": "explorer.corpora.chexpert_plus",
    "padchest": "explorer.corpora.padchest",
    "nih-cxr14": "explorer.corpora.nih_cxr14",
    "table": "explorer.corpora.table",
}


def open_source(reader: str, place: Place, options: Options) -> Source:
    """Return a corpus ready to be read. Raises UnknownCorpus, CorpusMissing, CorpusError."""
    if reader not in READERS:
        raise UnknownCorpus(f"There is no reader {reader!r}. Known: {', '.join(READERS)}.")
    source: Source = import_module(READERS[reader]).source(place, options)
    return source
