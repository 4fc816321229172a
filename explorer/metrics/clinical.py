"""Clinical agreement of two reports from rules, needing no weights. Own names on purpose: none is the original.

    RuleLabel-F1       in the form of CheXbert macro-F1: present and uncertain count as positive; of the 14 labels
                       those that occur on neither side are left out of the mean, where the original counts 0
    EntRel-F1          in the form of RadGraph F1: mean of entity F1 and relation F1
    EntSim             in the form of RaTEScore: nearest entity by cosine, less where the status flips
    EmbSim             in the form of SembScore: cosine of whole reports
    GREEN-form score   in the form of GREEN: matched / (matched + errors), 0 without a match
Definitions of the originals: RadEval (https://arxiv.org/abs/2509.18030), RaTEScore (https://arxiv.org/abs/2406.16845),
GREEN (https://arxiv.org/abs/2405.03595). A pair is always (reference, candidate).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer.language.findings import observations
from explorer.language.labels import CHEXPERT, NO_FINDING
from explorer.language.temporal import keywords_in
from explorer.types import Finding, Status
from models.interfaces import TextEncoder, Vectors

TOP_FIVE = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
FLIPPED = 0.36  # RaTEScore's weight of a match whose status flips, short form
_CERTAINTY: tuple[Status, ...] = ("present", "uncertain", "absent")

Findings = Sequence[Finding]
Entity = tuple[str, Literal["ANAT", "OBS"], Status]
Relation = tuple[Entity, Literal["located_at", "modify"], Entity]


@dataclass(frozen=True)
class LabelF1:
    """F1 of each label over a set of pairs, and two means, 0–1. A label positive on neither side has no F1."""

    macro: float  # over the labels of the 14 that occur
    top_five: float  # over those of the five that occur
    per_label: Mapping[str, float]


@dataclass(frozen=True)
class Errors:
    """What a candidate gets wrong, in GREEN's six categories."""

    false: int = 0
    missing: int = 0
    location: int = 0
    severity: int = 0
    comparison_added: int = 0
    comparison_omitted: int = 0

    @property
    def total(self) -> int:
        """Return the number of errors of all categories."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Mention:
    """All a report says of one finding, as one."""

    status: Status
    sides: frozenset[str]
    locations: frozenset[str]
    severities: frozenset[str]


def rule_label_f1(pairs: Iterable[tuple[Findings, Findings]]) -> LabelF1:
    """Return RuleLabel-F1 of a set of pairs; 1 where no label is positive on either side of any pair."""
    sides = [(_positive(reference), _positive(candidate)) for reference, candidate in pairs]
    scores = {
        name: _f1([pair for pair in sides if name in pair[0] | pair[1]], name)
        for name in CHEXPERT
        if any(name in reference | candidate for reference, candidate in sides)
    }
    five = [score for name, score in scores.items() if name in TOP_FIVE]
    return LabelF1(_mean(list(scores.values())), _mean(five), scores)


def rule_label_counts(reference: Findings, candidate: Findings) -> NDArray[np.float64]:
    """Return [28] of a pair, label by label: 1 if positive on both sides; then on how many of the two it is positive.

    `macro_f1` of their mean over pairs is `rule_label_f1(pairs).macro`: so it can be resampled pair by pair.
    """
    sides = [_positive(side) for side in (reference, candidate)]
    one, other = (np.array([name in side for name in CHEXPERT], dtype=np.float64) for side in sides)
    return np.concatenate([one * other, one + other])


def macro_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return macro-F1 from means of `rule_label_counts`, [..., 28] → [...]; 1 where no label occurs."""
    both, either = np.split(counts, 2, axis=-1)
    occurs = either > 0
    scores = np.where(occurs, 2 * both / np.where(occurs, either, 1), 0).sum(axis=-1)
    macro: NDArray[np.float64] = np.where(occurs.any(axis=-1), scores / np.maximum(occurs.sum(axis=-1), 1), 1.0)
    return macro


def entrel_f1(reference: Findings, candidate: Findings) -> float:
    """Return EntRel-F1 of a pair, 0–1: mean of entity F1 and relation F1, entity F1 alone if neither has relations.

    Entities are findings with their status, and places; relations are "located_at", and "modify" for side and
    severity. Two reports without entities agree: 1.
    """
    entities = set_f1(entities_of(reference), entities_of(candidate))
    relations = (relations_of(reference), relations_of(candidate))
    return (entities + set_f1(*relations)) / 2 if any(relations) else entities


def entsim(reference: Findings, candidate: Findings, encoder: TextEncoder) -> float:
    """Return EntSim of a pair, 0–1: harmonic mean of how well each report's entities are met in the other.

    An entity is a finding in words with side, place and severity; its score is the cosine to the nearest of the
    other report, times `FLIPPED` where one is denied and the other is not. Both without entities: 1; one: 0.
    """
    if not reference or not candidate:
        return float(not reference and not candidate)
    rows, columns = _encoded(reference, encoder), _encoded(candidate, encoder)
    cosine = np.clip(rows @ columns.T, 0, 1)
    recall = np.mean([_nearest(row, one, candidate) for row, one in zip(cosine, reference, strict=True)])
    precision = np.mean([_nearest(row, one, reference) for row, one in zip(cosine.T, candidate, strict=True)])
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def embsim(
    references: Sequence[str], candidates: Sequence[str], encoder: TextEncoder, under_test: str
) -> NDArray[np.float64] | None:
    """Return EmbSim, the cosine of each pair of whole texts, [n], -1 to 1; None where the encoder would judge itself.

    `under_test` is the revision of the encoder whose results are measured.
    """
    if encoder.info.revision == under_test:
        return None
    rows, columns = _unit(encoder.encode(references)), _unit(encoder.encode(candidates))
    cosines: NDArray[np.float64] = np.sum(rows * columns, axis=1, dtype=np.float64)
    return cosines


