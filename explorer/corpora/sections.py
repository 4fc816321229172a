"""Which words of a report are searched, and what encoders see of them. One place for training, index and query."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from explorer.types import Scope

SectionRule = Literal["source", "last-paragraph", "whole"]
"""What counts as findings where neither findings nor impression is marked: nothing; the last paragraph, as the scripts
of MIMIC-CXR do (https://github.com/MIT-LCP/mimic-cxr, txt/create_section_files.py); or the whole report."""
SECTION_RULES: tuple[SectionRule, ...] = get_args(SectionRule)

REDACTION = "XXXX"
_REDACTED_WORD = re.compile(rf"\S*(?:{REDACTION}|___)\S*")  # Open-I writes XXXX, MIMIC-CXR ___
_WORD = re.compile(r"\w+")
_HEADING = re.compile(r"^[ \t]*([A-Za-z][A-Za-z0-9 #/()&,-]{2,60}):[ \t]*", re.MULTILINE)
_SECTION_OF = (  # what none of these is goes on being text: "Incidental finding: a nodule."
    ("findings", re.compile(r"(?:chest )?findings?(?:\W+(?:and )?impressions?)?")),
    (
        "impression",
        re.compile(r"(?:final |overall )?impressions?(?:\W+(?:and )?recommendations?)?|conclusions?|opinion"),
    ),
    (
        "indication",
        re.compile(r"(?:clinical |medical )?(?:indications?|history|information)(?:\W+(?:indications?|history))?"),
    ),
    ("indication", re.compile(r"reason for (?:this |the )?(?:exam(?:ination)?|study|visit)")),
    ("comparison", re.compile(r"comparisons?(?: (?:exams?|studies))?")),
    # These end the section before them, and are not kept
    (
        "",
        re.compile(r"(?:type of )?exam(?:ination)?|technique|procedure|study|views?|dose|attestation|accession number"),
    ),
    ("", re.compile(r"wet read.*|notifications?|recommendations?|addendum|final report")),
)


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


def has_words(text: str) -> bool:
    """Return whether anything is left to search once redactions are dropped."""
    return _WORD.search(without_redactions(text)) is not None


def by_headings(text: str, rule: SectionRule) -> dict[str, str]:
    """Return findings, impression, indication and comparison of a report whose sections are marked by headings.

    A heading stands at the start of a line and ends in a colon. Of several with one name the last that has text
    counts, as in MIMIC-CXR, where an addendum repeats them. A heading nobody knows ("LUNGS:") stays in the text it
    stands in.
    """
    found = {name: body for name, body in _parts(text) if name and body}
    if "findings" in found or "impression" in found:
        return found
    return {**found, **unmarked(text, rule)}


def unmarked(text: str, rule: SectionRule) -> dict[str, str]:
    """Return what counts as findings in a report that marks neither findings nor impression; {} for nothing."""
    if rule == "source":
        return {}
    paragraphs = [tidy(part) for part in re.split(r"\n[ \t]*\n", text)]
    kept = [part for part in paragraphs if _WORD.search(part)]
    body = "\n\n".join(kept[-1:] if rule == "last-paragraph" else kept)
    return {"findings": body} if body else {}


def tidy(text: str) -> str:
    """Return the text without blanks at the ends of its lines, and without empty lines at its own."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield each known heading's section, and what stands under it."""
    named = ((mark, _section(mark[1])) for mark in _HEADING.finditer(text))
    marks = [(mark.start(), mark.end(), name) for mark, name in named if name is not None]
    ends = [*(start for start, _, _ in marks), len(text)][1:]
    for (_, start, name), end in zip(marks, ends, strict=True):
        yield name, tidy(text[start:end])


def _section(heading: str) -> str | None:
    words = collapse(heading).lower()
    return next((name for name, pattern in _SECTION_OF if pattern.fullmatch(words)), None)


def collapse(text: str) -> str:
    """Return the text with every run of white space as one blank: the form in which texts are compared."""
    return " ".join(text.split())


def _closing_punctuation(word: str) -> str:
    return word[-1] if word[-1] in ".,;:" else ""
