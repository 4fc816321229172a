"""What in a note looks like a short form and is none the lexicon holds."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from explorer.language.contexts import Note
from explorer.language.lexicon import Lexicon

LENGTHS = range(2, 7)  # letters; a longer word in capitals is a heading or emphasis
ROMAN = re.compile(r"[IVX]+")
REDACTED = re.compile(r"X{2,}")
ODD_SLASH = re.compile(r"(?<![\w/])(?:[A-Za-z]/[A-Za-z]{1,2}|[A-Za-z]{2}/[A-Za-z])(?:/[A-Za-z]{1,2})*(?![\w/])")


class Place(NamedTuple):
    """text[start:end] of a note."""

    start: int
    end: int
    text: str


def unknown_forms(note: Note, lexicon: Lexicon, known: Sequence[tuple[int, int]]) -> tuple[Place, ...]:
    """List odd slash forms and words in capitals that the lexicon lacks; `known` are the spans read already.

    All spans are in order and do not overlap, those given and those returned.
    """
    found = (Place(*match.span(), match.group()) for match in ODD_SLASH.finditer(note.text))
    slashes = [place for place in found if _is_free(place, known) and not _all_known(place, lexicon)]
    taken = sorted([*known, *((place.start, place.end) for place in slashes)])
    words = (
        Place(token.start, token.end, token.text)
        for i, token in enumerate(note.tokens)
        if _is_capital(note, i, lexicon)
    )
    return tuple(sorted([*slashes, *(place for place in words if _is_free(place, taken))]))


def _is_free(place: Place, taken: Sequence[tuple[int, int]]) -> bool:
    before_its_end = bisect_left(taken, (place.end,))
    return before_its_end == 0 or taken[before_its_end - 1][1] <= place.start


def _all_known(place: Place, lexicon: Lexicon) -> bool:
    return all(lexicon.lookup(part) for part in place.text.split("/"))


def _is_capital(note: Note, i: int, lexicon: Lexicon) -> bool:
    token = note.tokens[i]
    if token.kind != "word" or len(token.text) not in LENGTHS:
        return False
    if i in note.headings or note.sentence[i] in note.shouted:
        return False
    stem = token.text[:-1] if token.text[-1] == "s" else token.text
    if len(stem) < LENGTHS.start or not stem.isupper() or ROMAN.fullmatch(stem) or REDACTED.match(stem):
        return False
    return not lexicon.lookup(token.text) and not lexicon.plain.holds(token.text.lower())
