"""The same report in other words: short forms read out or typed, phrases exchanged, sentences in another order.

Paper section 3, "clinically similar" reports. A change is kept only if the rules of `findings.py` read the same
findings, sides and amounts from the sentence before and after it, short forms read out or not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from explorer.language.abbreviations import Expander
from explorer.language.findings import FindingsReader
from explorer.language.phrases import table
from explorer.language.sentences import sentences
from explorer.language.shorthand import Shortener
from explorer.language.splitting import LIST_NUMBER, finished

SHORTHAND_SHARE = 0.5  # of the reports are typed in short forms, the others read out in full
EXCHANGED_SHARE = 0.8  # of the phrases that could be exchanged
_SIDES = re.compile(r"\b(left|right|bilateral)(?:ly|-sided|ward)?\b", re.IGNORECASE)
_POINTS_BACK = re.compile(
    r"^(?:this|these|those|it|they|which|however|otherwise|in addition|additionally|also|the (?:latter|remainder|rest)"
    r"|remainder|if|given|for|its|specifically|again|another|others?)\b",
    re.IGNORECASE,
)
_TWO_VERBS = re.compile(  # "there is no effusion is seen"
    r"^(?:there (?:is|are)|negative for)\b[^,;]*\b(?:is|are|was|were) (?:seen|noted|present|identified|visuali[sz]ed)",
    re.IGNORECASE,
)

Saying = tuple[Counter[tuple[str, ...]], ...]


class PhraseTable:
    """Phrases and what may be said instead."""

    def __init__(self, instead: Mapping[str, Sequence[str]]) -> None:
        """`instead` names phrases in small letters; one that starts with "^" is known only where a sentence starts."""
        self._instead = instead
        longest_first = sorted(instead, key=len, reverse=True)
        patterns = (rf"(?<!\w){re.escape(phrase)}".replace(r"(?<!\w)\^", "^") for phrase in longest_first)
        self._pattern = re.compile(rf"(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)

    @classmethod
    def open(cls, demo: bool = False) -> PhraseTable:
        """Read `paraphrases.tsv`; pairs that are not equivalent only where `demo` asks for them."""
        instead: defaultdict[str, list[str]] = defaultdict(list)
        for row in table("paraphrases.tsv"):
            if row["use"] == "demo" and not demo:
                continue
            start = "^" if row["phrase"].startswith("^") else ""
            one, other = row["phrase"].removeprefix("^"), row["instead"]
            instead[start + one].append(other)
            if row["use"] == "both":
                instead[start + other].append(one)
        return cls(instead)

    def exchange(self, sentence: str, share: float, draw: np.random.Generator) -> str:
        """Return the sentence with about `share` of its known phrases said otherwise."""

        def other(found: re.Match[str]) -> str:
            if draw.random() > share:
                return found.group()
            phrase = found.group().lower()
            choices = self._instead.get(phrase) or self._instead["^" + phrase]
            chosen = choices[int(draw.integers(len(choices)))]
            return chosen[:1].upper() + chosen[1:] if found.group()[0].isupper() else chosen

        return self._pattern.sub(other, sentence)


class Paraphraser:
    """Says reports in other words. Holds tables only."""

    def __init__(self, reader: FindingsReader, expander: Expander, shortener: Shortener, phrases: PhraseTable) -> None:
        self._reader = reader
        self._expander = expander
        self._shortener = shortener
        self._phrases = phrases

    @classmethod
    def open(cls, demo: bool = False) -> Paraphraser:
        """Read the tables in `assets/lexicons/`; see `PhraseTable.open` for `demo`."""
        return cls(FindingsReader.open(), Expander.open(), Shortener.open(), PhraseTable.open(demo))

    def similar(self, text: str, draw: np.random.Generator) -> str:
        """Return the report in other words and another order, line by line; the same draw gives the same words."""
        short = draw.random() < SHORTHAND_SHARE
        return "\n".join(self._line(line, short, draw) for line in text.splitlines())

    def _line(self, line: str, short: bool, draw: np.random.Generator) -> str:
        groups = [[self._sentence(one, short, draw) for one in group] for group in _groups(line)]
        return " ".join(told for index in draw.permutation(len(groups)) for told in groups[index])

    def _sentence(self, sentence: str, short: bool, draw: np.random.Generator) -> str:
        wanted = self._saying(sentence)
        rewritten = self._shortener.shorten(sentence, draw) if short else self._expander.expand(sentence).expanded
        told = self._kept(rewritten, sentence, wanted)
        told = self._kept(self._phrases.exchange(told, EXCHANGED_SHARE, draw), told, wanted)
        return finished(told)

    def _kept(self, candidate: str, told: str, wanted: Saying) -> str:
        """Return the candidate if it is a sentence that says what is wanted, else what was told so far."""
        is_new = candidate != told and not _TWO_VERBS.search(candidate)
        return candidate if is_new and self._saying(candidate) == wanted else told

    def _saying(self, text: str) -> Saying:
        full = self._expander.expand(text).expanded
        return self._amounts(text), self._amounts(full), sides(full)

    def _amounts(self, text: str) -> Counter[tuple[str, ...]]:
        return Counter((one.name, one.status, one.laterality, one.severity) for one in self._reader.read(text, ""))


def sides(text: str) -> Counter[tuple[str, ...]]:
    """Count the words left, right and bilateral of a text without short forms."""
    return Counter((found.group(1).lower(),) for found in _SIDES.finditer(text))


def _groups(line: str) -> list[list[str]]:
    """Return the sentences of a line; one that points back stays with the one before it."""
    groups: list[list[str]] = []
    for sentence in sentences(line):
        bare = LIST_NUMBER.sub("", sentence.text)
        if groups and _POINTS_BACK.match(bare):
            groups[-1].append(bare)
        elif finished(bare):
            groups.append([bare])
    return groups
