"""What the short forms in a note stand for, each in its context.

Rules decide: the neighbouring words, the rest of the note and its headings, weighed as
`assets/lexicons/abbreviations.tsv` says. A text encoder, if one is given, is asked only where they leave a tie.
What the lexicon does not hold is listed, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log

import numpy as np

from explorer.errors import BadQuery
from explorer.language.contexts import Evidence, Note, Tokenizer
from explorer.language.lexicon import AS_WRITTEN, Lexicon, Sense
from explorer.language.unknowns import unknown_forms
from models.interfaces import TextEncoder

TIE = 0.8  # readings with at least this share of the best one's score are tied
SHARPNESS = 20.0  # one over the temperature that turns cosines of tied readings into scores
CONTINUES = frozenset(",;:)")  # after a full stop they show that it belongs to the short form
FULL_STOP = re.compile(r"\.(?:\s|$)")


@dataclass(frozen=True)
class Reading:
    """One thing a short form may stand for; the scores of one span's readings sum to 1."""

    long: str
    score: float


@dataclass(frozen=True)
class Span:
    """A short form at text[start:end] with its reading and all readings, best first."""

    start: int
    end: int
    short: str  # exactly text[start:end]
    long: str
    alternatives: tuple[Reading, ...]  # the chosen one included
    because: tuple[str, ...]  # the words of the note that decided, or the name of the encoder that broke a tie


@dataclass(frozen=True)
class Expansion:
    """A note, what it says in full, and where the two differ."""

    text: str
    expanded: str
    spans: tuple[Span, ...]  # in order, not overlapping
    unknown: tuple[tuple[int, int, str], ...]  # start, end, text of what looks like a short form and is none of ours


@dataclass(frozen=True)
class Entry:
    """One short form of the lexicon, for the glossary."""

    short: str
    kind: str
    longs: tuple[str, ...]
    hints: tuple[tuple[str, ...], ...]  # for each of `longs`, some words that speak for it


@dataclass(frozen=True)
class _Candidate:
    sense: Sense
    long: str
    odds: float  # natural logarithm
    because: tuple[str, ...]


def with_readings(expansion: Expansion, chosen: Mapping[int, str]) -> Expansion:
    """Return a note read otherwise: span number → the one of its alternatives that is meant; scores stay.

    Raises BadQuery for a span or a reading that the expansion does not offer.
    """
    for number, long in chosen.items():
        offered = expansion.spans[number].alternatives if 0 <= number < len(expansion.spans) else ()
        if long not in [reading.long for reading in offered]:
            raise BadQuery("This short form has no such reading. Type the note again.")
    spans = tuple(replace(span, long=chosen.get(number, span.long)) for number, span in enumerate(expansion.spans))
    return replace(expansion, expanded=_splice(expansion.text, spans), spans=spans)


def look_up(entries: Sequence[Entry], asked: str) -> tuple[Entry, ...]:
    """Return the entries of a glossary for what is typed: its short form, those that begin so, those that mean it."""
    wanted = asked.strip().casefold()
    shorts = [entry for entry in entries if entry.short.casefold().startswith(wanted)]
    shorts.sort(key=lambda entry: entry.short.casefold() != wanted)
    means = [entry for entry in entries if any(wanted in long.casefold() for long in entry.longs)]
    return tuple(dict.fromkeys([*shorts, *means]))


class Expander:
    """Expands notes. Holds the lexicon; nothing is kept between notes."""

    def __init__(self, lexicon: Lexicon, tie_break: TextEncoder | None = None) -> None:
        self._lexicon = lexicon
        self._tokenizer = Tokenizer(lexicon)
        self._tie_break = tie_break

    @classmethod
    def open(cls, tie_break: TextEncoder | None = None) -> Expander:
        """Read the shipped lexicon; raises Damaged if it cannot be read."""
        return cls(Lexicon.read(), tie_break)

    def expand(self, text: str) -> Expansion:
        """Expand any text; what is no short form comes back exactly as typed."""
        note = Note(text, self._tokenizer.tokens(text), self._lexicon)
        found = (self._span(note, i) for i in range(len(note.tokens)))
        spans = tuple(span for span in found if span is not None)
        unknown = unknown_forms(note, self._lexicon, [(span.start, span.end) for span in spans])
        return Expansion(text, _splice(text, spans), spans, unknown)

    def glossary(self) -> tuple[Entry, ...]:
        """Return every short form with its readings, in alphabetical order."""
        entries = []
        for _, senses in sorted(self._lexicon.senses.items()):
            read = {sense.long: sense.hints for sense in reversed(senses) if sense.long != AS_WRITTEN}
            if read:
                longs = tuple(reversed(read))
                entries.append(Entry(senses[0].short, senses[0].kind, longs, tuple(read[long] for long in longs)))
        return tuple(entries)

    def _span(self, note: Note, i: int) -> Span | None:
        candidates = self._candidates(note, i)
        if not candidates or candidates[0].long == AS_WRITTEN:
            return None
        candidates = [c for c in candidates if c.long != AS_WRITTEN]
        scores = _shares([c.odds for c in candidates])
        because = candidates[0].because if len(candidates) > 1 else ()
        tied = sum(score >= TIE * scores[0] for score in scores)
        if self._tie_break is not None and tied > 1:
            scores = _asked(self._tie_break, _in_place(note, i, candidates[:tied]), scores)
            because = (self._tie_break.info.name,)
        ranked = sorted(zip(candidates, scores, strict=True), key=lambda pair: -pair[1])
        start, end = note.tokens[i].start, _end(note, i, ranked[0][0].sense, self._lexicon)
        readings = tuple(Reading(c.long, score) for c, score in ranked)
        return Span(start, end, note.text[start:end], readings[0].long, readings, because)

    def _candidates(self, note: Note, i: int) -> list[_Candidate]:
        """Return the readings token i admits, the likeliest first, each long form once."""
        best: dict[str, _Candidate] = {}
        for match in self._lexicon.lookup(note.tokens[i].text):
            evidence = note.weigh(match.sense, i)
            typed = match.typed.lower() if note.sentence[i] in note.shouted else match.typed
            if evidence is None or not _admits(match.sense, typed, evidence):
                continue
            long = _plural(match.sense) if match.is_plural else match.sense.long
            odds = log(match.sense.weight) + evidence.strength
            if long not in best or odds > best[long].odds:
                best[long] = _Candidate(match.sense, long, odds, evidence.words)
        return sorted(best.values(), key=lambda c: -c.odds)


