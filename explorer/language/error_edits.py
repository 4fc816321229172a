"""The changes of words that make a right sentence wrong. Each is an edit of the report, in its own characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from explorer.language.findings import FindingsReader
from explorer.language.labels import NO_FINDING
from explorer.language.sentences import Sentence
from explorer.language.temporal import KEYWORDS
from explorer.types import Finding

SIZES = ("tiny", "small", "moderate", "large")
GRADES = ("minimal", "mild", "moderate", "severe")
ADVERBS = ("minimally", "mildly", "moderately", "severely")
_RUNG_OF: Mapping[str, str] = {rung: rung for rung in (*SIZES, *GRADES, *ADVERBS)} | {
    "trace": "tiny",
    "massive": "large",
    "slight": "mild",
    "marked": "severe",
    "slightly": "mildly",
    "markedly": "severely",
}
_SIZED = frozenset({"Pleural Effusion", "Pneumothorax", "Lung Lesion", "Hernia"})
_GRADE = re.compile(
    rf"(?<!to )(?<!-)\b(?:{'|'.join(_RUNG_OF)})\b(?!-| to (?:moderate|large|severe|mild))", re.IGNORECASE
)

Places = tuple[tuple[str, str], ...]
SIDES: Places = (("right", "left"), ("right-sided", "left-sided"))
PLACES: Places = (
    *SIDES,
    ("rul", "lul"),
    ("rll", "lll"),
    ("upper", "lower"),
    ("apical", "basilar"),
    ("apical", "basal"),
    ("biapical", "bibasilar"),
    ("apex", "base"),
    ("apices", "bases"),
    ("medial", "lateral"),
    ("anterior", "posterior"),
)
_NO_PLACE = re.compile(  # "upper limits of normal", "lateral view", "right atrial", "right middle lobe"
    r"\s+(?:limits?|normal|quadrant|abdom\w+|atri\w+|ventric\w+|heart|middle|view|projection|film|radiograph"
    r"|decubitus|extremit\w+|thoracic|cervical|lumbar|sternotomy|of the heart)\b",
    re.IGNORECASE,
)

_FUNCTION_WORD = re.compile(
    r"is|are|was|were|be|been|there|an?|the|this|these|with|of|in|and|or|which|that|shows?|noted|seen|demonstrates"
    r"|has|have|may|could|for|to|from|at|on|some|again|likely|probabl[ey]|possibl[ey]|represents|representing"
    r"|suggesting|consistent|also|evidence|question|questionable|findings|than",
    re.IGNORECASE,
)
_LEFT_OUT = frozenset(_RUNG_OF) | frozenset(KEYWORDS)  # no small effusion, no new effusion: neither denies effusion
_WHERE = re.compile(
    r"(?:\s+(?:is|are)\s+(?:again\s+)?(?:seen|noted|present|identified|visuali[sz]ed|evident))?"
    r"(?P<where>\s+(?:in|within|at|of|along|involving|overlying|throughout)\s+(?:the\s+)?(?:[\w-]+\s+){0,5}?"
    r"(?:lungs?|lobes?|bases?|apex|apices|hemithorax|chest|sides?|zones?|fields?|spine|ribs?|angles?|wall|bilaterally)\b"
    r"(?:\s+(?:bases?|apex|apices|fields?|zones?|wall)\b)?|\s+bilaterally\b)",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"\s+(?P<verb>is|are|appears?|remains?)?\s*(?:(?:mildly|moderately|severely|slightly|markedly|minimally|stable)\s+)?"
    r"(?:enlarged|prominent|widened|increased(?: in size)?|congested|engorged|blunted|large)",
    re.IGNORECASE,
)
_REST_OF_NAME = re.compile(r"\s+(?:changes?|disease|process|bod(?:y|ies)|pattern|angles?)\b", re.IGNORECASE)
_DEVICE_ADJECTIVE = re.compile(
    r"\b(?:(?:electronic|cardiac|surgical|postsurgical|cholecystectomy)\s+)+$", re.IGNORECASE
)
_ARTICLE = re.compile(r"\ban?\s+$", re.IGNORECASE)
_LENGTH = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*-?\s*(mm|cm|millimeters?|centimeters?)\b", re.IGNORECASE)
_OTHER_UNIT = {"mm": "cm", "cm": "mm", "millimeter": "centimeter", "centimeter": "millimeter"}
FACTORS = (Decimal("0.7"), Decimal("1.3"))
_MOST_ADJECTIVES = 4


@dataclass(frozen=True)
class Edit:
    """Put `text` in place of report[start:end]."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Stated:
    """A finding that a sentence says is there, or may be, and the stretch of it that can be about that finding."""

    sentence: Sentence
    finding: Finding  # places in characters of the sentence
    first: int
    stop: int
    alone: bool  # the sentence names nothing else


def stated(sentence: Sentence, reader: FindingsReader) -> Iterator[Stated]:
    """Yield what one sentence says is there; what it denies is left alone."""
    found = [one for one in reader.read(sentence.text, "") if one.name != NO_FINDING]
    spans = {(one.start, one.end) for one in found}
    for finding in found:
        if finding.status != "absent":
            first = max((end for _, end in spans if end <= finding.start), default=0)
            stop = min((start for start, _ in spans if start >= finding.end), default=len(sentence.text))
            yield Stated(sentence, finding, first, stop, len(spans) == 1)


