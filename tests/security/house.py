"""The real product, its towers replaced by small ones that can be made to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np

from explorer.corpora.base import Corpus
from explorer.search import Explorer, RankerChoice
from explorer.settings import Settings
from explorer.store import ReportStore
from explorer.types import Report, StudyMeta
from explorer.ui.launch import Door, serve
from models.interfaces import Dual, EncoderInfo

WORDS = ("effusion", "pneumothorax", "clear", "nodule", "device")
INFO = EncoderInfo("pocket", "report", len(WORDS), 64, "cosine", "fp32", "cpu", "r1")
SENTENCES = (
    "Large right effusion.",
    "Small apical pneumothorax.",
    "The lungs are clear.",
    "A nodule in the left upper lobe.",
    "A device projects over the chest.",
)


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


class Tower:
    """Counts a few words. `mood` says how it fails."""

    def __init__(self, info: EncoderInfo) -> None:
        self.info = info
        self.mood = "well"
        self.seconds = 0.0  # what encoding a query takes
        self.freed = threading.Event()  # ends a hang

    def encode(self, texts, instruction=""):
        counts = [[text.lower().count(word) + 0.01 for word in WORDS] for text in texts]
        return self._answer(np.array(counts, np.float32).reshape(-1, len(WORDS)), str(texts))

    def _answer(self, rows, said):
        moods = {
            "well": lambda: rows / np.linalg.norm(rows, axis=1, keepdims=True),
            "raises": lambda: _raise(ValueError(f"cannot encode {said}")),
            "NaN": lambda: np.full_like(rows, np.nan),
            "another shape": lambda: rows[:, :2],
            "no rows": lambda: rows[:0],
            "no memory": lambda: _raise(MemoryError()),
            "no GPU memory": lambda: _raise(OutOfMemoryError(said)),
            "hangs": lambda: self.freed.wait(60) and rows,
        }
        self.freed.wait(self.seconds)
        return moods[self.mood]()


class FilmTower(Tower):
    def encode(self, images):
        means = [[float(film.mean()) + number for number in range(len(WORDS))] for film in images]
        return self._answer(np.array(means, np.float32), "films")


class Towers:
    def __init__(self) -> None:
        self.texts = Tower(INFO)
        shared = replace(INFO, space="image", revision="r2")
        self.both = Dual(Tower(shared), FilmTower(shared))

    def text(self, name):
        return self.texts

    def dual(self, name):
        return self.both


@dataclass(frozen=True)
class House:
    """A served product and the places where it could leave something."""

    address: str
    uploads: Path
    settings: Settings
    explorer: Explorer
    towers: Towers

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.address, timeout=90) as client:
            yield client


CHOICES = (
    RankerChoice("pocket", "pocket", frozenset(("text", "image")), ""),
    RankerChoice("bm25", "bm25", frozenset(("text",)), "words only"),
)


def reports(marks: Sequence[str] = ("",)) -> tuple[Report, ...]:
    """Forty studies; each carries one of the marks in its text."""
    made = []
    for number in range(40):
        sentence = f"{SENTENCES[number % len(SENTENCES)]} Number {number}. {marks[number % len(marks)]}"
        meta = StudyMeta(age=30 + number, views=("PA",), films=1, codes=())
        made.append(
            Report(f"ours:{number:03}", "ours", {"findings": sentence, "impression": sentence}, (), meta, "CC0")
        )
    return tuple(made)


@contextmanager
def house(folder: Path, uploads: Path, port: int, *, marks: Sequence[str] = ("",)) -> Iterator[House]:
    """Serve the product; must be inside `closed_environment`, whose folder `uploads` is."""
    from explorer.ui.blocks import build_blocks

    settings = Settings(corpus="ours", encoder="pocket", cache=folder / "cache", data=folder / "data")
    corpus = Corpus("ours", "Ours", "CC0", "made for these tests", "0" * 64, reports(marks))
    store = ReportStore.build(settings.cache / "corpora" / "ours", corpus)
    towers = Towers()
    explorer = Explorer(settings, store, towers, CHOICES)
    explorer.prepare("text")
    explorer.prepare("image")
    blocks = build_blocks(explorer)
    address = serve(blocks, Door(port=port), upload_bytes=settings.limits.upload_bytes, blocked=(settings.cache,))
    try:
        yield House(address, uploads, settings, explorer, towers)
    finally:
        towers.texts.freed.set()
        blocks.close(verbose=False)
        explorer.close()


def _raise(error):
    raise error
