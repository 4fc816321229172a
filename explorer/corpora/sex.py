"""The patient's sex as sources write it, in a column of their own or in the words of an indication."""

from __future__ import annotations

import re

from explorer.types import Sex

_SEXES: dict[str, Sex] = {"F": "F", "FEMALE": "F", "W": "F", "M": "M", "MALE": "M", "H": "M"}
_AGED = r"(?:\b\d{1,3}|_{2,}|X{4,})[\s-]*(?:y\s*/?\s*o|y\.o\.|yrs?|years?[\s-]+old)[\s-]*"  # "31 yo", "XXXX-year-old"
_SAID: tuple[tuple[Sex, re.Pattern[str]], ...] = (
    ("F", re.compile(rf"\b(?:female|woman|lady|girl)\b|{_AGED}F\b|_{{2,}}\s*F\b", re.IGNORECASE)),
    ("M", re.compile(rf"\b(?:male|man|gentleman|boy)\b|{_AGED}M\b|_{{2,}}\s*M\b", re.IGNORECASE)),
)


def sex_of(written: str) -> Sex | None:
    """Return the sex a column gives, in English or in Spanish initials; None for any other word, and for none."""
    return _SEXES.get(written.strip().upper())


def sex_said(indication: str) -> Sex | None:
    """Return the sex an indication states, as in "31yof" or "65-year-old male"; None for none, and for both."""
    said = [sex for sex, pattern in _SAID if pattern.search(indication)]
    return said[0] if len(said) == 1 else None
