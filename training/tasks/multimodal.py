"""Multimodal on films with findings: a film is the query, the reports of the split are the bank.

Films and reports are not of the same studies: the towers are aligned through findings. So a report is relevant if it
shares a finding, and the same if all its findings are the film's. Beside it: how well each finding is told, by words
and by a linear map. Everything stands beside chance, and features beside ImageNet's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from PIL import Image

from explorer.corpora.base import Corpus
from explorer.corpora.sections import scope_text, without_redactions
from explorer.corpora.split import Split, in_split
from explorer.language.labels import NO_FINDING, labels_of_codes
from explorer.metrics.retrieval import precision_at, reciprocal_ranks
from explorer.metrics.significance import SEED, Interval, bootstrap
from explorer.types import Report
from models.dual import FilmEncoder, ImageSide
from models.interfaces import SECTION_PROMPTS, Dual
from models.precision import place
from models.registry import dual_names, load_dual
from training.clip import labels_in_reach, shares_a_finding
from training.datasets import SHARED_LABELS, SOURCES, Film, FilmSplit, films, images_folder, label_matrix, pixels_of
from training.embeddings import CachedEncoder
from training.film_features import features_of
from training.tasks.film_findings import Told, imagenet, probe, told, zero_shot

FILM_SPLITS: Mapping[Split, FilmSplit] = {"train": "train", "validation": "choosing", "test": "reporting"}
AS_THEY_COME = range(1_285, 4_521)  # NIH patients of the sampling that has normal films; all others have a finding
WITHIN = "pairs of films of one view and sampling"  # what a score that knows only where a film came from gets half of
BY_WORDS, SHARED = "AUROC, by words (zero-shot)", "precision@{}, a finding shared"
SHARED_AT_5 = SHARED.format(5)
AGES = ((0, 39), (40, 59), (60, 120))
LEAST = 30  # patients of a group that has figures
Row = dict[str, object]


@dataclass(frozen=True)
class Bank:
    """What is asked and what can answer: the films and the reports of a split."""

    films: tuple[Film, ...]
    pixels: tuple[np.ndarray, ...]
    reports: tuple[Report, ...]
    sharing: np.ndarray  # [films, reports] bool: a finding in common
    same: np.ndarray  # [films, reports] bool: all findings in common, and no other


def multimodal(encoders: Sequence[str], corpus: Corpus, split: Split) -> list[Row]:
    """Film → reports and findings of films for every encoder that reads films, averaged within each patient first."""
    bank = _bank(corpus, split)
    return [_row(encoder, bank, split) for encoder in encoders if _reads_films(encoder)]


def _reads_films(encoder: str) -> bool:
    return encoder in dual_names() or "/" in encoder


def _bank(corpus: Corpus, split: Split) -> Bank:
    reports = [r for r in in_split(corpus.reports, split) if _labels(r) and scope_text(r.sections, "report")]
    shown = [film for film in films(images_folder(), SOURCES, FILM_SPLITS[split]) if labels_in_reach(film.labels)]
    of_films, of_reports = [labels_in_reach(film.labels) for film in shown], [_labels(one) for one in reports]
    sharing = shares_a_finding(of_films, of_reports)
    return Bank(tuple(shown), _read(shown), tuple(reports), sharing, has_the_same_findings(of_films, of_reports))


def _row(encoder: str, bank: Bank, split: Split) -> Row:
    dual = load_dual(encoder)
    order = np.argsort(-_scores(dual, bank), axis=1, kind="stable")
    sharing, same = (np.take_along_axis(flags, order, axis=1) for flags in (bank.sharing, bank.same))
    found = precision_at(sharing, 5)
    constant = np.argsort(-bank.sharing.mean(axis=0), kind="stable")  # floor: the same reports for every film
    values = {
        "precision@5": found,
        "chance": bank.sharing.mean(axis=1),
        "floor": precision_at(bank.sharing[:, constant], 5),
    }
    info = dual.image.info
    figures = {name: _by_patient(bank.films, values, part) for name, part in _parts(bank.films).items() if part.any()}
    return {
        "task": "multimodal",
        "encoder": info.name if encoder in dual_names() else encoder.rpartition("/")[2],
        "revision": info.revision,
        "precision": info.precision,
        "split": split,
        "reports": len(bank.reports),
        "figures": figures,
        "measures": [*_retrieval(bank, sharing, same, constant), *_findings(dual, bank)],
        "groups": _groups(bank, values, zero_shot(dual, bank.pixels)),
    }


def _scores(dual: Dual, bank: Bank) -> np.ndarray:
    texts = [without_redactions(scope_text(report.sections, "report")) for report in bank.reports]
    scores: np.ndarray = (
        dual.image.encode(bank.pixels) @ CachedEncoder(dual.text).encode(texts, SECTION_PROMPTS["report"]).T
    )
    return scores


def _retrieval(bank: Bank, sharing: np.ndarray, same: np.ndarray, constant: np.ndarray) -> list[Row]:
    """Precision of shared findings at 5 and 10, and how early the first report with the very same findings comes."""
    rows = [
        _measure(
            SHARED.format(k),
            bank.films,
            precision_at(sharing, k),
            bank.sharing.mean(axis=1),
            precision_at(bank.sharing[:, constant], k),
        )
        for k in (5, 10)
    ]
    there = np.asarray(bank.same.any(axis=1))
    shuffled = np.random.default_rng(SEED).permuted(bank.same, axis=1)
    kept = [film for film, one in zip(bank.films, there, strict=True) if one]
    popular = np.argsort(-bank.same.mean(axis=0), kind="stable")
    ranks = [reciprocal_ranks(flags[there]) for flags in (same, shuffled, bank.same[:, popular])]
    return [*rows, _measure("reciprocal rank, the same findings", kept, *ranks)]


def _measure(name: str, shown: Sequence[Film], values: np.ndarray, chance: np.ndarray, floor: np.ndarray) -> Row:
    of_patients = [_patient_means(shown, one) for one in (values, chance, floor)]
    figure = bootstrap(of_patients[0])
    beside = {"chance": round(float(of_patients[1].mean()), 4), "floor": round(float(of_patients[2].mean()), 4)}
    return {"measure": name, "part": "all", "films": len(shown), **_interval(figure), **beside, "labels": None}


def _findings(dual: Dual, bank: Bank) -> list[Row]:
    """AUROC of findings, all films together and within one view and sampling."""
    scores = {BY_WORDS: zero_shot(dual, bank.pixels)}
    if isinstance(dual.image, FilmEncoder) and isinstance(dual.image.side, ImageSide):
        tower, placement = dual.image.side.tower, place()
        shown = {part: _labelled(part) for part in ("train", "choosing")} | {"reporting": bank.films}
        pixels = {part: pixels_of(found, tower.config.size) for part, found in shown.items()}
        for name, seen in (("", tower), (" of ImageNet's features", imagenet(tower.config, placement))):
            rows = {part: features_of(seen, found, pixels[part], placement) for part, found in shown.items()}
            scores[f"AUROC, linear probe{name}"] = probe(rows, shown)
    measured: list[Row] = []
    for name, found in scores.items():
        for part, kept in _strata(bank.films).items():
            figure = told(found[kept], [film for film, one in zip(bank.films, kept, strict=True) if one])
            measured += [_auroc(name, part, int(kept.sum()), figure)] if figure else []
        among = told(found, bank.films, _origins(bank.films))
        measured += [_auroc(name, WITHIN, len(bank.films), among)] if among else []
    return measured


def _groups(bank: Bank, values: Mapping[str, np.ndarray], scores: np.ndarray) -> list[Row]:
    """Precision and findings by words of those groups of patients that are large enough to say something about."""
    measured: list[Row] = []
    for name, kept in _people(bank.films).items():
        shown = [film for film, one in zip(bank.films, kept, strict=True) if one]
        if len({film.patient for film in shown}) >= LEAST:
            parts = [values[one][kept] for one in ("precision@5", "chance", "floor")]
            figure = told(scores[kept], shown)
            measured += [_measure(SHARED_AT_5, shown, *parts) | {"part": name}]
            measured += [_auroc(BY_WORDS, name, len(shown), figure)] if figure else []
    return measured


def _people(shown: Sequence[Film]) -> dict[str, np.ndarray]:
    """Films by view, age and sex, as far as they are known."""
    known: dict[str, Callable[[Film], bool]] = {
        **{f"{view} film": partial(_is, "view", view) for view in ("PA", "AP")},
        **{f"age {low}–{high}": partial(_aged, low, high) for low, high in AGES},
        **{words: partial(_is, "sex", sex) for sex, words in (("F", "women"), ("M", "men"))},
    }
    return {name: np.array([belongs(film) for film in shown], dtype=bool) for name, belongs in known.items()}


def _is(field: str, value: str, film: Film) -> bool:
    return bool(getattr(film, field) == value)


def _aged(low: int, high: int, film: Film) -> bool:
    return film.age is not None and low <= film.age <= high


def _auroc(name: str, part: str, films_: int, found: Told) -> Row:
    each = {label: round(value, 4) for label, value in zip(found.labels, found.each, strict=True)}
    beside = {"chance": 0.5, "floor": None, "labels": each}
    return {"measure": name, "part": part, "films": films_, **_interval(found.figure), **beside}


def _interval(figure: Interval) -> Row:
    values = {"value": figure.mean, "low": figure.low, "high": figure.high}
    return {**{key: round(value, 4) for key, value in values.items()}, "patients": figure.n}


def _labelled(part: FilmSplit) -> tuple[Film, ...]:
    return tuple(film for film in films(images_folder(), SOURCES, part) if labels_in_reach(film.labels))


def _read(shown: Sequence[Film]) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(Image.open(film.file).convert("L")) for film in shown)


def _strata(shown: Sequence[Film]) -> dict[str, np.ndarray]:
    """All films, and those of one view and one of the two samplings that the set joins."""
    view = np.array([film.view for film in shown])
    mixed = np.array([_number(film.patient) in AS_THEY_COME for film in shown])
    parts = {"all": np.ones(len(shown), dtype=bool)}
    for name in ("PA", "AP"):
        parts[f"{name}, sampling with normal films"] = (view == name) & mixed
        parts[f"{name}, sampling of findings only"] = (view == name) & ~mixed
    return parts


def _origins(shown: Sequence[Film]) -> list[str]:
    return [f"{film.view} {_number(film.patient) in AS_THEY_COME}" for film in shown]


def _number(patient: str) -> int:
    digits = patient.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def has_the_same_findings(films_: Sequence[frozenset[str]], reports: Sequence[frozenset[str]]) -> np.ndarray:
    """Return [n, m] bool: whether film and report have the very same labels."""
    one, other = label_matrix(films_, SHARED_LABELS), label_matrix(reports, SHARED_LABELS)
    same: np.ndarray = (one[:, None, :] == other[None, :, :]).all(axis=2)
    return same


def _labels(report: Report) -> frozenset[str]:
    return labels_in_reach(labels_of_codes(report.meta.codes))


def _parts(shown: Sequence[Film]) -> dict[str, np.ndarray]:
    normal = np.array([film.labels == {NO_FINDING} for film in shown])
    return {"all": np.ones_like(normal), "with a finding": ~normal, "normal": normal}


def _by_patient(shown: Sequence[Film], values: Mapping[str, np.ndarray], part: np.ndarray) -> Row:
    kept = [film for film, one in zip(shown, part, strict=True) if one]
    means = {key: _patient_means(kept, value[part]) for key, value in values.items()}
    return {
        "films": len(kept),
        "patients": len(means["chance"]),
        "precision@5": {key: round(value, 4) for key, value in asdict(bootstrap(means["precision@5"])).items()},
        "chance": round(float(means["chance"].mean()), 4),
        "floor": round(float(means["floor"].mean()), 4),
    }


def _patient_means(shown: Sequence[Film], values: np.ndarray) -> np.ndarray:
    patients = np.array([film.patient for film in shown])
    return np.array([values[patients == name].mean() for name in np.unique(patients)])
