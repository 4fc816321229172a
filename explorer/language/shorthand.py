"""The reverse of reading shorthand: plain report text into the way notes are typed. Used to make training queries."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

TABLE = Path(__file__).resolve().parents[2] / "assets" / "lexicons" / "shorthand.tsv"
_DROPPED = re.compile(r"\b(?:the|a|an|is|are|was|were|there|of)\b\s*", re.IGNORECASE)


class Shortener:
    """Replaces phrases by their short forms."""

    def __init__(self, shorts: Mapping[str, tuple[str, ...]]) -> None:
        self._shorts = shorts
        longest_first = sorted(shorts, key=len, reverse=True)
        self._phrase = re.compile(r"\b(?:" + "|".join(map(re.escape, longest_first)) + r")\b", re.IGNORECASE)

    @classmethod
    def open(cls) -> Shortener:
        """Read the table of short forms."""
        with TABLE.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
            return cls({row["phrase"]: tuple(row["shorts"].split("|")) for row in rows})

    def shorten(self, text: str, draw: np.random.Generator) -> str:
        """Return the text in shorthand; how densely is drawn anew for each text.

        Laterality and negation are shortened, never dropped: only articles, forms of "to be" and "of" may go.
        """
        density = draw.uniform(0.4, 1.0)

        def short(found: re.Match[str]) -> str:
            if draw.random() > density:
                return found.group()
            choices = self._shorts[found.group().lower()]
            return choices[int(draw.integers(len(choices)))]

        shortened = self._phrase.sub(short, text)
        return _DROPPED.sub("", shortened) if draw.random() < density else shortened
