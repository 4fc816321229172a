"""How well shorthand is read: hand-made notes, plain sentences that must stay untouched, time.

`python -m explorer.language.abbreviation_card CASES.tsv …` prints the figures; the case files say how they were made.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explorer.corpora import openi
from explorer.corpora.split import in_split
from explorer.language.abbreviations import Expander
from explorer.types import Report

_WORD = re.compile(r"[a-z]{3,}(?:-[a-z]{3,})?")
_SMALL = frozenset({"a", "an", "as", "at", "be", "by", "if", "in", "is", "it", "no", "of", "on", "or", "to", "we"})
PLAIN_SENTENCES = 500


@dataclass(frozen=True)
class Case:
    """A note and what it says in full."""

    kind: str  # the ambiguous form it is about, or where it comes from
    text: str
    expected: str


def read_cases(file: Path) -> tuple[Case, ...]:
    """Read hand-made cases; lines that start with "#" are comments, the first other line names the columns."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return tuple(Case(*line.split("\t")) for line in lines[1:])


def plain_sentences(reports: Sequence[Report]) -> list[str]:
    """Return the distinct sentences that hold no shorthand, by a rule that knows no lexicon.

    Only the first word has a capital, and every word is spelled like one: lower-case letters with a vowel, at least
    three of them unless it is a small word.
    """
    sections = [report.sections.get(name, "") for report in reports for name in ("findings", "impression")]
    sentences = [sentence for section in sections for sentence in re.split(r"(?<=[.!?])\s+", section)]
    return list(dict.fromkeys(sentence for sentence in sentences if _is_plain(sentence)))


def _is_plain(sentence: str) -> bool:
    words = sentence.rstrip(".!?").replace(",", "").replace(";", "").split()
    if words and words[0][1:].islower():
        words[0] = words[0].lower()
    return len(words) >= 3 and all(_is_spelled(word) for word in words)


def _is_spelled(word: str) -> bool:
    return word in _SMALL or bool(_WORD.fullmatch(word) and re.search("[aeiouy]", word))


def abbreviation_card(files: Sequence[Path], reports: Sequence[Report]) -> str:
    """Return the figures as text, each with its n: on the notes of files, on plain sentences of the test reports."""
    expander = Expander.open()
    glossary = expander.glossary()
    lines = [f"Lexicon: {len(glossary):,} short forms, {sum(len(entry.longs) for entry in glossary):,} readings"]
    notes: list[str] = []
    for file in files:
        cases = read_cases(file)
        right = sum(expander.expand(case.text).expanded == case.expected for case in cases)
        lines.append(f"{file.stem}: {right} of {len(cases)} notes right ({right / len(cases):.1%})")
        notes += [case.text for case in cases]
    sentences = plain_sentences(in_split(reports, "test"))
    drawn = [sentences[row] for row in np.random.default_rng(0).permutation(len(sentences))[:PLAIN_SENTENCES]]
    changed = sum(expander.expand(sentence).expanded != sentence for sentence in drawn)
    lines.append(f"Plain test-split sentences changed: {changed} of {len(drawn)}")
    begun = time.process_time()
    for note in notes:
        expander.expand(note)
    lines.append(f"Time: {(time.process_time() - begun) / len(notes) * 1e3:.2f} ms a note (n = {len(notes)})")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(abbreviation_card([Path(name) for name in sys.argv[1:]], openi.read().reports))
