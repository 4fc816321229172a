"""Names for groups of reports: the words and word pairs that set each group apart from the others.

Class-based TF-IDF in the manner of BERTopic (Grootendorst 2022, https://arxiv.org/abs/2203.05794). Reports are counted
in place of words, so that one that repeats itself weighs no more than another; and what every report says, which would
name every group, weighs nothing: a term counts by how much commoner it is in the group than in all.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

_DENYING = frozenset(("", "no"))  # "no" means something only with what follows
NAMING = 3  # terms in a name
_WORD = re.compile(r"[a-z][a-z-]+[a-z]|[a-z]{2,}")
_RARE = 0.02  # a term in less than this share of a group's reports does not name it
_EMPTY = frozenset(
    re.findall(
        r"\S+",
        """
    the and are was were has have had with without from for that this there than then its not but been being of in
    is or on at as to by an it be which may can will would also which into over when where while these those any all
    there's seen noted identified unchanged study patient view views exam examination chest two pa ap lateral
    frontal xxxx findings impression within limits
""",
    )
)


def names(texts: Iterable[str], groups: Sequence[int], count: int) -> tuple[str, ...]:
    """Return a name for each of `count` groups: its most distinctive terms, e.g. "pleural effusion · left basilar".

    texts: one per report; groups: the group of each. A group of no words is named by its number.
    """
    within: list[Counter[str]] = [Counter() for _ in range(count)]
    sizes = [0] * count
    for text, group in zip(texts, groups, strict=True):
        within[group].update(set(terms_of(text)))
        sizes[group] += 1
    everywhere = sum(within, Counter())
    shares = {term: found / max(1, sum(sizes)) for term, found in everywhere.items()}
    ranked = [_distinctive(terms, size, shares) for terms, size in zip(within, sizes, strict=True)]
    return tuple(" · ".join(terms) or f"group {number + 1}" for number, terms in enumerate(ranked))


def terms_of(text: str) -> Iterator[str]:
    """Yield the words of a text and its pairs of neighbouring words, small words left out."""
    for sentence in re.split(r"[.;:,\n]", text.lower()):
        kept = [word if word not in _EMPTY else "" for word in _WORD.findall(sentence)]
        yield from (word for word in kept if word not in _DENYING)
        yield from (f"{one} {two}" for one, two in pairwise(kept) if one and two not in _DENYING)


def _distinctive(terms: Mapping[str, int], size: int, shares: Mapping[str, float]) -> list[str]:
    """Return the terms that lead by share in the group × log(that share / share in all); no word comes twice."""
    scores = {
        term: found / size * math.log(found / size / shares[term])
        for term, found in terms.items()
        if found >= _RARE * size
    }
    chosen: list[str] = []
    for term in sorted(scores, key=lambda one: (-scores[one], -len(one.split()), one)):
        words = set(term.split()) - _DENYING
        if not any(words & set(other.split()) for other in chosen):
            chosen.append(term)
        if len(chosen) == NAMING:
            break
    return chosen
