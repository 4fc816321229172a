"""One finding a sentence: lists of negatives and coordinated statements taken apart, technique left out.

A cut is made only if the rules of `findings.py` read the same findings, with the same status, before and after it;
a sentence that no cut keeps whole stays as it was dictated. Paper section 3, "split" reports.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from explorer.language.findings import FindingsReader
from explorer.language.negatives import listed_negatives
from explorer.language.organs import OrganReader
from explorer.language.phrases import Match, Word, words
from explorer.language.sentences import sentences
from explorer.types import Status

Claims = Counter[tuple[str, Status]]

LIST_NUMBER = re.compile(r"^\s*\d{1,2}[.)],?\s+(?=\S)")
LONGEST_SENTENCE = 800  # characters; what is longer was not dictated, and is left as it is
_VIEW_LEAD = re.compile(
    r"^(?P<view>(?:[\w,/-]+ ){0,6}?(?:views?|radiographs?|films?|examination) of the chest)"
    r"(?:,? (?:that |which )?(?:were |was )?(?:obtained|provided|submitted|reviewed))?(?: and|,)*"
    r" (?:demonstrates?|shows?|reveals?) (?=\w)",
    re.IGNORECASE,
)
_TECHNIQUE = re.compile(
    r"rotat|body habitus|\btechni|\bportable|\bsuboptimal|\bexposure|penetrat|\bmotion|\bartifact|expiratory"
    r"|\bpositioning of the patient|\bpatient position|\bpoor inspir|\binspiratory effort|\bquality|\bdegraded"
    r"|(?:study|exam\w*|evaluation|film|radiograph) (?:is|are|was|were)? ?(?:\w+ )?limited",
    re.IGNORECASE,
)
_JOINT = re.compile(
    r"(?:\s*(?:[,;:/(–-]|\b(?:and|or|nor|with|without|but|versus|vs\.?|which|that|as well as|along with|"
    r"(?:most )?(?:likely|probably|possibly)|(?:may|might|could|can)(?: also)?|"
    r"represent(?:s|ing)?|reflect(?:s|ing)?|be|is|are|suggest(?:s|ing|ive of)?|(?:due|secondary|related) to|"
    r"(?:consistent|compatible|associated) with|there (?:is|are)|otherwise|negative for|concerning for"
    r"|suspicious for)(?!\w)))+\s*",
    re.IGNORECASE,
)
_WEAK = frozenset({"", "and", "or", "is", "are", "be"})  # also stand inside what one finding is called
_LEADING_DENIAL = re.compile(
    r"^(?:(?:no|without|negative for|free of|clear of|nor)\b\s*)?(?:(?:any|definite|radiographic|focal)\s+)?"
    r"(?:(?:evidence|signs?) of\s+)?",
    re.IGNORECASE,
)
_THERE_IS = re.compile(r"^(?:there (?:is|are)|this is)\s+", re.IGNORECASE)
_PLURAL_OF_ONE = re.compile(r"^((?:(?!\band\b|,).)*[^s\s,]) (?:are|appear|remain) ", re.IGNORECASE)
_CORE = re.compile(  # from the first to the last sign that is not left over; the point of ".5 cm" is not
    r"(?:[^\s,;:/(.–-]|\.(?=\d))(?:.*[^\s,;:/(.–-])?",
    re.DOTALL,
)
_BOTH = {
    "cardiomediastinal": ("cardiac", "mediastinal"),
    "cardio mediastinal": ("cardiac", "mediastinal"),
    "cardiomediastinum": ("heart", "mediastinum"),
    "hydropneumothorax": ("pneumothorax", "pleural effusion"),
}
_BOTH_WORD = re.compile("|".join(_BOTH), re.IGNORECASE)


@dataclass(frozen=True)
class _Mention:
    """What one stretch of a sentence says, and the organ and the state it is made of, if it is."""

    start: int
    end: int
    organ: tuple[int, int] | None
    state: tuple[int, int] | None


class Splitter:
    """Splits reports. Holds tables only."""

    def __init__(self, reader: FindingsReader, organs: OrganReader) -> None:
        self._reader = reader
        self._organs = organs

    @classmethod
    def open(cls) -> Splitter:
        """Read the tables in `assets/lexicons/`."""
        return cls(FindingsReader.open(), OrganReader.open())

    def split(self, text: str) -> tuple[str, ...]:
        """Return one sentence for each finding, in order; any text is accepted.

        Views become sentences of their own; a sentence that only speaks of technique or quality is dropped.
        """
        apart = (part for sentence in sentences(text) for part in views_apart(LIST_NUMBER.sub("", sentence.text)))
        kept = (part for part in apart if self.claims(part) or not _TECHNIQUE.search(part))
        return tuple(filter(None, (finished(piece) for part in kept for piece in self._single(part))))

    def claims(self, *texts: str) -> Claims:
        """Count the (finding, status) pairs of texts."""
        return Counter((finding.name, finding.status) for text in texts for finding in self._reader.read(text, ""))

    def _single(self, sentence: str) -> list[str]:
        if len(sentence) > LONGEST_SENTENCE:
            return [sentence]
        wanted = self.claims(sentence)
        for pieces in self._cuts(sentence):
            if self.claims(*pieces) == wanted:
                return [part for piece in pieces for part in self._single(piece)]
        return [sentence]

    def _cuts(self, sentence: str) -> Iterator[Sequence[str]]:
        negatives = listed_negatives(sentence)
        if negatives:
            yield negatives
        mentions = self._mentions(sentence)
        for left, right in pairwise(mentions):
            yield from self._at_joint(sentence, left, right)
        if len(mentions) == 1 and len(self.claims(sentence)) > 1:
            yield [_one_of_both(sentence, which) for which in (0, 1)]

    def _mentions(self, sentence: str) -> list[_Mention]:
        found = self._reader.read(sentence, "")
        among = words(sentence)
        said = {}
        for pair in self._organs.read(among, ()):
            organ, state = _characters(among, pair.organ), _characters(among, pair.state)
            said[min(organ[0], state[0]), max(organ[1], state[1])] = organ, state
        spans = sorted({(finding.start, finding.end) for finding in found})
        return [_Mention(start, end, *said.get((start, end), (None, None))) for start, end in spans]

    def _at_joint(self, sentence: str, left: _Mention, right: _Mention) -> Iterator[Sequence[str]]:
        """Yield sentences for the part up to the joint of two mentions and for the part from there on."""
        cut, resume = _joint(sentence, left, right)
        for head in _heads(sentence, cut, left, right):
            if not self.claims(*head):
                continue
            for tail in _tails(sentence, resume, left, right):
                if self.claims(tail):
                    yield *head, tail


def views_apart(sentence: str) -> list[str]:
    """Return the views that open a sentence and what they show: two sentences, or the one given."""
    found = _VIEW_LEAD.match(sentence)
    return [found["view"] + ".", capital(sentence[found.end() :])] if found else [sentence]


def finished(piece: str) -> str:
    """Return a piece as a sentence: capital, full stop, nothing left over at its ends."""
    core = _CORE.search(piece)
    bare = core.group() if core else ""
    if bare.count("(") != bare.count(")"):  # without them more may be left over at the ends
        return finished(bare.replace("(", "").replace(")", ""))
    return capital(bare) + "." if re.search(r"\w", bare) else ""


def capital(text: str) -> str:
    """Return the text with its first letter large."""
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """Return the text with its first letter small, unless it opens with a short form in capitals."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _heads(sentence: str, cut: int, left: _Mention, right: _Mention) -> Iterator[tuple[str, ...]]:
    head = sentence[:cut].rstrip(" ,;:")
    if left.organ and left.state and left.state[0] >= cut:
        state = sentence[slice(*left.state)]
        yield (_stated(head, state),)
        if right.organ:  # "cardiac and mediastinal contours": the noun of both stands with the second
            yield (_stated(f"{head} {sentence[slice(*right.organ)].split()[-1]}", state),)
    yield (head,)
    noun = _THERE_IS.sub("", head)
    yield (f"Possible {lowered(noun)}",)
    yield (f"No {lowered(noun)}",)
    before = [found for found in _strong_joints(head, 0, left.start) if found[0]]
    if before:  # "low volumes with left atelectasis versus scarring": the doubt is about the atelectasis only
        yield head[: before[-1][0]], f"Possible {head[before[-1][1] :]}"
    yield (f"Possible {sentence[left.start : cut]}",)