def _admits(sense: Sense, typed: str, evidence: Evidence) -> bool:
    if sense.form == "any":
        return True
    is_exact = typed == sense.short
    if sense.form == "case":
        return is_exact
    if sense.form == "cap":
        return is_exact or evidence.cued
    return evidence.cued and (sense.form == "cue" or is_exact)


def _plural(sense: Sense) -> str:
    if sense.plural:
        return sense.plural
    long = sense.long
    if long.endswith("thorax"):
        return long[:-1] + "ces"
    if long.endswith("sis"):
        return long[:-2] + "es"
    if long.endswith("y") and long[-2] not in "aeiou":
        return long[:-1] + "ies"
    if long.endswith("s"):
        return long
    return long + ("es" if long.endswith(("x", "ch", "sh")) else "s")


def _shares(odds: Sequence[float]) -> list[float]:
    weights = [exp(value - max(odds)) for value in odds]
    return [weight / sum(weights) for weight in weights]


def _in_place(note: Note, i: int, candidates: Sequence[_Candidate]) -> list[str]:
    """Return the sentence as typed, then with each reading in place of token i."""
    before, after = note.around(i)
    return [before + text + after for text in (note.tokens[i].text, *(c.long for c in candidates))]


def _asked(encoder: TextEncoder, texts: list[str], scores: list[float]) -> list[float]:
    """Divide the tied readings' scores anew, by how close each text is to the first, the sentence as typed."""
    tied = len(texts) - 1
    vectors = encoder.encode(texts).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    shares = _shares((SHARPNESS * (vectors[1:] @ vectors[0])).tolist())
    return [share * sum(scores[:tied]) for share in shares] + scores[tied:]


def _end(note: Note, i: int, sense: Sense, lexicon: Lexicon) -> int:
    """Return where the short form ends: after its full stop, if the stop is its own."""
    token, rest = note.tokens[i], note.tokens[i + 1 : i + 3]
    if len(rest) < 2 or rest[0].text != "." or rest[0].start != token.end:
        return token.end
    follower = rest[1].text
    if follower in CONTINUES:
        return rest[0].end
    if rest[1].start == rest[0].end:  # "eff.Heart": nothing tells whether the sentence goes on
        return token.end
    is_known = follower.isupper() and bool(lexicon.lookup(follower))
    continues = sense.stop == ".." or lexicon.joins.holds(follower)
    return rest[0].end if continues or (sense.stop and (follower[0].islower() or is_known)) else token.end


def _splice(text: str, spans: Sequence[Span]) -> str:
    """Put the readings in place, with the spaces and the capitals that a full word needs."""
    pieces: list[str] = []
    at = 0
    for span in spans:
        gap = text[at : span.start]
        pieces.append(gap if span.long[0].isalnum() else gap.rstrip())
        if _touches(pieces, span.long):
            pieces.append(" ")
        pieces.append(_cased(text, span, at))
        follower = text[span.end : span.end + 1]
        if follower.isalnum() and (span.long[-1].isalnum() or span.long == ";"):
            pieces.append(" ")
        at = span.end
    return "".join([*pieces, text[at:]])


def _touches(pieces: Sequence[str], long: str) -> bool:
    last = next((piece for piece in reversed(pieces) if piece), "")
    return bool(last) and last[-1].isalnum() and long[0].isalnum()


def _cased(text: str, span: Span, at: int) -> str:
    """Return the reading, with a capital where it opens a written-out sentence; the span before it ends at `at`."""
    gap = text[at : span.start]
    between = gap.rstrip()
    is_doubted = gap.endswith("?")  # "?PE" asks for it and ends nothing
    opens = between.endswith((".", "!", "?")) and not is_doubted if between or at else True
    if not opens or not span.short[0].isupper():
        return span.long
    is_title = len(span.short) > 1 and span.short[1:].islower()
    if is_title or FULL_STOP.search(text, span.end):
        return span.long[0].upper() + span.long[1:]
    return span.long
