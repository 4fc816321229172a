"""Names for groups of reports: the words and word pairs that set each group apart from the others.

Class-based TF-IDF as in BERTopic (Grootendorst 2022, https://arxiv.org/abs/2203.05794), with a count of reports in
place of a count of words: a report that repeats itself weighs no more than another.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

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
    """Return a name for each of `count` groups: its most distinctive terms, e.g. "effusion · pleural · left basilar".

    texts: one per report; groups: the group of each. A group of no words is named by its number.
    """
    within, sizes = _counted(texts, groups, count)
    spread = Counter(term for terms in within for term in terms)
    ranked = [_distinctive(terms, spread, size, count) for terms, size in zip(within, sizes, strict=True)]
    return tuple(" · ".join(terms) or f"group {number + 1}" for number, terms in enumerate(ranked))


def _counted(texts: Iterable[str], groups: Sequence[int], count: int) -> tuple[list[Counter[str]], list[int]]:
    within: list[Counter[str]] = [Counter() for _ in range(count)]
    sizes = [0] * count
    for text, group in zip(texts, groups, strict=True):
        within[group].update(set(terms_of(text)))
        sizes[group] += 1
    shares = [
        Counter({term: found for term, found in terms.items() if found >= max(1, _RARE * size)})
        for terms, size in zip(within, sizes, strict=True)
    ]
    return shares, sizes


def terms_of(text: str) -> Iterator[str]:
    """Yield the words of a text and its pairs of neighbouring words, small words left out."""
    for sentence in re.split(r"[.;:,\n]", text.lower()):
        kept = [word if word not in _EMPTY else "" for word in _WORD.findall(sentence)]
        yield from (word for word in kept if word not in _DENYING)
        yield from (f"{one} {two}" for one, two in pairwise(kept) if one and two not in _DENYING)


def _distinctive(terms: Mapping[str, int], spread: Mapping[str, int], size: int, count: int) -> list[str]:
    """Return the terms that lead by share in the group × log(1 + groups / groups that have it); no word comes twice."""
    scores: dict[str, float] = defaultdict(float)
    for term, found in terms.items():
        scores[term] = found / size * float(np.log(1 + count / spread[term]))
    chosen: list[str] = []
    for term in sorted(scores, key=lambda one: (-scores[one], -len(one.split()), one)):
        words = set(term.split()) - _DENYING
        if not any(words & set(other.split()) for other in chosen):
            chosen.append(term)
        if len(chosen) == NAMING:
            break
    return chosen