def _stated(organ: str, state: str) -> str:
    return f"{organ} {'are' if organ.endswith('s') else 'is'} {state}"


def _tails(sentence: str, resume: int, left: _Mention, right: _Mention) -> Iterator[str]:
    tail = sentence[resume:]
    if right.state and right.state[1] <= resume:
        yield f"{sentence[slice(*right.state)]} {tail}"
    elif right.organ and right.state and left.end >= right.end:  # both organs share the state
        yield _PLURAL_OF_ONE.sub(r"\1 is ", tail, count=1)
        yield _one_of_both(_PLURAL_OF_ONE.sub(r"\1 is ", tail, count=1), 1)
    bare = _LEADING_DENIAL.sub("", tail, count=1)
    core = sentence[max(right.start, resume) :]
    for noun in dict.fromkeys((tail, bare, core)):
        for lead in ("", "No ", "Possible "):
            yield lead + noun


def _joint(sentence: str, left: _Mention, right: _Mention) -> tuple[int, int]:
    """Return where the left part ends and the right one starts: around a run of joining words between them."""
    if left.start == right.start:  # "normal heart size and mediastinal contours"
        runs = [found.span() for found in _JOINT.finditer(sentence, left.end, right.end)]
        return (runs or [(left.end, left.end)])[0]
    start = left.end if left.end <= right.start else left.start
    runs = [found.span() for found in _JOINT.finditer(sentence, start, right.start)]
    return (_strong_joints(sentence, start, right.start) or runs or [(start, start)])[-1]


def _strong_joints(sentence: str, start: int, stop: int) -> list[tuple[int, int]]:
    runs = _JOINT.finditer(sentence, start, stop)
    return [found.span() for found in runs if found.group().strip(" ,").lower() not in _WEAK]


def _characters(among: Sequence[Word], match: Match[object]) -> tuple[int, int]:
    return among[match.first].start, among[match.stop - 1].end


def _one_of_both(sentence: str, which: int) -> str:
    return _BOTH_WORD.sub(lambda found: _BOTH[found.group().lower()][which], sentence)
