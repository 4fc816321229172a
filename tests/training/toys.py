"""A corpus of made-up studies, and an encoder at the edge: word counts that remember what they were asked."""

from __future__ import annotations

import re

import numpy as np

from explorer.corpora.base import Corpus
from explorer.types import Report, StudyMeta
from models.interfaces import EncoderInfo


def study(number, findings="", impression=""):
    sections = {"findings": findings, "impression": impression}
    kept = {name: text for name, text in sections.items() if text}
    return Report(f"openi:{number}", "openi", kept, (), StudyMeta(), "")


def corpus(*studies):
    return Corpus("openi", "Toy", "", "", "00" * 32, studies)


CORPUS = corpus(
    study(5, "A pneumothorax on the right.", "Right pneumothorax."),  # numbers divisible by 5 are the test split
    study(10, "Much fluid on the left, an effusion.", "Left effusion."),
    study(15, "The heart is big.", "Wide cardiac silhouette."),  # no word in common
    study(20, "Findings without an impression."),
    study(25, "The left base is white.", "Left  effusion."),  # the same answer, but for blanks
    study(30, "The left base is whiter.", "XXXX"),  # nothing is left of the impression
    study(2, "Small effusion.", "Left effusion."),  # training: makes that answer a seen one
    study(11, "Small pneumothorax.", "Right pneumothorax."),  # validation: does not
)


class WordCounts:
    """A `TextEncoder` of unit word counts; `asked` are all calls so far."""

    def __init__(self, name="toy", instructed=True, revision="r1"):
        self.info = EncoderInfo(name, "report", 64, 99, "cosine", "fp32", "cpu", revision, instructed, pooling="count")
        self.asked = []

    def encode(self, texts, instruction=""):
        self.asked.append((tuple(texts), instruction))
        rows = np.full((len(texts), 64), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[sum(map(ord, word)) % 64] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
