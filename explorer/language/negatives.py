"""Lists of negatives: "No A, B, or C in the right lung" is three denials with one place."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CUE = re.compile(
    r"(?:there(?:'s| is| are| was| were| has been)\s+)?(?:no|without|negative for)\b"
    r"(?:\s+(?:\w+\s+){0,2}?(?:evidence|signs?|suggestion|indication)\s+(?:of|for))?(?:\s+(?:a|an|any)\b)?\s+",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*,\s*(?:and/or\s+|and\s+|or\s+|nor\s+)?|\s+(?:and/or|and|or|nor)\s+", re.IGNORECASE)
_REPEATED_CUE = re.compile(r"^(?:no|any|a|an|evidence of|definite evidence of)\s+", re.IGNORECASE)
_PREDICATE = re.compile(
    r"\s+(?:(?:is|are|was|were|can be|has been|have been)\s+)?(?:(?:clearly|currently|definitely)\s+)?"
    r"(?:seen|identified|noted|present|evident|visuali[sz]ed|demonstrated|appreciated|observed|detected|apparent"
    r"|found|suspected)(?=\s|$)",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\s+(?:in|within|throughout|involving|over|at|on)\s+(?:\w+\s+){0,4}?"
    r"(?:lungs?|lobes?|bases?|apex|apices|hemithorax|chest|thorax|sides?|fields?|zones?)\s*$|\s+bilaterally$",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"\b(?:is|are|was|were|has|have|may|could|with|without|which|that|seen|noted|but|the|since|there|appears?|to)\b",
    re.IGNORECASE,
)
# An item that ends in an adjective has its noun in the next one: "focal or diffuse opacity", "pleural, bony disease".
_ADJECTIVE = re.compile(
    r"(?:(?:al|ar|ic|ous|ive|ary|ory|able|ible|ent|ant|oid|ed|like|large|small|right|left|acute|free|bony|discrete"
    r"|airspace|definite|patchy|hazy|streaky|new|old|upper|lower|middle|space))$",
    re.IGNORECASE,
)
_LONGEST_ITEM = 8  # words


def listed_negatives(sentence: str) -> tuple[str, ...]:
    """Return one denial for each item of a sentence that opens with a denial; () if it is no such list.

    A place at the end is said of every item: "No A or B in the left lung" → "No A in the left lung", "No B in …".
    """
    cue = _CUE.match(sentence)
    if not cue:
        return ()
    listed = _PREDICATE.sub("", sentence[cue.end() :].rstrip(" ."), count=1)
    place = _PLACE.search(listed)
    items = _whole_items(_SEPARATOR.split(listed[: place.start()] if place else listed))
    if len(items) < 2 or any(_STATEMENT.search(item) or len(item.split()) > _LONGEST_ITEM for item in items):
        return ()
    where = place.group() if place else ""
    return tuple(f"No {item}{where}." for item in items)


def _whole_items(parts: Iterable[str]) -> list[str]:
    items: list[str] = []
    waiting: list[str] = []
    for part in filter(None, parts):
        waiting.append(_REPEATED_CUE.sub("", part.strip()))
        if not _ADJECTIVE.search(part):
            items.append(" or ".join(waiting))
            waiting = []
    if waiting and items:
        items[-1] = " or ".join([items[-1], *waiting])
    return items
