"""Result files with made-up figures, in the form `training.evaluate` writes them."""

from __future__ import annotations

import json
from pathlib import Path

ENCODERS = {"pocket": 0.29, "base": 0.02, "minilm": 0.06, "bert4cxr": 0.11, "bm25": 0.285}  # skill of each
INTERVAL, CHANCE, FLOOR, QUERIES = 0.033, 0.003, 0.094, {"all": 672, "unseen": 248, "seen": 424}
ERRORS = ("change severity", "change location", "false prediction", "false negation", "add medical device")
RECALL = ("recall@1", "recall@5", "recall@10")
EFFICACY = ("EntRel-F1", "RuleLabel-F1", "EmbSim", "EntSim", "GREEN-form score")
WHOLE = ("all", "unseen", "seen")
TASKS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {  # title, parts, measures
    "1 omitted": ("Prior-omitted → original", ("all",), RECALL),
    "1 split": ("Split → original", ("all",), RECALL),
    "2": ("Findings → impression", WHOLE, RECALL),
    "3": ("True against false impression", (*WHOLE, *ERRORS), ("accuracy (strict)", "mean rank", "pairwise accuracy")),
    "4 retrieval": ("Short → long form", ("all", "telegraphic", "light"), ("recall@1", "recall@3", "recall@5")),
    "4 stability": ("Same hits for both", ("all",), ("stability@10",)),
    "5": ("Nearest findings", ("all",), EFFICACY),
}


def write(folder: Path) -> Path:
    """Write made-up text.json and multimodal.json into a folder, and return the folder."""
    (folder / "text.json").write_text(json.dumps(text()), encoding="utf-8")
    (folder / "multimodal.json").write_text(json.dumps(films()), encoding="utf-8")
    return folder


def text() -> dict[str, object]:
    return {
        "corpus": "made-up",
        "corpus_sha256": "0123456789abcdef" * 4,
        "split": "test",
        "measured": "2026-11-22",
        "encoders": [encoder(name) for name in ENCODERS],
        "tasks": [task(name) for name in TASKS],
        "rows": [
            row(name, part, measure, encoder)
            for name, (_, parts, measures) in TASKS.items()
            for part in parts
            for measure in measures
            if (part in ERRORS) == (measure == "pairwise accuracy")
            for encoder in ENCODERS
        ],
        "comparisons": [
            comparison(name, "all", measures[0], other)
            for name, (_, _, measures) in TASKS.items()
            for other in list(ENCODERS)[1:]
        ],
    }


def encoder(name: str) -> dict[str, object]:
    if name == "bm25":
        return {"name": name, **dict.fromkeys(("revision", "precision", "pooling"), ""), "dim": 0} | {
            "instructed": False,
            "note": "words only, no model",
        }
    about = {"name": name, "revision": f"{name[0]}5d22063" + "0" * 56, "precision": "bf16", "pooling": "latent"}
    return {**about, "dim": 576, "instructed": name == "pocket", "note": "made up"}


def task(name: str) -> dict[str, object]:
    about = "The query is one part of a study, the bank holds those of all studies; equal texts are one answer."
    texts = {"query": "findings", "bank": "distinct impressions", "n_distinct": 321}
    return {"task": name, "title": TASKS[name][0], "about": about, **texts}


def row(name: str, part: str, measure: str, encoder: str) -> dict[str, object]:
    value = made_value(measure, encoder)
    where = {"task": name, "part": part, "measure": measure, "encoder": encoder, "instruction": ""}
    bounds = {"value": value, "low": round(value - INTERVAL, 4), "high": round(value + INTERVAL, 4)}
    floor = None if name == "4 stability" else FLOOR
    return {**where, **bounds, "n": QUERIES.get(part, 134), "chance": CHANCE, "floor": floor, "shuffled": None}


def made_value(measure: str, encoder: str) -> float:
    skill = ENCODERS[encoder]
    rank = measure.partition("@")[2]
    if rank:
        return round(min(0.96, 0.035 + skill * (1 + int(rank) / 8)), 4)
    return round(2.5 - skill if measure == "mean rank" else 0.25 + skill, 4)


def comparison(name: str, part: str, measure: str, other: str) -> dict[str, object]:
    difference = round(made_value(measure, "pocket") - made_value(measure, other), 4)
    p = 0.4312 if other == "bm25" else 0.0
    where = {"task": name, "part": part, "measure": measure, "encoder": "pocket", "against": other}
    return {**where, "difference": difference, "p": p, "p_holm": min(1.0, 2 * p), "n": 672}


def films() -> list[dict[str, object]]:
    return [film_towers("pocket", 0.0), film_towers("clip4cxr", -0.01)]


def film_towers(name: str, skill: float) -> dict[str, object]:
    parts = {
        "all": film_part(192, 139, 0.6568 + skill),
        "with a finding": film_part(125, 104, 0.6048 + skill),
        "normal": film_part(67, 37, 0.7756 + skill),
    }
    probe, words = "AUROC, linear probe", "AUROC, by words (zero-shot)"
    measures = [
        film_measure("precision@5, a finding shared", "all", 0.6568 + skill, floor=0.6381, chance=0.2826),
        film_measure("reciprocal rank, the same findings", "all", 0.6273, floor=0.805, chance=0.5923),
        film_measure(words, "all", 0.7658, findings=12),
        film_measure(words, "pairs of films of one view and sampling", 0.5905, findings=12),
        film_measure(probe, "all", 0.7827, findings=12),
        film_measure(f"{probe} of ImageNet's features", "all", 0.7565, findings=12),
    ]
    about = {"task": "multimodal", "encoder": name, "precision": "bf16", "revision": f"{name[0]}4de4fd5" * 8}
    return {**about, "split": "test", "reports": 507, "figures": parts, "measures": measures}


def film_measure(
    name: str, part: str, value: float, *, chance: float = 0.5, floor: float | None = None, findings: int = 0
) -> dict[str, object]:
    bounds = {"value": round(value, 4), "low": round(value - 0.04, 4), "high": round(value + 0.04, 4)}
    labels = {f"finding {number}": value for number in range(findings)} or None
    counts = {"films": 192, "patients": 139, "chance": chance, "floor": floor}
    return {"measure": name, "part": part, **counts, **bounds, "labels": labels}


def film_part(number: int, patients: int, mean: float) -> dict[str, object]:
    mean = round(mean, 4)
    bounds = {"mean": mean, "low": round(mean - 0.06, 4), "high": round(mean + 0.06, 4), "n": patients}
    return {"films": number, "patients": patients, "precision@5": bounds, "chance": 0.2826, "floor": 0.6381}
