"""Words of a report and the phrase tables that recognise them.

A phrase is words as written in `assets/lexicons/*.tsv`; plural and British forms are the same word. `opaci*`
matches any word that starts so, `~` up to four words without punctuation, `~~` up to eight with commas.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

LEXICONS = Path(__file__).resolve().parents[2] / "assets" / "lexicons"
_WORD = re.compile(r"[A-Za-z]+\d*|\d+(?:\.\d+)?|[,;:/()?]")
_BRITISH = (("aemi", "emi"), ("aemo", "emo"), ("oedem", "edem"), ("tumour", "tumor"), ("oesoph", "esoph"))
_SHORTEST_STEM = 3
_GAPS = {"~": (4, frozenset(",;:/()?")), "~~": (8, frozenset(";:()?"))}

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Word:
    """One word or sign of a text: its folded form, and where it stands."""

    form: str
    start: int
    end: int


@dataclass(frozen=True)
class Match(Generic[T_co]):
    """A phrase found among words: its meaning, the words from `first` to before `stop`, and those it names."""

    meaning: T_co
    first: int
    stop: int
    named: tuple[int, ...]  # without the words a gap skipped


def words(text: str, start: int = 0) -> tuple[Word, ...]:
    """Return the words and signs of a text in order; `start` is added to their places."""
    return tuple(
        Word(fold(found.group()), start + found.start(), start + found.end()) for found in _WORD.finditer(text)
    )


def fold(word: str) -> str:
    """Return the form under which a word is compared: lower case, singular, American.

    The plural rule is crude on purpose: tables and texts pass through the same one.
    """
    form = word.lower()
    for british, american in _BRITISH:
        form = form.replace(british, american)
    if len(form) <= _SHORTEST_STEM or not form.endswith("s") or form.endswith(("ss", "us", "is")):
        return form
    if form.endswith("ies"):
        return form[:-3] + "y"
    return form[:-2] if form.endswith(("xes", "ches", "shes", "sses")) else form[:-1]


def table(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a lexicon; lines that start with "#" are comments."""
    with (LEXICONS / name).open(encoding="utf-8", newline="") as lines:
        kept = (line for line in lines if not line.startswith("#"))
        yield from csv.DictReader(kept, delimiter="\t", quoting=csv.QUOTE_NONE)


class Phrases(Generic[T]):
    """Phrases with a meaning each, looked for in words."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[tuple[str, ...], T] = {}
        self._lengths: dict[str, set[int]] = defaultdict(set)  # of the exact phrases that start with a word
        self._loose: dict[str, list[tuple[tuple[str, ...], T]]] = defaultdict(list)  # by the first letters
        for phrase, meaning in entries:
            pattern = _pattern(phrase)
            if "*" in phrase or "~" in phrase:
                self._loose[pattern[0][:_SHORTEST_STEM]].append((pattern, meaning))
            else:
                self._exact.setdefault(pattern, meaning)
                self._lengths[pattern[0]].add(len(pattern))

    def find(self, among: Sequence[Word]) -> list[Match[T]]:
        """Return matches in order of place; where two name the same word, the one that names more words wins.

        A phrase with a gap yields to a plain phrase as long, or to one that lies inside its gap.
        """
        forms = tuple(word.form for word in among)
        every = [match for first in range(len(forms)) for match in self._starting(forms, first)]
        if len(every) <= 1:
            return every
        plain = [match for match in every if not _has_gap(match)]
        kept = [match for match in every if not (_has_gap(match) and any(_in_gap(match, one) for one in plain))]
        return _disjoint(kept)

    def _starting(self, forms: tuple[str, ...], first: int) -> Iterator[Match[T]]:
        form = forms[first]
        for length in self._lengths.get(form, ()):
            meaning = self._exact.get(forms[first : first + length])
            if meaning is not None and first + length <= len(forms):
                yield Match(meaning, first, first + length, tuple(range(first, first + length)))
        for pattern, loose in self._loose.get(form[:_SHORTEST_STEM], ()):
            named = _matched(pattern, forms, first)
            if named:
                yield Match(loose, first, named[-1] + 1, named)


def _pattern(phrase: str) -> tuple[str, ...]:
    if "*" not in phrase and "~" not in phrase:
        return tuple(word.form for word in words(phrase))
    return tuple(part if part.endswith("*") or part in _GAPS else fold(part) for part in phrase.split())


def _matched(pattern: Sequence[str], forms: Sequence[str], first: int) -> tuple[int, ...]:
    """The places of a pattern's words from `first` on; () if it does not match there."""
    named: list[int] = []
    place = first
    skip, barred = 0, frozenset("")
    for part in pattern:
        if part in _GAPS:
            skip, barred = _GAPS[part]
            continue
        found = _next(part, forms, place, skip, barred)
        if found is None:
            return ()
        named.append(found)
        place, skip = found + 1, 0
    return tuple(named)


def _next(part: str, forms: Sequence[str], place: int, skip: int, barred: frozenset[str]) -> int | None:
    for here in range(place, min(place + skip + 1, len(forms))):
        form = forms[here]
        if form == part or (part[-1] == "*" and form.startswith(part[:-1])):
            return here
        if form in barred:
            return None
    return None


def _disjoint(matches: list[Match[T]]) -> list[Match[T]]:
    matches.sort(key=lambda match: (-len(match.named), match.stop - match.first, match.first))
    taken: set[int] = set()
    kept: list[Match[T]] = []
    for match in matches:
        if taken.isdisjoint(match.named):
            taken.update(match.named)
            kept.append(match)
    return sorted(kept, key=lambda match: match.first)


def _has_gap(match: Match[T]) -> bool:
    return len(match.named) < match.stop - match.first


def _in_gap(match: Match[T], other: Match[T]) -> bool:
    return match.first < other.first and other.stop < match.stop and not set(match.named) & set(other.named)
