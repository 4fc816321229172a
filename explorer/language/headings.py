"""Headings that name a finding, as templates write them: "LINES: none.", "Pleural effusion: small, right."."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from explorer.language.phrases import Word

_JOINED = frozenset(
    {"and", "or", "right", "left", "bilateral", "other", "support", "monitoring", "s", *",/()"}
)  # beside what is named


def heading_end(among: Sequence[Word], named: Iterable[int]) -> int:
    """Return where a sentence's heading has its colon, among the words; 0 if it has no heading that names anything.

    Only a heading of names counts: all before the colon is `named`, a side, a list number, or joins them.
    """
    colon = next((index for index, word in enumerate(among) if word.form == ":"), 0)
    if not colon:
        return 0
    inside = {index for index in named if index < colon}
    others = (word.form for index, word in enumerate(among[:colon]) if index not in inside)
    return colon if inside and all(form in _JOINED or form.isdecimal() for form in others) else 0
