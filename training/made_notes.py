"""Notes made from the lexicon: short forms in the phrases that they come in, beside the same in full.

Reports hold few short forms, and no report holds most of them. Pairs of terms teach what each stands for; the
notes that the acronym task asks with are others, written by hand and read by no training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.language.lexicon import AS_WRITTEN, Lexicon, Sense
from explorer.language.sentences import sentences

SLOTS = ("finding", "field", "device", "procedure", "history", "symptom", "view", "place")
SIDES = (("R", "right"), ("L", "left"), ("rt", "right"), ("lt", "left"), ("b/l", "bilateral"), ("bilat", "bilateral"))
SIZES = (("sm", "small"), ("mod", "moderate"), ("lg", "large"), ("tiny", "tiny"), ("mild", "mild"), ("sev", "severe"))
COURSES = (
    ("unch", "unchanged"), ("stbl", "stable"), ("incr", "increased"), ("decr", "decreased"), ("worse", "worsened"),
    ("impr", "improved"), ("improving", "improving"), ("new", "new"), ("resolved", "resolved"), ("resid", "residual"),
)  # fmt: skip
# (short, full); {slot} stands for an entry of the lexicon, {side}, {size} and {course} for the lists above.
CLAUSES = (
    ("{size} {side} {finding}", "there is a {size} {side} {finding}"),
    ("{side} {finding}", "{side} {finding}"),
    ("{size} {finding}", "{size} {finding} is seen"),
    ("{finding} in {field}", "{finding} in the {field}"),
    ("{field} {finding}", "{finding} in the {field}"),
    ("no {finding}", "there is no {finding}"),
    ("neg for {finding}", "negative for {finding}"),
    ("w/o {finding}", "without {finding}"),
    ("?{finding}", "possible {finding}"),
    ("poss {side} {finding}", "possible {side} {finding}"),
    ("r/o {finding}", "rule out {finding}"),
    ("eval for {finding}", "evaluate for {finding}"),
    ("{finding} vs {finding}", "{finding} versus {finding}"),
    ("c/w {finding}", "consistent with {finding}"),
    ("incr {side} {finding}", "increased {side} {finding}"),
    ("{finding} {course}", "{course} {finding}"),
    ("{course} {side} {finding}", "{course} {side} {finding}"),
    ("{size} {finding} {field}, {course}", "{size} {finding} in the {field}, {course}"),
    ("s/p {procedure}", "status post {procedure}"),
    ("{device} in place", "{device} is in place"),
    ("{side} {device}", "{side} {device}"),
    ("{device} placement", "placement of {device}"),
    ("hx {history}", "history of {history}"),
    ("h/o {history}, {history}", "history of {history} and {history}"),
    ("pt w/ {symptom}", "patient with {symptom}"),
    ("{view} CXR", "{view} chest radiograph"),
    ("in {place}", "in the {place}"),
)
JOINTS = (", ", ". ", "; ", " / ", " // ")
OPPOSITES = {
    "right": "left", "left": "right", "bilateral": "right", "upper": "lower", "lower": "upper", "middle": "upper",
    "apical": "basal", "basal": "apical", "no": "a new", "without": "with", "possible": "no", "negative": "positive",
    "small": "large", "large": "small", "tiny": "moderate", "moderate": "small", "severe": "mild", "mild": "severe",
    "increased": "decreased", "decreased": "increased", "unchanged": "increased", "stable": "worsened",
    "worsened": "improved", "improved": "worsened", "improving": "worsening", "new": "resolved", "resolved": "new",
}  # fmt: skip
WRONG = 3  # copies of a note with one word turned, at most


@dataclass(frozen=True)
class MadeNote:
    """A note in short forms, the same in full, and copies of that with one word each turned into its opposite."""

    short: str
    full: str
    wrong: tuple[str, ...]


class NoteMaker:
    """Makes notes. Holds tables only."""

    def __init__(self, entries: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """`entries` maps each slot to (short, long) of its kind."""
        self._entries = entries

    @classmethod
    def open(cls) -> NoteMaker:
        """Read the lexicon; forms that need a cue to be read stay out."""
        senses = [sense for found in Lexicon.read().senses.values() for sense in found]
        return cls({slot: [(one.short, one.long) for one in senses if _clear(one, slot)] for slot in SLOTS})

    def make(self, draw: np.random.Generator) -> MadeNote:
        """Return one note of one to three clauses; a function of the draw."""
        clauses = [self._clause(draw) for _ in range(1 + int(draw.integers(3)))]
        joint = JOINTS[int(draw.integers(len(JOINTS)))]
        short = joint.join(short for short, _ in clauses)
        full = " ".join(f"{full[:1].upper()}{full[1:]}." for _, full in clauses)
        return MadeNote(short.lower() if draw.random() < 0.15 else short, full, _opposites(full, draw))

    def _clause(self, draw: np.random.Generator) -> tuple[str, str]:
        short, full = CLAUSES[int(draw.integers(len(CLAUSES)))]
        for slot, entries in {**self._entries, "side": SIDES, "size": SIZES, "course": COURSES}.items():
            while f"{{{slot}}}" in short:
                form, long = entries[int(draw.integers(len(entries)))]
                typed = form if draw.random() < 0.85 else long
                short = short.replace(f"{{{slot}}}", typed, 1)
                full = full.replace(f"{{{slot}}}", long, 1)
        return short, full


def excerpt(report: str, abnormal: Callable[[str], bool], draw: np.random.Generator) -> str:
    """Return one to three sentences of a report; seven times in ten the abnormal ones first, as notes are written."""
    parts = [part.text for part in sentences(report)]
    parts = [parts[index] for index in draw.permutation(len(parts))]
    if draw.random() < 0.7:
        parts.sort(key=lambda part: not abnormal(part))
    return " ".join(parts[: 1 + int(draw.integers(3))])


def _clear(sense: Sense, slot: str) -> bool:
    return sense.kind == slot and sense.form in ("any", "case", "cap") and not sense.needs and sense.long != AS_WRITTEN


def _opposites(full: str, draw: np.random.Generator) -> tuple[str, ...]:
    words = full.split(" ")
    places = [place for place, word in enumerate(words) if word.strip(",.").lower() in OPPOSITES]
    chosen = draw.permutation(places)[:WRONG]
    return tuple(" ".join([*words[:place], _turned(words[place]), *words[place + 1 :]]) for place in chosen)


def _turned(word: str) -> str:
    """Return the opposite of a word, with its capital and the mark that follows it."""
    plain = word.rstrip(",.")
    turned = OPPOSITES[plain.lower()]
    return (turned[:1].upper() + turned[1:] if plain[:1].isupper() else turned) + word[len(plain) :]
