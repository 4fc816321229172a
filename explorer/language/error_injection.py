"""One error put into a report: the nine categories of the paper's Appendix A.2, each a function of text and draw.

Used as hard negatives in training and as the wrong candidates of the 4-way test (Task 3). What is put in comes from
`errors.tsv`, where choosing weights and testing them have rows of their own; training makes its own, in many wordings
(`training/made_errors.py`), so that no wording is learnt as the mark of an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import numpy as np

from explorer.language import error_edits as edits
from explorer.language.error_edits import Edit, Stated
from explorer.language.findings import DEVICES, FindingsReader
from explorer.language.labels import NO_FINDING
from explorer.language.phrases import table
from explorer.language.sentences import sentences
from explorer.types import Finding

Category = Literal[
    "change severity",
    "change location",
    "false prediction",
    "false negation",
    "change measurement",
    "add opposite sentence",
    "add medical device",
    "change name of device",
    "change position of device",
]
CATEGORIES: tuple[Category, ...] = get_args(Category)
PREFERRED: tuple[Category, ...] = CATEGORIES[:4]  # "prioritise non-device changes", Appendix A.2
Use = Literal["choosing", "testing"]


@dataclass(frozen=True)
class Injected:
    """A report with one error; text[start:end] is what was changed or added."""

    text: str
    start: int
    end: int
    category: Category


class Injector:
    """Injects errors. Holds its rows only; every method is a pure function of text and draw.

    Each returns None where its category does not apply: nothing to change, or nothing that would be an error.
    """

    def __init__(self, reader: FindingsReader, rows: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
        """`rows` maps a category of `errors.tsv` to its key, and that to its texts."""
        self._reader = reader
        self._rows = rows
        self._makers: Mapping[Category, Callable[[str, np.random.Generator], Injected | None]] = {
            "change severity": self.change_severity,
            "change location": self.change_location,
            "false prediction": self.false_prediction,
            "false negation": self.false_negation,
            "change measurement": self.change_measurement,
            "add opposite sentence": self.add_opposite_sentence,
            "add medical device": self.add_medical_device,
            "change name of device": self.change_name_of_device,
            "change position of device": self.change_position_of_device,
        }

    @classmethod
    def open(cls, use: Use) -> Injector:
        """Read `errors.tsv`: its rows for choosing weights or for testing them."""
        rows: dict[str, dict[str, tuple[str, ...]]] = {}
        for row in table("errors.tsv"):
            if row["use"] in (use, "any"):
                texts = rows.setdefault(row["category"], {})
                texts[row["key"]] = (*texts.get(row["key"], ()), row["text"])
        return cls(FindingsReader.open(), rows)

    def inject(self, text: str, category: Category, draw: np.random.Generator) -> Injected | None:
        """Return the report with one error of a category, or None where it does not apply."""
        return self._makers[category](text, draw)

    def several(self, text: str, count: int, draw: np.random.Generator) -> tuple[Injected, ...]:
        """Return up to `count` reports, one error each, of different categories; the first four categories first."""
        return tuple(islice(self.each(text, draw), count))

    def each(self, text: str, draw: np.random.Generator) -> Iterator[Injected]:
        """Yield reports with one error each, of different categories, as they are asked for; order as `several`."""
        rest = CATEGORIES[len(PREFERRED) :]
        order = [group[index] for group in (PREFERRED, rest) for index in draw.permutation(len(group))]
        made = (self.inject(text, category, draw) for category in order)
        yield from (injected for injected in made if injected is not None)

    def change_severity(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Another rung of the ladder trace < minimal < mild, small < moderate < large, severe."""
        choices = [edit for one in self._stated(text) for edit in edits.severities(one)]
        return _changed(text, choices, "change severity", draw)

    def change_location(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Right for left, upper for lower, apical for basilar, medial for lateral, anterior for posterior.

        Changed only where the rules of `findings.py` then read the same findings in another place.
        """
        stated = [one for one in self._stated(text) if one.finding.name not in DEVICES]
        choices = [edit for one in stated for edit in edits.locations(one, edits.PLACES) if self._moves(one, edit)]
        return _changed(text, choices, "change location", draw)

    def false_prediction(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Add a finding that the report does not speak of, or, where it speaks of all, one that it denies."""
        found = self._reader.read(text, "")
        there = {one.name for one in found if one.status != "absent"}
        unsaid = self._texts("statement", lambda name: name not in {one.name for one in found})
        return _added(
            text, unsaid or self._texts("statement", lambda name: name not in there), "false prediction", draw
        )

    def false_negation(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Deny what a sentence with one positive finding says, its place kept."""
        stated = [one for one in self._stated(text) if one.alone and one.finding.status == "present"]
        choices = [
            edit
            for one in stated
            if one.finding.name not in DEVICES
            for edit in edits.negations(one, self._rows["negation"][""], self._rows["normal"][""])
        ]
        return _changed(text, choices, "false negation", draw)

    def change_measurement(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Make a length 0.7 or 1.3 times as long, or exchange cm and mm."""
        denied = [one for one in sentences(text) if self._only_denies(one.text)]
        choices = [
            edit for edit in edits.measurements(text) if not any(one.start <= edit.start < one.end for one in denied)
        ]
        return _changed(text, choices, "change measurement", draw)

    def add_opposite_sentence(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Add a sentence that denies what the report says, or says what it denies."""
        found = [one for one in self._reader.read(text, "") if one.name != NO_FINDING]
        statuses = {one.name: one.status for one in reversed(found)}
        said = self._texts("statement", lambda name: statuses.get(name) == "absent")
        nouns = self._texts("noun", lambda name: statuses.get(name) == "present")
        denied = [form.format(finding=noun) for form in self._rows["denial"][""] for noun in nouns]
        return _added(text, [*said, *denied], "add opposite sentence", draw)

    def add_medical_device(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Add a device of a kind that the report does not speak of."""
        named = {one.name for one in self._reader.read(text, "")}
        return _added(text, self._texts("device", lambda name: name not in named), "add medical device", draw)

    def change_name_of_device(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Call a device by another device's name."""
        choices = [
            edit
            for one in self._stated(text)
            for edit in edits.renamings(one, self._rows["device name"].get(one.finding.name, ()))
        ]
        return _changed(text, choices, "change name of device", draw)

    def change_position_of_device(self, text: str, draw: np.random.Generator) -> Injected | None:
        """Put a device elsewhere, or on the other side."""
        devices = [one for one in self._stated(text) if one.finding.name in DEVICES]
        choices = [edit for one in devices for edit in edits.positions(one, self._rows["position"])]
        choices = choices or [edit for one in devices for edit in edits.locations(one, edits.SIDES)]
        return _changed(text, choices, "change position of device", draw)

    def _texts(self, category: str, wanted: Callable[[str], bool]) -> list[str]:
        return [text for key, texts in self._rows[category].items() if wanted(key) for text in texts]

    def _stated(self, text: str) -> list[Stated]:
        """Return what the report says is there, or may be, each with the sentence it stands in."""
        return [one for sentence in sentences(text) for one in edits.stated(sentence, self._reader)]

    def _moves(self, one: Stated, edit: Edit) -> bool:
        """Whether the same findings are read after an edit of a sentence, not all of them in the same place."""
        said, at = one.sentence.text, one.sentence.start
        told = said[: edit.start - at] + edit.text + said[edit.end - at :]
        before, after = (self._reader.read(text, "") for text in (said, told))
        return _what(before) == _what(after) and _where(before) != _where(after)

    def _only_denies(self, sentence: str) -> bool:
        found = self._reader.read(sentence, "")
        return bool(found) and all(one.status == "absent" for one in found)


def _what(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.name, one.status) for one in found]


def _where(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.location, one.laterality) for one in found]


def _changed(text: str, choices: list[Edit], category: Category, draw: np.random.Generator) -> Injected | None:
    """Return the text with one of the edits, the first in a drawn order that changes one sentence only."""
    for index in draw.permutation(len(choices)):
        edit = choices[index]
        told = text[: edit.start] + edit.text + text[edit.end :]
        if _sentences_gained(text, told) == (1, 1):
            return Injected(told, edit.start, edit.start + len(edit.text), category)
    return None


def _added(text: str, choices: list[str], category: Category, draw: np.random.Generator) -> Injected | None:
    """Return the text with one of the sentences before, between or after its own, or None if none can be."""
    if not choices:
        return None
    sentence = choices[int(draw.integers(len(choices)))]
    places = [one.start for one in sentences(text)] + [len(text.rstrip())]
    for index in draw.permutation(len(places)):
        before, after = text[: places[index]], text[places[index] :]
        gap = "" if not before or before[-1].isspace() else " "
        told = f"{before}{gap}{sentence}{' ' if after.strip() else ''}{after}"
        if _sentences_gained(text, told) == (0, 1):
            start = len(before) + len(gap)
            return Injected(told, start, start + len(sentence), category)
    return None


def _sentences_gained(text: str, told: str) -> tuple[int, int]:
    """Return how many sentences of the text are gone, and how many are new."""
    before, after = _counted(text), _counted(told)
    return (before - after).total(), (after - before).total()


def _counted(text: str) -> Counter[str]:
    return Counter(one.text for one in sentences(text))
