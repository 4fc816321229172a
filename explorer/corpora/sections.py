"""Which words of a report are searched, and what encoders see of them. One place for training, index and query."""

from __future__ import annotations

import re
from collections.abc import Mapping

from explorer.types import Scope

REDACTION = "XXXX"
_REDACTED_WORD = re.compile(rf"\S*{REDACTION}\S*")


def scope_text(sections: Mapping[str, str], scope: Scope) -> str:
    """Return the text of a scope as stored, "" if the study has none.

    `report` is findings, newline, impression; a missing part is left out.
    """
    names = ("findings", "impression") if scope == "report" else (scope,)
    parts = (sections.get(name, "").strip() for name in names)
    return "\n".join(part for part in parts if part)


def without_redactions(text: str) -> str:
    """Drop words that de-identification replaced, and collapse the blanks they leave.

    Punctuation that stood at the end of such a word is kept: "chest x-XXXX." becomes "chest.".
    """
    kept = _REDACTED_WORD.sub(lambda word: _closing_punctuation(word.group()), text)
    return re.sub(r"\s+([.,;:])", r"\1", collapse(kept)).strip()


def collapse(text: str) -> str:
    """Return the text with every run of white space as one blank: the form in which texts are compared."""
    return " ".join(text.split())


def _closing_punctuation(word: str) -> str:
    return word[-1] if word[-1] in ".,;:" else ""
