"""Findings and impressions made from the field's words: the same said twice in other words, and said wrongly.

Few reports of the training split have an impression that can be wrong in several ways, and each of those is told in
one way only. A made study states one to three abnormalities and denies some; its impression repeats what is abnormal
in other words. Copies of the impression with one thing changed (degree, side, place, course, denial, the finding
itself, one more finding, a denial turned) are its hard negatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

SIZES = (("tiny", "trace", "very small"), ("small",), ("moderate", "moderate-sized"), ("large", "sizable"))
GRADES = (("minimal", "trace"), ("mild", "slight"), ("moderate",), ("severe", "marked", "pronounced"))
COURSES = (
    ("new", "newly developed"), ("unchanged", "stable"), ("increased", "worsened", "progressive"),
    ("decreased", "improved", "resolving"),
)  # fmt: skip
SIDES = (("left", "left-sided"), ("right", "right-sided"), ("bilateral",))
BOTH = len(SIDES) - 1
PLACES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "lobe": (
        ("in the right upper lobe", "in the RUL", "within the right upper lobe"),
        ("in the right middle lobe", "in the RML", "within the right middle lobe"),
        ("in the right lower lobe", "in the RLL", "within the right lower lobe"),
        ("in the left upper lobe", "in the LUL", "within the left upper lobe"),
        ("in the left lower lobe", "in the LLL", "within the left lower lobe"),
        ("in the lingula", "within the lingula"),
        ("at the right lung base", "at the right base", "in the right lung base"),
        ("at the left lung base", "at the left base", "in the left lung base"),
        ("at both lung bases", "in the bilateral lung bases", "at the bases"),
        ("at the right lung apex", "in the right apex"),
        ("at the left lung apex", "in the left apex"),
    ),
    "lungs": (
        ("in the upper lobes", "in both upper lobes", "in the upper lung zones"),
        ("in the lower lobes", "in both lower lobes", "in the lower lung zones"),
        ("in both lungs", "bilaterally", "throughout both lungs"),
    ),
    "spine": (
        ("of the thoracic spine", "in the thoracic spine"),
        ("of the lumbar spine", "in the lumbar spine"),
        ("of the cervical spine", "in the cervical spine"),
    ),
    "apex": (("at the apex", "at the lung apex"), ("at the base", "at the lung base")),
    "vein": (
        ("with its tip in the superior vena cava", "ending in the SVC", "terminating in the superior vena cava"),
        ("with its tip in the right atrium", "ending in the right atrium"),
        ("with its tip at the cavoatrial junction", "ending at the cavoatrial junction"),
        ("with its tip in the brachiocephalic vein", "ending in the brachiocephalic vein"),
    ),
    "trachea": (
        ("ending above the carina", "with its tip above the carina"),
        ("ending in the right mainstem bronchus", "with its tip in the right main bronchus"),
        ("ending at the carina", "with its tip at the carina"),
    ),
    "gut": (
        ("ending in the stomach", "with its tip in the stomach"),
        ("ending in the distal esophagus", "with its tip in the esophagus"),
        ("ending beyond the film", "extending below the diaphragm"),
    ),
}


@dataclass(frozen=True)
class Kind:
    """An abnormality: its names, all meaning the same, and what may be said of it."""

    nouns: tuple[str, ...]
    counted: bool = True  # takes an article
    degrees: tuple[tuple[str, ...], ...] = ()
    sided: bool = False
    places: str = ""  # a key of `PLACES`
    alike: str = ""  # what one of them states, another of the same group does not deny
    changes: bool = True  # may be increased or decreased


KINDS = (
    Kind(("pleural effusion", "effusion", "pleural fluid collection"), True, SIZES, True),
    Kind(("pneumothorax",), True, SIZES, True, alike="air"),
    Kind(("pneumothorax",), True, SIZES, False, "apex", alike="air"),
    Kind(("atelectasis", "subsegmental atelectasis", "atelectatic change"), False, GRADES, False, "lobe"),
    Kind(
        ("consolidation", "airspace consolidation", "consolidative opacity"), False, (), False, "lobe", alike="airspace"
    ),
    Kind(("pneumonia", "infectious consolidation"), False, (), False, "lobe", alike="airspace"),
    Kind(("opacity", "airspace opacity", "density"), True, (), False, "lobe", alike="airspace"),
    Kind(("patchy infiltrate", "patchy opacity", "patchy airspace disease"), True, (), False, "lobe", alike="airspace"),
    Kind(
        ("interstitial opacities", "interstitial prominence", "reticular opacities"),
        False,
        GRADES,
        False,
        "lungs",
        alike="interstitial",
    ),
    Kind(("pulmonary nodule", "lung nodule", "nodular density"), True, SIZES, False, "lobe", alike="nodule"),
    Kind(("lung mass", "pulmonary mass", "mass"), True, SIZES[2:], False, "lobe", alike="nodule"),
    Kind(("calcified granuloma", "granuloma", "calcified nodule"), True, SIZES[:2], False, "lobe", alike="nodule"),
    Kind(("pulmonary edema", "interstitial edema"), False, GRADES, alike="interstitial"),
    Kind(
        ("vascular congestion", "pulmonary venous congestion", "pulmonary vascular engorgement"),
        False,
        GRADES,
        alike="interstitial",
    ),
    Kind(("cardiomegaly", "cardiac enlargement", "enlargement of the cardiac silhouette"), False, GRADES),
    Kind(("mediastinal widening", "widening of the mediastinum"), False, GRADES),
    Kind(("tortuosity of the aorta", "aortic tortuosity"), False, GRADES),
    Kind(("hilar adenopathy", "hilar lymphadenopathy", "enlarged hilar nodes"), False, (), True),
    Kind(("rib fracture", "fractured rib"), True, (), True),
    Kind(("clavicle fracture", "clavicular fracture"), True, (), True),
    Kind(("compression deformity", "compression fracture", "vertebral body height loss"), True, GRADES, False, "spine"),
    Kind(("degenerative change", "spondylosis"), False, GRADES, False, "spine"),
    Kind(("scoliosis", "scoliotic curvature"), False, GRADES, False, "spine"),
    Kind(("pleural thickening", "thickening of the pleura"), False, GRADES, True),
    Kind(("emphysema", "emphysematous change", "bullous change"), False, GRADES, False, "lungs", alike="emphysema"),
    Kind(("hyperinflation", "hyperexpansion of the lungs", "hyperinflated lungs"), False, GRADES, alike="emphysema"),
    Kind(
        ("pulmonary fibrosis", "fibrotic change", "interstitial fibrosis"),
        False,
        GRADES,
        False,
        "lungs",
        alike="interstitial",
    ),
    Kind(("scarring", "scar", "fibrotic scarring"), False, GRADES[:2], False, "lobe", alike="interstitial"),
    Kind(("hiatal hernia", "hiatus hernia"), True, SIZES),
    Kind(("elevation of the hemidiaphragm", "hemidiaphragm elevation"), False, GRADES, True),
    Kind(("endotracheal tube", "ET tube", "ETT"), True, (), False, "trachea", changes=False),
    Kind(("nasogastric tube", "enteric tube", "NG tube"), True, (), False, "gut", changes=False),
    Kind(("central venous catheter", "central line"), True, (), True, "vein", alike="line", changes=False),
    Kind(
        ("PICC", "PICC line", "peripherally inserted central catheter"),
        True,
        (),
        True,
        "vein",
        alike="line",
        changes=False,
    ),
    Kind(("port catheter", "chest port", "Port-A-Cath"), True, (), True, "vein", alike="line", changes=False),
    Kind(("chest tube", "thoracostomy tube"), True, (), True, changes=False),
    Kind(("pacemaker", "cardiac pacing device", "pacer"), True, (), True, changes=False),
)
SAID = (
    "There is {a}.", "{A} is seen.", "{A} is present.", "{A} is noted.", "There is evidence of {p}.", "{P}.",
    "{A} is identified.", "{A} is demonstrated.", "Note is made of {a}.", "{A} is visualized.", "We see {a}.",
)  # fmt: skip
CONCLUDED = (
    "{P}.", "{A}.", "{P} is present.", "There is {a}.", "Findings consistent with {p}.", "Evidence of {p}.",
    "{P}, as above.", "Radiographic findings of {p}.", "{A} is seen.", "Abnormal study with {p}.",
)  # fmt: skip
DENIED = (
    "No {n}.", "No {n} is seen.", "There is no visible {n}.", "Negative for {n}.", "No {n} is identified.",
    "The study shows no {n}.", "{N} is not seen.", "No sign of {n}.", "Lungs show no {n}.", "Without {n}.",
)  # fmt: skip
CLOSED = ("", "", "", "No acute abnormality otherwise.", "Otherwise unremarkable.", "Otherwise normal chest.")
MOST_WRONG = 5  # copies of an impression with one error each, at most


@dataclass(frozen=True)
class Statement:
    """What is said of one abnormality; numbers are rows of the lists above, −1: nothing is said of it."""

    kind: int
    degree: int = -1
    side: int = -1
    place: int = -1
    course: int = -1
    denied: bool = False


@dataclass(frozen=True)
class MadeReport:
    """Findings, their impression, and copies of the impression with one error each."""

    findings: str
    impression: str
    wrong: tuple[str, ...]


class ReportMaker:
    """Makes studies. Holds no state; every method is a function of the draw."""

    def __init__(self, reserved: frozenset[str] = frozenset()) -> None:
        """`reserved` sentences are never told: those that an evaluation puts in."""
        self._reserved = reserved

    def make(self, draw: np.random.Generator) -> MadeReport:
        """Return one made study."""
        kinds = _unlike(draw)
        count = 1 + int(draw.integers(3))
        abnormal = [_stated(kind, draw) for kind in kinds[:count]]
        absent = [Statement(kind, denied=True) for kind in kinds[count : count + 1 + int(draw.integers(4))]]
        told = [*abnormal, *absent]
        findings = " ".join(self.tell(told[row], SAID, draw) for row in draw.permutation(len(told)))
        seed = int(draw.integers(2**32))
        concluded = self._impression(abnormal, seed)
        turned = _errors(abnormal, absent, kinds[-1], draw)[:MOST_WRONG]
        wrong = dict.fromkeys(self._impression(one, seed) for one in turned)
        return MadeReport(findings, concluded, tuple(text for text in wrong if text != concluded))

    def stated(self, kind: int, draw: np.random.Generator) -> str:
        """Return a sentence that says an abnormality is there, as findings or an impression would."""
        return self.tell(_stated(kind, draw), (*SAID, *CONCLUDED), draw)

    def tell(self, one: Statement, frames: Sequence[str], draw: np.random.Generator) -> str:
        """Return a sentence that says it, in words of the draw."""
        noun = KINDS[one.kind].nouns[int(draw.integers(len(KINDS[one.kind].nouns)))]
        phrase = _phrase(one, noun, draw)
        counted = KINDS[one.kind].counted and one.side != BOTH
        with_article = f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}" if counted else phrase
        chosen = DENIED if one.denied else frames
        order = draw.permutation(len(chosen))
        words = {"a": with_article, "p": phrase, "n": noun}
        capital = {key.upper(): _capital(text) for key, text in words.items()}
        sentences: Iterator[str] = (chosen[row].format(**words, **capital) for row in order)
        return next(sentence for sentence in sentences if sentence not in self._reserved)

    def _impression(self, statements: Sequence[Statement], seed: int) -> str:
        """Return an impression; the same seed tells what is the same in the same words."""
        told = [self.tell(one, CONCLUDED, np.random.default_rng((seed, place))) for place, one in enumerate(statements)]
        closing = CLOSED[int(np.random.default_rng(seed).integers(len(CLOSED)))]
        return " ".join([*told, closing]).strip()


def _unlike(draw: np.random.Generator) -> list[int]:
    """Return kinds in a drawn order, one of those that are alike."""
    chosen: dict[str, int] = {}
    for kind in draw.permutation(len(KINDS)):
        chosen.setdefault(KINDS[kind].alike or str(kind), int(kind))
    return list(chosen.values())


def _stated(kind: int, draw: np.random.Generator) -> Statement:
    about = KINDS[kind]
    return Statement(
        kind,
        degree=int(draw.integers(len(about.degrees))) if about.degrees and draw.random() < 0.7 else -1,
        side=int(draw.integers(len(SIDES))) if about.sided else -1,
        place=int(draw.integers(len(PLACES[about.places]))) if about.places else -1,
        course=int(draw.integers(len(COURSES) if about.changes else 2)) if draw.random() < 0.25 else -1,
    )


def _phrase(one: Statement, noun: str, draw: np.random.Generator) -> str:
    about = KINDS[one.kind]
    words = [noun]
    for row, lists in ((one.side, SIDES), (one.degree, about.degrees), (one.course, COURSES)):
        picked = draw.random()  # drawn whether used or not, so that one change leaves the other words alone
        if row >= 0:
            words.insert(0, lists[row][int(picked * len(lists[row]))])
    picked = draw.random()
    if one.place >= 0:
        place = PLACES[about.places][one.place]
        words.append(place[int(picked * len(place))])
    return " ".join(words)


def _errors(
    abnormal: Sequence[Statement], absent: Sequence[Statement], unsaid: int, draw: np.random.Generator
) -> list[list[Statement]]:
    """Return the statements with one error each, in a drawn order."""
    changed = [
        [*abnormal[:place], other, *abnormal[place + 1 :]]
        for place, one in enumerate(abnormal)
        for other in _changes(one, unsaid, draw)
    ]
    added = [[*abnormal, _stated(one.kind, draw)] for one in absent[:2]]  # what the findings deny
    invented = [[*abnormal, _stated(unsaid, draw)]]
    denied = [[*abnormal, replace(one, denied=True)] for one in abnormal[:1]]  # beside the statement itself
    every = [*changed, *added, *invented, *denied]
    return [every[row] for row in draw.permutation(len(every))]


def _changes(one: Statement, unsaid: int, draw: np.random.Generator) -> list[Statement]:
    """Return what is wrong of an abnormality: each of its attributes turned, its denial, another abnormality."""
    about = KINDS[one.kind]
    changes = [replace(one, denied=True), _stated(unsaid, draw)]
    if one.degree >= 0 and len(about.degrees) > 1:
        changes.append(replace(one, degree=_other(one.degree, len(about.degrees), draw)))
    if one.side >= 0:
        changes.append(replace(one, side=_other(one.side, len(SIDES), draw)))
    if one.place >= 0:
        changes.append(replace(one, place=_other(one.place, len(PLACES[about.places]), draw)))
    if one.course >= 0:
        changes.append(replace(one, course=_other(one.course, len(COURSES) if about.changes else 2, draw)))
    return changes


def _other(row: int, count: int, draw: np.random.Generator) -> int:
    return (row + 1 + int(draw.integers(count - 1))) % count


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
