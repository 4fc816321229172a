"""Measure encoders on studies and films that no training has seen.

    python -m training.evaluate --encoders pocket,base,minilm,bm25 --tasks 2,multimodal --json assets/results/first.json

Task 2 (paper section 5): a study's findings are the query, all distinct impressions of the split are the bank, the
study's own impression is the answer; identical impressions are one answer. Multimodal: a film is the query, the reports
of the split are the bank, a report is relevant if it shares a finding with the film.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from explorer.corpora import openi
from explorer.corpora.base import Corpus
from explorer.corpora.sections import collapse, scope_text, without_redactions
from explorer.corpora.split import Split, in_split
from explorer.language.labels import NO_FINDING, labels_of_codes
from explorer.metrics.retrieval import answer_ranks, floor_at, precision_at
from explorer.metrics.significance import bootstrap
from explorer.store import ReportStore
from explorer.types import Report
from models.checkpoint import write_atomically
from models.interfaces import SECTION_PROMPTS, SUMMARY_INSTRUCTION, CxrError
from models.registry import dual_names, load_dual, load_text_encoder
from training.clip import SOURCES, labels_in_reach, shares_a_finding
from training.datasets import Film, FilmSplit, films, images_folder

RANKS = (1, 5, 10)
WORDS = "bm25"
TASKS = ("2", "multimodal")
FILM_SPLITS: Mapping[Split, FilmSplit] = {"train": "train", "validation": "choosing", "test": "reporting"}
Row = dict[str, object]


def task2(encoders: Sequence[str], corpus: Corpus, split: Split) -> list[Row]:
    """Findings → impression: one row per encoder, over all answers and over those unseen and seen in training."""
    studies = [r for r in in_split(corpus.reports, split) if {"findings", "impression"} <= r.sections.keys()]
    impressions = [collapse(report.sections["impression"]) for report in studies]
    distinct = sorted(set(impressions))
    answers = np.array([distinct.index(text) for text in impressions])
    trained = {collapse(r.sections.get("impression", "")) for r in in_split(corpus.reports, "train")}
    seen = np.array([text in trained for text in impressions])
    findings = [report.sections["findings"] for report in studies]
    rows: list[Row] = []
    for encoder in encoders:
        about, scores = _scores(encoder, findings, distinct, studies)
        ranks = answer_ranks(scores, answers)
        parts = {"all": np.ones_like(seen), "unseen": ~seen, "seen": seen}
        figures = {
            name: _recalls(ranks[part], answers[part], len(distinct)) for name, part in parts.items() if part.any()
        }
        rows.append({"task": "2", "split": split, "n_distinct": len(distinct), **about, "figures": figures})
    return rows


def _recalls(ranks: np.ndarray, answers: np.ndarray, n_distinct: int) -> Row:
    at = {str(k): _rounded(ranks <= k) for k in RANKS}
    floor = {str(k): round(float(floor_at(answers, k).mean()), 4) for k in RANKS}
    chance = {str(k): round(min(1.0, k / n_distinct), 4) for k in RANKS}
    return {"n": len(ranks), "recall": at, "floor": floor, "chance": chance}


def _scores(encoder: str, queries: list[str], bank: list[str], studies: Sequence[Report]) -> tuple[Row, np.ndarray]:
    if encoder == WORDS:
        return {"encoder": WORDS, "revision": "", "precision": "", "instruction": ""}, _word_scores(
            queries, bank, studies
        )
    tower = load_text_encoder(encoder)
    instruction = SUMMARY_INSTRUCTION if tower.info.instructed else ""
    asked = tower.encode([without_redactions(text) for text in queries], instruction)
    documents = tower.encode([without_redactions(text) for text in bank])
    about: Row = {
        "encoder": tower.info.name,
        "revision": tower.info.revision,
        "precision": tower.info.precision,
        "instruction": instruction,
    }
    return about, asked @ documents.T


def _word_scores(queries: list[str], bank: list[str], studies: Sequence[Report]) -> np.ndarray:
    """BM25 of every query against every impression; an impression without a shared word scores below all others."""
    column = {text: number for number, text in enumerate(bank)}
    of_study = {report.id: column[collapse(report.sections["impression"])] for report in studies}
    scores = np.full((len(queries), len(bank)), -np.inf)
    with tempfile.TemporaryDirectory() as folder:
        store = ReportStore.build(Path(folder) / "store", Corpus("openi", "", "", "", "", tuple(studies)))
        for row, text in enumerate(queries):
            for near in store.bm25(text, "impression", len(bank), None):
                for study in (near.id, *near.identical):
                    scores[row, of_study[study]] = near.score
    return scores


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


def main() -> None:
    """Measure what the command line names; print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--encoders", default="pocket,base,minilm,bm25", help="names, comma between")
    parser.add_argument("--tasks", default="2", help=f"any of {','.join(TASKS)}")
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parsed = parser.parse_args()
    try:
        rows = measure(parsed.encoders.split(","), parsed.tasks.split(","), parsed.split)
    except CxrError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    text = json.dumps(rows, indent=1, sort_keys=True) + "\n"
    print(text)
    if parsed.json:
        write_atomically(parsed.json, lambda target: target.write_text(text, encoding="utf-8"))


def measure(encoders: Sequence[str], tasks: Sequence[str], split: Split) -> list[Row]:
    """Return the rows of the tasks. Raises CxrError for an unknown task or encoder."""
    if unknown := [task for task in tasks if task not in TASKS]:
        raise CxrError(f"There is no task {unknown[0]!r}. Known: {', '.join(TASKS)}.")
    corpus = openi.read()
    measured = {"2": task2, "multimodal": multimodal}
    return [row for task in tasks for row in measured[task](encoders, corpus, split)]


if __name__ == "__main__":
    main()
