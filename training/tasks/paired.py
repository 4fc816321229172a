"""Multimodal on films with their own reports: recall within a split, and reports from the other splits' pool.

Paper section 5. A report with the very same words as the right one is as right. The pool is that of the other splits,
which are by patient: neither the study nor its patient is in it. Two controls stand beside every recall: "identity",
the reports asked by themselves, and "random", films that say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np

from explorer.corpora.split import Split
from explorer.metrics.retrieval import Scores, answer_ranks
from explorer.metrics.significance import SEED, bootstrap
from models.interfaces import SECTION_PROMPTS, CxrError, Dual, TextEncoder
from models.registry import load_dual
from training.embeddings import CachedEncoder
from training.paired_data import Pair, PairedCorpus, read_film, read_pairs, words_of
from training.tasks.nearest import STATISTICS, Meter

KS = (1, 5, 10)
FILMS_AT_ONCE = 64
OTHERS: Mapping[Split, tuple[Split, ...]] = {"test": ("train", "validation"), "validation": ("train",)}
Row = dict[str, object]


def paired(encoders: Sequence[str], corpus: PairedCorpus, split: Split, judge: TextEncoder) -> list[Row]:
    """Measure every encoder on the pairs of a split.

    Args:
        encoders: names, or folders of trained towers.
        corpus: films with reports.
        split: whose pairs are asked.
        judge: embeds for EntSim and EmbSim.

    Raises:
        CxrError: the corpus is not there, or has no pairs in a split that is needed.
    """
    asked = read_pairs(corpus, split)
    pool = tuple(pair for other in OTHERS[split] for pair in read_pairs(corpus, other))
    if shared := {pair.study for pair in asked} & {pair.study for pair in pool}:
        raise CxrError(f"The study {min(shared)} is in two splits. Give each study one.")
    return [_row(encoder, asked, pool, split, judge) for encoder in encoders]


def _row(encoder: str, asked: Sequence[Pair], pool: Sequence[Pair], split: Split, judge: TextEncoder) -> Row:
    dual = load_dual(encoder)
    films, texts = _films(dual, asked), _words(asked)
    reports = CachedEncoder(dual.text).encode(texts, SECTION_PROMPTS["report"])
    info = dual.image.info
    return {
        "task": "multimodal",
        "encoder": info.name,
        "revision": info.revision,
        "precision": info.precision,
        "note": info.note,
        "split": split,
        "reports": len(asked),
        "distinct": len(set(texts)),
        "pool": len(pool),
        "figures": {},
        "measures": [*within(films, reports, texts), *_from_pool(dual, films, texts, _words(pool), judge)],
    }


def within(films: np.ndarray, reports: np.ndarray, texts: Sequence[str]) -> list[Row]:
    """Return recall of pair i by its film or its report, with chance and both controls.

    Args:
        films, reports: [n, d], row i of both is a pair.
        texts: of the reports.
    """
    random = np.random.default_rng(SEED).normal(size=films.shape)
    ways = {
        "film → report": (films @ reports.T, reports @ reports.T, random @ reports.T),
        "report → film": (reports @ films.T, films @ films.T, reports @ random.T),
    }
    rows: list[Row] = []
    for way, scores in ways.items():
        found, identity, nothing = (same_word_ranks(one, texts) for one in scores)
        for k in KS:
            figure = bootstrap(found <= k)
            rows.append(
                {
                    "measure": f"{way}, R@{k}",
                    "part": "all",
                    "films": len(texts),
                    "patients": None,
                    **_rounded({"value": figure.mean, "low": figure.low, "high": figure.high}),
                    **_rounded({"chance": chance(texts, k), "identity": float((identity <= k).mean())}),
                    **_rounded({"random": float((nothing <= k).mean())}),
                    "floor": None,
                    "labels": None,
                }
            )
    return rows


def same_word_ranks(scores: Scores, texts: Sequence[str]) -> np.ndarray:
    """Return [n], the rank from 1 of the best placed pair with the words of pair i, for scores [n, n]."""
    groups = np.unique(np.array(texts), return_inverse=True)[1]
    right = groups[:, None] == groups[None, :]
    return answer_ranks(scores, np.where(right, scores, -np.inf).argmax(axis=1))


def chance(texts: Sequence[str], k: int) -> float:
    """Return recall@k of a random order: the chance that none of g equal texts among n is left out, averaged."""
    n = len(texts)
    counts = {text: texts.count(text) for text in set(texts)}
    return float(np.mean([1 - comb(n - counts[text], k) / comb(n, k) for text in texts]))


def _from_pool(
    dual: Dual, films: np.ndarray, texts: Sequence[str], pool: Sequence[str], judge: TextEncoder
) -> list[Row]:
    """Return how far the first report of the pool says what the film's own report says, beside a random one."""
    bank = list(dict.fromkeys(pool))
    vectors = CachedEncoder(dual.text).encode(bank, SECTION_PROMPTS["report"])
    nearest = (films @ vectors.T).argmax(axis=1)
    drawn = np.random.default_rng(SEED).integers(len(bank), size=len(texts))
    commonest = max(bank, key=pool.count)
    meter = Meter(CachedEncoder(judge), [*texts, *bank])
    answers = {
        "value": [bank[n] for n in nearest],
        "chance": [bank[n] for n in drawn],
        "floor": [commonest] * len(texts),
    }
    found = {name: meter.counted(texts, given, dual.text.info.revision) for name, given in answers.items()}
    rows: list[Row] = []
    for name, values in found["value"].items():
        figure = bootstrap(values, STATISTICS[name])
        beside = {other: float(STATISTICS[name](found[other][name].mean(axis=0))) for other in ("chance", "floor")}
        rows.append(
            {
                "measure": f"first of the pool, {name}",
                "part": "all",
                "films": len(texts),
                "patients": None,
                **_rounded({"value": figure.mean, "low": figure.low, "high": figure.high, **beside}),
                "labels": None,
            }
        )
    return rows


def _films(dual: Dual, pairs: Sequence[Pair]) -> np.ndarray:
    parts = [pairs[start : start + FILMS_AT_ONCE] for start in range(0, len(pairs), FILMS_AT_ONCE)]
    return np.concatenate([dual.image.encode([read_film(pair.film) for pair in part]) for part in parts])


def _words(pairs: Sequence[Pair]) -> list[str]:
    return [words_of(pair.sections, "report") for pair in pairs]


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}