def severities(one: Stated) -> Iterator[Edit]:
    """Yield every other rung for the one grade said of a finding."""
    text, finding = one.sentence.text, one.finding
    before = list(_GRADE.finditer(text, one.first, finding.end))
    graded = before or list(_GRADE.finditer(text, finding.end, one.stop))
    if not finding.severity or len(graded) != 1 or graded[0].end() == finding.end:  # "the heart is large"
        return
    rung = _RUNG_OF[graded[0].group().lower()]
    for other in _ladder(rung, finding.name):
        if other != rung:
            yield _in_report(one.sentence, graded[0].span(), other)


def _ladder(rung: str, name: str) -> tuple[str, ...]:
    if rung in ADVERBS:
        return ADVERBS
    sized = name in _SIZED if rung == "moderate" else rung in SIZES
    return SIZES if sized else GRADES


def locations(one: Stated, places: Places) -> Iterator[Edit]:
    """Yield the opposite of every place said of a finding, unless the sentence names both."""
    text = one.sentence.text
    for word, other in (order for pair in places for order in (pair, pair[::-1])):
        if re.search(rf"\b{other}\b", text, re.IGNORECASE):
            continue
        for found in re.compile(rf"\b{word}\b", re.IGNORECASE).finditer(text, one.first, one.stop):
            if not _NO_PLACE.match(text, found.end()):
                yield _in_report(one.sentence, found.span(), other.upper() if found.group().isupper() else other)


def negations(one: Stated, forms: Sequence[str], normal: Sequence[str]) -> Iterator[Edit]:
    """Yield denials of a sentence's only finding."""
    text = one.sentence.text
    state = _STATE.search(text, one.finding.start, one.finding.end)
    subject = text[one.finding.start : state.start()] if state else _named(text, one.finding)
    named = _REST_OF_NAME.match(text, one.finding.end)
    where = _WHERE.match(text, named.end() if named else one.finding.end)
    words = {"what": subject, "organ": _capital(subject), "where": where["where"] if where else ""}
    for form in normal if state else forms:
        told = form.format(**words, **{"is": "are" if subject.endswith("s") else "is"})
        yield Edit(one.sentence.start, one.sentence.end, told)


def measurements(text: str) -> Iterator[Edit]:
    """Yield other lengths for every length in a report: 0.7 and 1.3 times as long, and the other unit."""
    for found in _LENGTH.finditer(text):
        number, unit = found.groups()
        for factor in FACTORS:
            yield Edit(*found.span(1), scaled(number, factor))
        stem = unit.lower().removesuffix("s") if len(unit) > 2 else unit.lower()
        yield Edit(*found.span(2), _OTHER_UNIT[stem] + unit[len(stem) :])


def renamings(one: Stated, names: Iterable[str]) -> Iterator[Edit]:
    """Yield other names for a device."""
    text = one.sentence.text
    kind_of = _DEVICE_ADJECTIVE.search(text, 0, one.finding.start)
    span = kind_of.start() if kind_of else one.finding.start, one.finding.end
    for name in names:
        plural = text[: one.finding.end].endswith("s") and not name.endswith("s")
        yield _in_report(one.sentence, span, name + ("s" if plural else ""))


def positions(one: Stated, places: Mapping[str, tuple[str, ...]]) -> Iterator[Edit]:
    """Yield other places for the places (regular expressions) named in a sentence with a device."""
    for pattern, others in places.items():
        for found in re.finditer(rf"\b(?:{pattern})\b", one.sentence.text, re.IGNORECASE):
            for other in others:
                yield _in_report(one.sentence, found.span(), other)


def scaled(number: str, factor: Decimal) -> str:
    """Return a number times a factor, with its decimals, or one more where it would not change or be nothing."""
    exact, unit = Decimal(number) * factor, Decimal(1).scaleb(-len(number.partition(".")[2]))
    told = exact.quantize(unit, ROUND_HALF_UP)
    return str(told if told and told != Decimal(number) else exact.quantize(unit / 10, ROUND_HALF_UP))


def _named(text: str, finding: Finding) -> str:
    """Return what a denial would name: the finding with the adjectives before it, without grade and change."""
    before = re.findall(r"[A-Za-z][\w/-]*", text[: finding.start].rpartition(",")[2])
    adjectives: list[str] = []
    while before and not _FUNCTION_WORD.fullmatch(before[-1]) and len(adjectives) < _MOST_ADJECTIVES:
        adjectives.insert(0, before.pop())
    kept = [word for word in adjectives if word.lower() not in _LEFT_OUT]
    noun = _REST_OF_NAME.match(text, finding.end)
    return " ".join(_small(word) for word in (*kept, text[finding.start : noun.end() if noun else finding.end]))


def _in_report(sentence: Sentence, span: tuple[int, int], text: str) -> Edit:
    """Return the edit with the capital of a sentence's start and the article that the new word needs."""
    start, end = span
    article = _ARTICLE.search(sentence.text, 0, start)
    if article:
        start, text = article.start(), ("an " if text[0] in "aeiou" else "a ") + text
    opens = not sentence.text[:start].strip(" 0123456789.)")
    return Edit(sentence.start + start, sentence.start + end, _capital(text) if opens else text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _small(word: str) -> str:
    return word if word[:2].isupper() else word[:1].lower() + word[1:]
