"""Multimodal: a film is the query, the reports of the split are the bank; a report is relevant if it shares a finding.

Films and reports are not of the same studies: the towers are aligned through findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from PIL import Image

from explorer.corpora.base import Corpus
from explorer.corpora.sections import scope_text, without_redactions
from explorer.corpora.split import Split, in_split
from explorer.language.labels import NO_FINDING, labels_of_codes
from explorer.metrics.retrieval import precision_at
from explorer.metrics.significance import bootstrap
from explorer.types import Report
from models.interfaces import SECTION_PROMPTS
from models.registry import dual_names, load_dual
from training.clip import labels_in_reach, shares_a_finding
from training.datasets import SOURCES, Film, FilmSplit, films, images_folder

FILM_SPLITS: Mapping[Split, FilmSplit] = {"train": "train", "validation": "choosing", "test": "reporting"}
Row = dict[str, object]


def multimodal(encoders: Sequence[str], corpus: Corpus, split: Split) -> list[Row]:
    """Film → reports: precision@5 of shared findings, averaged within each patient, then over patients."""
    reports = [r for r in in_split(corpus.reports, split) if _labels(r) and scope_text(r.sections, "report")]
    shown = [film for film in films(images_folder(), SOURCES, FILM_SPLITS[split]) if labels_in_reach(film.labels)]
    relevant = shares_a_finding([labels_in_reach(film.labels) for film in shown], [_labels(r) for r in reports])
    constant = np.argsort(-relevant.mean(axis=0), kind="stable")  # floor: the same reports for every film
    rows: list[Row] = []
    for encoder in encoders:
        if encoder not in dual_names():
            continue
        dual = load_dual(encoder)
        texts = [without_redactions(scope_text(report.sections, "report")) for report in reports]
        pixels = [np.asarray(Image.open(film.file).convert("L")) for film in shown]
        scores = dual.image.encode(pixels) @ dual.text.encode(texts, SECTION_PROMPTS["report"]).T
        order = np.argsort(-scores, axis=1, kind="stable")
        found = precision_at(np.take_along_axis(relevant, order, axis=1), 5)
        values = {
            "precision@5": found,
            "chance": relevant.mean(axis=1),
            "floor": precision_at(relevant[:, constant], 5),
        }
        about = {"encoder": encoder, "revision": dual.image.info.revision, "precision": dual.image.info.precision}
        figures = {name: _by_patient(shown, values, part) for name, part in _parts(shown).items() if part.any()}
        rows.append({"task": "multimodal", "split": split, "reports": len(reports), **about, "figures": figures})
    return rows


def _labels(report: Report) -> frozenset[str]:
    return labels_in_reach(labels_of_codes(report.meta.codes))


def _parts(shown: Sequence[Film]) -> dict[str, np.ndarray]:
    normal = np.array([film.labels == {NO_FINDING} for film in shown])
    return {"all": np.ones_like(normal), "with a finding": ~normal, "normal": normal}


def _by_patient(shown: Sequence[Film], values: Mapping[str, np.ndarray], part: np.ndarray) -> Row:
    patients = np.array([film.patient for film in shown])[part]
    names = np.unique(patients)
    means = {key: [float(value[part][patients == name].mean()) for name in names] for key, value in values.items()}
    return {
        "films": int(part.sum()),
        "patients": len(names),
        "precision@5": _rounded(np.array(means["precision@5"])),
        "chance": round(float(np.mean(means["chance"])), 4),
        "floor": round(float(np.mean(means["floor"])), 4),
    }


def _rounded(values: np.ndarray) -> dict[str, float]:
    return {key: round(value, 4) for key, value in asdict(bootstrap(values)).items()}
