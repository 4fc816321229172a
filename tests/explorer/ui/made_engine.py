"""The real engine over a few made-up reports; its tower counts words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from explorer.choices import RankerChoice
from explorer.corpora.base import Corpus
from explorer.language.findings import FindingsReader
from explorer.search import Explorer
from explorer.settings import Settings
from explorer.store import ReportStore
from explorer.types import Report, StudyMeta
from models.interfaces import EncoderInfo

WORDS = ("effusion", "pneumothorax", "clear", "nodule")
TEXTS = ("Large effusion.", "Apical pneumothorax.", "Lungs clear.", "Lungs clear.", "Nodule.", "Clear, small nodule.")


class WordCounter:
    info = EncoderInfo("words", "report", 4, 64, "cosine", "fp32", "cpu", "r1")

    def encode(self, texts, instruction=""):
        counts = np.array([[text.lower().count(word) + 0.01 for word in WORDS] for text in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def made_engine(folder: Path) -> Explorer:
    reader, tower = FindingsReader.open(), WordCounter()
    reports = tuple(
        Report(f"ours:{number}", "ours", {"findings": text}, reader.read_report({"findings": text}), StudyMeta(), "CC0")
        for number, text in enumerate(TEXTS, 1)
    )
    store = ReportStore.build(folder / "store", Corpus("ours", "Ours", "CC0", "us", "0" * 64, reports))
    choices = (
        RankerChoice("words", "words", frozenset(("text",)), ""),
        RankerChoice("bm25", "bm25", frozenset(("text",)), "baseline"),
    )
    towers = SimpleNamespace(text=lambda name: tower)
    settings = Settings(corpus="ours", encoder="words", cache=folder, data=folder / "data")
    return Explorer(settings, store, towers, choices)
