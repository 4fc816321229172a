"""A report told without an earlier film: no comparison, no word of change; what is there and what is not, stays.

Paper section 3, "prior-omitted" reports. The words are those of the temporal filter (`temporal.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from explorer.language.phrases import table
from explorer.language.sentences import sentences
from explorer.language.splitting import LIST_NUMBER, capital
from explorer.language.temporal import KEYWORDS, keywords_in

Rule = tuple[re.Pattern[str], str]

_LEFT_OVER = re.compile(rf"\b(?:{'|'.join(KEYWORDS)})\b[ ]?", re.IGNORECASE)
_SAYS_NOTHING = re.compile(
    r"^(?:(?:there (?:is|are|has been)|these|this|the|both|an?|appearance|overall|otherwise|findings?|of|in|and|is|are"
    r"|appears?|visualized|no|not|without|with|by|has|have|been|as|but|however|it|to|at|from|on|size|contours?|hilar"
    r"|cardio ?mediastin\w+|mediastin\w+|heart|cardiac|silhouettes?|chest|exam\w*|study|radiographs?|films?|lungs?"
    r"|pulmonary|bony|osseous|structures?|vasculature|vascularity|aort\w+|thorax|comparison|interval|level|again"
    r"|position|recommended|followup|follow up|imaging|recommend|seen|noted)\b\W*)*$",
    re.IGNORECASE,
)
_TIDIED: tuple[Rule, ...] = (
    (re.compile(r"\(\s*\)"), ""),
    (re.compile(r"\s+"), " "),
    (re.compile(r"\s+(?=[.,;:)])"), ""),
    (re.compile(r"([,;:])(?:\s*[,;:])+"), r"\1"),
    (re.compile(r"(?:[\s,;:]|\b(?:and|but|from|since|than|as|to|is|are|has|have|was|with|of|in))+(?=[.]*$)"), ""),
    (re.compile(r"^(?:[\s,;:.-]|(?:and|but|however)\b)+"), ""),
    (re.compile(r"\b(?:no|No)\s+(?:the|there (?:is|are)|no)\b"), "no"),
)


class PriorOmitter:
    """Removes what needs an earlier film. Holds its rules only."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    @classmethod
    def open(cls) -> PriorOmitter:
        """Read `prior.tsv`."""
        rows = table("prior.tsv")
        return cls([(re.compile(row["pattern"], re.IGNORECASE), row["instead"] or "") for row in rows])

    def omit(self, text: str) -> str:
        """Return the text without comparisons, line by line; what compares nothing comes back as it was.

        No keyword of the temporal filter is left, whatever the text. A sentence that said only that something has
        not changed is gone.
        """
        return "\n".join(filter(None, (self._line(line) for line in text.splitlines())))

    def _line(self, line: str) -> str:
        said = [sentence.text for sentence in sentences(line)]
        told = [self._sentence(sentence) for sentence in said]
        return line if told == said else " ".join(filter(None, told))

    def _sentence(self, sentence: str) -> str:
        number = LIST_NUMBER.match(sentence)
        start = number.end() if number else 0
        told = self._told(sentence[start:])
        return sentence[:start] + told if told else ""

    def _told(self, sentence: str) -> str:
        told = sentence
        for pattern, instead in self._rules:
            told = pattern.sub(instead, told)
        while keywords_in(told):
            told = _LEFT_OVER.sub("", told)
        if told == sentence:
            return sentence
        for pattern, instead in _TIDIED:
            told = pattern.sub(instead, told)
        told = capital(told.strip())
        if _SAYS_NOTHING.match(told.rstrip(".")):
            return ""
        return told if told.endswith((".", "!", "?")) else told + "."
