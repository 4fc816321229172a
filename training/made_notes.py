"""Notes made from the lexicon: short forms in the phrases that they come in, beside the same in full.

Reports hold few short forms, and no report holds most of them. Pairs of terms teach what each stands for; the
notes that the acronym task asks with are others, written by hand and read by no training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.language.lexicon import AS_WRITTEN, Lexicon, Sense

SLOTS = ("finding", "field", "device", "procedure", "history", "symptom", "view", "place")
SIDES = (("R", "right"), ("L", "left"), ("rt", "right"), ("lt", "left"), ("b/l", "bilateral"), ("bilat", "bilateral"))
SIZES = (("sm", "small"), ("mod", "moderate"), ("lg", "large"), ("tiny", "tiny"), ("mild", "mild"), ("sev", "severe"))
# (short, full); {slot} stands for an entry of the lexicon, {side} and {size} for the lists above.
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
    ("{finding} unch", "unchanged {finding}"),
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
    "right": "left", "left": "right", "no": "a new", "without": "with", "small": "large", "large": "small",
    "increased": "decreased", "bilateral": "right", "severe": "mild", "mild": "severe", "possible": "no",
}  # fmt: skip


@dataclass(frozen=True)
class MadeNote:
    """A note in short forms, the same in full, and in full with one word turned into its opposite ("" if none can)."""

    short: str
    full: str
    wrong: str


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
        return MadeNote(short.lower() if draw.random() < 0.15 else short, full, _opposite(full, draw))

    def _clause(self, draw: np.random.Generator) -> tuple[str, str]:
        short, full = CLAUSES[int(draw.integers(len(CLAUSES)))]
        for slot, entries in {**self._entries, "side": SIDES, "size": SIZES}.items():
            while f"{{{slot}}}" in short:
                form, long = entries[int(draw.integers(len(entries)))]
                typed = form if draw.random() < 0.85 else long
                short = short.replace(f"{{{slot}}}", typed, 1)
                full = full.replace(f"{{{slot}}}", long, 1)
        return short, full


def _clear(sense: Sense, slot: str) -> bool:
    return sense.kind == slot and sense.form in ("any", "case", "cap") and not sense.needs and sense.long != AS_WRITTEN


def _opposite(full: str, draw: np.random.Generator) -> str:
    words = full.split(" ")
    places = [place for place, word in enumerate(words) if word.lower() in OPPOSITES]
    if not places:
        return ""
    place = places[int(draw.integers(len(places)))]
    turned = OPPOSITES[words[place].lower()]
    words[place] = turned[:1].upper() + turned[1:] if words[place][:1].isupper() else turned
    return " ".join(words)
