"""Where a dictated report's sentences start and end, in characters of the text as given."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A full stop glued to the next word ("limits.The") is a slip of dictation software and ends a sentence too.
_STOP = re.compile(r"[.!?]+(?=\s|$)|[\r\n]+|(?<=[a-z)])\.(?=[A-Z])")
_LIST_NUMBER = re.compile(r"\s*\d{1,2}\.$")
_SHORTENED = re.compile(r"(?:^|[\s(])(?:dr|mr|mrs|ms|vs|approx|cf|e\.g|i\.e|[a-z])\.$", re.IGNORECASE)
_LONGEST_SHORTENED = 10


@dataclass(frozen=True)
class Sentence:
    """A sentence and its place: `text` is the source from `start` to `end`, without surrounding blanks."""

    text: str
    start: int
    end: int


def sentences(text: str) -> tuple[Sentence, ...]:
    """Split a section into sentences, in order; every character that is not blank is in exactly one.

    A list number ("2.") belongs to the sentence after it; "Dr.", "vs." and initials end nothing.
    """
    found: list[Sentence] = []
    start = 0
    for stop in _STOP.finditer(text):
        if _ends_nothing(text, start, stop):
            continue
        found.append(_trimmed(text, start, stop.end()))
        start = stop.end()
    found.append(_trimmed(text, start, len(text)))
    return tuple(sentence for sentence in found if sentence.text)


def _ends_nothing(text: str, start: int, stop: re.Match[str]) -> bool:
    if stop.group() != ".":
        return False
    end = stop.end()
    if end - start <= _LONGEST_SHORTENED and _LIST_NUMBER.match(text[start:end]):
        return True
    return bool(_SHORTENED.search(text[max(start, end - _LONGEST_SHORTENED) : end]))


def _trimmed(text: str, start: int, end: int) -> Sentence:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    piece = piece.strip()
    return Sentence(piece, start, start + len(piece))
