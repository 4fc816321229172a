"""The lexicon of short forms and what may speak for each of their readings, read from two tables.

The tables are `assets/lexicons/abbreviations.tsv` and `assets/lexicons/contexts.tsv`; their columns are
described at their heads. Everything that decides a reading stands there; only how it is weighed is code.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import Damaged

LEXICONS = Path(__file__).resolve().parents[2] / "assets" / "lexicons"
AS_WRITTEN = "="  # the reading "this is no short form here"
FORMS = frozenset({"any", "case", "cap", "cue", "strict"})
PLACES = frozenset({"prev2", "prev", "next", "next2", "near", "section"})
COMPUTED = frozenset({"@number", "@age", "@start", "@end"})  # named by the reader of a note, not by a table
PLURAL_KINDS = frozenset({"field", "anatomy", "finding", "device", "procedure", "view", "history", "lab", "place"})


@dataclass(frozen=True, eq=False)
class Words:
    """A set of words, some given by their beginning. Compared by identity: it serves as a key."""

    names: frozenset[str]
    beginnings: tuple[str, ...] = ()

    def holds(self, word: str) -> bool:
        """Tell whether a word in small letters belongs to the set."""
        return word in self.names or (bool(self.beginnings) and word.startswith(self.beginnings))


@dataclass(frozen=True, eq=False)
class Sense:
    """One reading of one short form: one row of the table."""

    short: str  # as usually written
    kind: str
    form: str  # one of FORMS
    stop: str  # "": a full stop ends a sentence; ".": it may belong to the form; "..": it always does
    weight: float  # relative to the other readings of the form
    long: str  # AS_WRITTEN for "leave it"
    plural: str
    supports: Mapping[str, Words]  # place → what speaks for it there
    opposes: Mapping[str, Words]  # place → what speaks against it there
    needs: Mapping[str, Words]  # place → what must stand there
    hints: tuple[str, ...]  # a few of the supporting words, for people

    @property
    def has_plural(self) -> bool:
        """Tell nouns from clipped qualifiers ("mod."), which take no plural s."""
        return self.kind in PLURAL_KINDS and not self.stop


@dataclass(frozen=True)
class Match:
    """A sense a token may have."""

    sense: Sense
    typed: str  # the token, without its plural s
    is_plural: bool


@dataclass(frozen=True)
class Lexicon:
    """All short forms, found by their small-letter spelling, and the word groups a note's reader needs."""

    senses: Mapping[str, tuple[Sense, ...]]
    plain: Words  # everyday words, by which a sentence in capitals is told from a row of short forms
    joins: Words  # words that continue a phrase
    headings: Mapping[str, str]  # heading → section

    @classmethod
    def read(cls, folder: Path = LEXICONS) -> Lexicon:
        """Read both tables; raises Damaged when one is missing or a row cannot be understood."""
        rows = list(_rows(folder / "abbreviations.tsv", columns=7))[1:]
        groups = _groups(folder / "contexts.tsv", rows)
        senses: dict[str, list[Sense]] = defaultdict(list)
        for row in rows:
            senses[row[0].lower()].append(_sense(row, groups))
        headings = {
            word: name.removeprefix("section ")
            for name, words in groups.items()
            if name.startswith("section ")
            for word in words
        }
        return cls(
            {key: tuple(found) for key, found in senses.items()},
            _words(groups["plain"], {}),
            _words(groups["joins"], {}),
            headings,
        )

    def lookup(self, typed: str) -> tuple[Match, ...]:
        """Find what a token may be: the senses of its spelling, and of its stem if it ends in a plural s."""
        found = [Match(sense, typed, False) for sense in self.senses.get(typed.lower(), ())]
        stem = typed[:-1]
        if len(stem) > 1 and typed[-1] == "s":
            senses = self.senses.get(stem.lower(), ())
            found += [Match(sense, stem, True) for sense in senses if sense.has_plural]
        return tuple(found)

    def symbols(self) -> list[str]:
        """Return the forms that are not plain letters ("s/p", "O2", "//"), longest first."""
        odd = {form for form in self.senses if not form.isalpha()}
        return sorted(odd, key=lambda form: (-len(form), form))


def _rows(path: Path, columns: int) -> Iterator[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged("The lexicon of short forms cannot be read. Restore assets/lexicons.") from error
    for line in lines:
        if line and not line.startswith("# "):
            cells = line.split("\t")
            yield cells + [""] * (columns - len(cells))


def _groups(path: Path, rows: Iterable[list[str]]) -> dict[str, list[str]]:
    groups = {row[0]: row[1].split() for row in _rows(path, columns=2)}
    for short, kind, *_ in rows:
        members = groups.setdefault(kind, [])
        members += [short.lower(), short.lower() + "s"] if kind in PLURAL_KINDS else [short.lower()]
    return groups


def _words(written: Iterable[str], groups: Mapping[str, list[str]]) -> Words:
    names: set[str] = set()
    beginnings: set[str] = set()
    for word in written:
        is_group = word.startswith("@") and word not in COMPUTED
        for member in groups[word[1:]] if is_group else [word]:
            if member.endswith("*"):
                beginnings.add(member[:-1])
            else:
                names.add(member)
    return Words(frozenset(names), tuple(sorted(beginnings)))


def _cues(cell: str) -> dict[str, list[str]]:
    places = {}
    for part in filter(None, cell.split(" | ")):
        place, _, words = part.partition(": ")
        if place.removeprefix("not ").removeprefix("needs ") not in PLACES:
            raise ValueError(place)
        places[place] = words.split()
    return places


def _sense(row: list[str], groups: Mapping[str, list[str]]) -> Sense:
    short, kind, form, weight, long, plural, cell = row
    try:
        cues = _cues(cell)
        found = {place: _words(words, groups) for place, words in cues.items()}
        if form.rstrip(".") not in FORMS or not long:
            raise ValueError(form)
        return Sense(
            short=short,
            kind=kind,
            form=form.rstrip("."),
            stop=form[len(form.rstrip(".")) :],
            weight=float(weight),
            long=long,
            plural=plural,
            supports={place: words for place, words in found.items() if place in PLACES},
            opposes=_after("not ", found),
            needs=_after("needs ", found),
            hints=_hints(cues),
        )
    except (ValueError, KeyError) as error:
        raise Damaged(f"The row of {short!r} in the lexicon of short forms is not understood.") from error


def _after(prefix: str, found: Mapping[str, Words]) -> dict[str, Words]:
    return {place.removeprefix(prefix): words for place, words in found.items() if place.startswith(prefix)}


def _hints(cues: Mapping[str, list[str]]) -> tuple[str, ...]:
    shown = [word.rstrip("*") for place, words in cues.items() if not place.startswith("not ") for word in words]
    return tuple(dict.fromkeys(re.sub("^@", "", word) for word in shown if word[0].isalnum() or word[0] == "@"))[:8]
