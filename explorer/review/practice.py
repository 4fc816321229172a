"""A made-up case to learn the keys on, with an answer to compare one's own with. It counts for nothing."""

from __future__ import annotations

from explorer.review.records import PRACTICE, Candidate, Case, Origin

_TRUTH = (
    "The heart is normal in size. There is a large right pleural effusion with adjacent atelectasis. "
    "The left lung is clear. No pneumothorax."
)
_TEXTS = (
    (
        "A large right pleural effusion with atelectasis beside it. Left lung clear, heart normal, no pneumothorax.",
        "same",
    ),
    ("Small right pleural effusion with adjacent atelectasis. The left lung is clear. Normal heart.", "severity"),
    ("Large left pleural effusion with adjacent atelectasis. The right lung is clear. Normal heart size.", "location"),
    ("The heart and both lungs are normal. No pleural effusion. No pneumothorax.", "omission"),
)
_EXPECTED = {"same": 1, "severity": 2, "location": 3, "omission": 4}
_ORDER = (2, 0, 3, 1)


def practice_case() -> Case:
    """Return the case; its candidates are named by what is wrong with them."""
    candidates = tuple(Candidate(_TEXTS[place][0], (Origin(_TEXTS[place][1], ""),)) for place in _ORDER)
    return Case(PRACTICE, "", _TRUTH, _TRUTH, candidates)


def expected_ranks() -> tuple[int, ...]:
    """Return the ranks that the order of the four kinds of error gives, for the candidates as shown."""
    return tuple(_EXPECTED[candidate.models[0]] for candidate in practice_case().candidates)