def green_form(matched: int, errors: Errors) -> float:
    """Return matched / (matched + errors), 0–1; 0 without a match."""
    return matched / (matched + errors.total) if matched else 0.0


def green_form_score(reference: Findings, candidate: Findings, reference_text: str, candidate_text: str) -> float:
    """Return the GREEN-form score of a pair, 0–1."""
    matched, errors = compare(reference, candidate, reference_text, candidate_text)
    return green_form(matched, errors)


def compare(reference: Findings, candidate: Findings, reference_text: str, candidate_text: str) -> tuple[int, Errors]:
    """Return the number of matched findings and the errors of a candidate.

    A finding matches if both affirm it (surely or not) or both deny it, and side, place and severity, where both
    give one, agree; misplaced or misgraded it is an error and no match. A comparison is a word of the temporal list.
    """
    wanted, read = mentions(reference), mentions(candidate)
    shared = [name for name in wanted.keys() & read.keys() if _affirmed(wanted[name]) == _affirmed(read[name])]
    misplaced = [name for name in shared if _affirmed(read[name]) and _elsewhere(wanted[name], read[name])]
    misgraded = [name for name in shared if name not in misplaced and _misgraded(wanted[name], read[name])]
    compared = bool(keywords_in(reference_text)), bool(keywords_in(candidate_text))
    errors = Errors(
        false=sum(_affirmed(read[name]) and name not in shared and name != NO_FINDING for name in read),
        missing=sum(_affirmed(wanted[name]) and name not in shared and name != NO_FINDING for name in wanted),
        location=len(misplaced),
        severity=len(misgraded),
        comparison_added=compared == (False, True),
        comparison_omitted=compared == (True, False),
    )
    return len(shared) - len(misplaced) - len(misgraded), errors


def mentions(findings: Findings) -> Mapping[str, Mention]:
    """Return what a report says of each finding; its surest status, and the side, place and severity given with it."""
    found: dict[str, Mention] = {}
    for name in dict.fromkeys(finding.name for finding in findings):
        status = min((one.status for one in findings if one.name == name), key=_CERTAINTY.index)
        said = [one for one in findings if one.name == name and one.status == status]
        found[name] = Mention(
            status,
            frozenset(one.laterality for one in said if one.laterality),
            frozenset(place for one in said for place in one.location.split(", ") if place),
            frozenset(one.severity for one in said if one.severity),
        )
    return found


def entities_of(findings: Findings) -> AbstractSet[Entity]:
    """Return a report's entities: observations with their status, and the words that place or grade them."""
    entities: set[Entity] = set()
    for finding in findings:
        entities.add((finding.name, "OBS", finding.status))
        entities.update(_modifiers(finding))
        entities.update(_places(finding))
    return entities


def relations_of(findings: Findings) -> AbstractSet[Relation]:
    """Return a report's relations, each between two whole entities, so that a flipped status breaks it."""
    relations: set[Relation] = set()
    for finding in findings:
        observation: Entity = (finding.name, "OBS", finding.status)
        relations.update((observation, "located_at", place) for place in _places(finding))
        relations.update((modifier, "modify", observation) for modifier in _modifiers(finding))
    return relations


def set_f1(reference: AbstractSet[object], candidate: AbstractSet[object]) -> float:
    """Return 2 |both| / (|reference| + |candidate|); two empty sets agree: 1."""
    size = len(reference) + len(candidate)
    return 2 * len(reference & candidate) / size if size else 1.0


def _places(finding: Finding) -> list[Entity]:
    return [(place, "ANAT", "present") for place in finding.location.split(", ") if place]


def _modifiers(finding: Finding) -> list[Entity]:
    entities: list[Entity] = [(finding.laterality, "ANAT", "present"), (finding.severity, "OBS", "present")]
    return [entity for entity in entities if entity[0]]


def _positive(findings: Findings) -> frozenset[str]:
    return frozenset(name for name, status in observations(findings).items() if status != "absent")


def _f1(sides: Sequence[tuple[frozenset[str], frozenset[str]]], name: str) -> float:
    both = sum(name in reference and name in candidate for reference, candidate in sides)
    return 2 * both / (len(sides) + both)


def _mean(scores: Sequence[float]) -> float:
    return float(np.mean(scores)) if scores else 1.0


def _affirmed(mention: Mention) -> bool:
    return mention.status != "absent"


def _elsewhere(one: Mention, other: Mention) -> bool:
    sides = bool(one.sides and other.sides) and one.sides != other.sides
    places = bool(one.locations and other.locations) and one.locations.isdisjoint(other.locations)
    return sides or places


def _misgraded(one: Mention, other: Mention) -> bool:
    return bool(one.severities and other.severities) and one.severities.isdisjoint(other.severities)


def _encoded(findings: Findings, encoder: TextEncoder) -> Vectors:
    return _unit(encoder.encode([in_words(finding) for finding in findings]))


def in_words(finding: Finding) -> str:
    """Return a finding as EntSim compares it: severity, side, place and name."""
    words = (finding.severity, finding.laterality, finding.location, finding.name.lower())
    return " ".join(word for word in words if word)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def _nearest(cosine: Vectors, finding: Finding, others: Findings) -> float:
    """The cosine to the nearest finding, weighted; of equally near ones, the one of the same status."""
    absent = finding.status == "absent"
    weights = [1.0 if (other.status == "absent") == absent else FLIPPED for other in others]
    best, weight = max(zip(cosine.tolist(), weights, strict=True))
    return float(best) * weight
