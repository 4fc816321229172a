"""Write the model card of each shipped tower: what made it, what it reaches, for whom, and where it falls short.

    python -m training.cards

Figures come from the towers' manifests, assets/results/text.json and, of films, assets/results/multimodal.json; figures
of reports by age and view are measured here, on the test split. A tower whose weights are not in this copy has no card.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.corpora import openi
from explorer.corpora.base import Corpus
from explorer.corpora.sections import has_words, without_redactions
from explorer.corpora.split import in_split
from explorer.metrics.retrieval import answer_ranks
from explorer.metrics.significance import bootstrap
from explorer.types import Report
from models.checkpoint import MANIFEST, open_checkpoint, write_atomically
from models.film_check import FILM_CHECK
from models.interfaces import TextEncoder
from models.registry import ASSETS, TRAINED_DUALS, load_text_encoder
from training.embeddings import CachedEncoder
from training.film_cards import about_films
from training.tasks.retrieval import RetrievalTask, findings_to_impression

RESULTS, FILMS = (ASSETS / "results" / name for name in ("text.json", "multimodal.json"))
TOWERS = ("pocket", "bert4cxr")
LEAST = 30  # studies of a subgroup that has a row
AGES = ((0, 39), (40, 59), (60, 79), (80, 120))
LIMITS = """\
- It retrieves other patients' reports. It is not a diagnostic device and says nothing about a patient.
- It was trained and measured on one collection of one state's hospitals, in English, mostly of adults, a third of
  them coded normal. Other hospitals' reports, other languages and children were not measured.
- The shorthand it learned from was made by rules from reports, and the notes it is measured on were written for this
  project: neither stands for every ward.
- Measured by one run with one seed. The intervals are over studies, not over runs."""


@dataclass(frozen=True)
class Subgroup:
    """Task 2 on some of the test studies."""

    name: str
    n: int
    at1: str
    at10: str


def subgroups(corpus: Corpus, encoder: TextEncoder) -> list[Subgroup]:
    """Return Task 2's recall by age and by view, of groups with enough studies; intervals by bootstrap over studies."""
    task = findings_to_impression(corpus, "test")
    studies = [study for study in in_split(corpus.reports, "test") if _asked(study)]
    ranks = _ranks(task, encoder)
    groups = ((name, np.array([belongs(study) for study in studies])) for name, belongs in _groups())
    return [
        Subgroup(name, int(chosen.sum()), _recall(ranks[chosen], 1), _recall(ranks[chosen], 10))
        for name, chosen in groups
        if chosen.sum() >= LEAST
    ]


def _asked(study: Report) -> bool:
    """Whether Task 2 has this study among its queries."""
    return all(has_words(without_redactions(study.sections.get(name, ""))) for name in ("findings", "impression"))


def _groups() -> Iterable[tuple[str, Callable[[Report], bool]]]:
    for low, high in AGES:
        yield f"age {low}–{high}", partial(_aged, low, high)
    yield "age not known", lambda r: r.meta.age is None
    yield "AP film", lambda r: "AP" in r.meta.views
    yield "PA film", lambda r: "PA" in r.meta.views
    yield "frontal view not known", lambda r: not {"AP", "PA"} & set(r.meta.views)


def _aged(low: int, high: int, study: Report) -> bool:
    return study.meta.age is not None and low <= study.meta.age <= high


def _ranks(task: RetrievalTask, encoder: TextEncoder) -> NDArray[np.int64]:
    queries = encoder.encode(task.queries, task.instruction if encoder.info.instructed else "")
    return answer_ranks(queries @ encoder.encode(task.bank).T, task.answers)


def _recall(ranks: NDArray[np.int64], k: int) -> str:
    found = bootstrap((ranks <= k).astype(np.float64))
    return f"{found.mean:.3f} ({found.low:.3f}–{found.high:.3f})"


def card(name: str, manifest: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], groups: Sequence[Subgroup]) -> str:
    """Return a model card in Markdown."""
    parts = [
        f"# {name}\n\n{_made_of(manifest)}",
        f"- Base: {manifest['base']}\n- Trained on: {manifest['trained_on']}; no test or validation study took part\n"
        f"- Licence of these weights: {manifest['licence']}",
        "## How it was made\n\n" + "\n".join(_stage(stage) for stage in manifest["stages"]),
        "## What it reaches\n\n" + _table(name, rows),
        "## By age and view\n\nFindings → impression on the test split, groups of at least "
        f"{LEAST} studies; recall with 95 % interval. Sex is not recorded in this collection.\n\n" + _by_group(groups),
        f"## Limits\n\n{LIMITS}",
    ]
    return "\n\n".join(parts) + "\n"


def card_of_space(name: str, manifest: Mapping[str, Any], films: str) -> str:
    """Return the model card of a shared space on the towers of others, with what `about_films` says of it."""
    reports, images = manifest["report_tower"], manifest["image_tower"]
    return (
        f"# {name}\n\nThe report tower of `{reports}` and the image tower of `{images}`, see their cards, in a space "
        f"of their own: two projections. {_sentence(manifest['note'].partition(';')[0])}\n\n"
        f"- Licence of these weights: {manifest['licence']}\n\n{films}\n"
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _made_of(manifest: Mapping[str, Any]) -> str:
    tower = manifest["tower"]
    depths = f", states after layers {', '.join(map(str, tower['depths']))}" if tower.get("depths") else ""
    whitened = ", whitened" if tower["whitening"] else ""
    return (
        f"The first {tower['layers']} layers of {manifest['base']} with low-rank adapters, {tower['attention']} "
        f"attention{depths}, pooled by {tower['pooling'].replace('_', ' ')}{whitened}."
    )


def _stage(stage: Mapping[str, Any]) -> str:
    figures = ", ".join(f"{key} {value:.3f}" for key, value in stage["validation"].items())
    return f"- **{stage['run']}**: {_how(stage)}, code {stage['code'][:8]}; validation {figures}"


def _how(stage: Mapping[str, Any]) -> str:
    recipe = stage["recipe"]
    if "shares" in recipe:
        return f"the map between those of two stages, {recipe['shares'][stage['step']]:g} of the way to the later one"
    steps, seed = recipe["loop"]["steps"], recipe["loop"]["seed"]
    return f"batch {recipe['batch']}, step {stage['step']} of {steps}, seed {seed}"


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| task | part | measure | n | value | 95 % interval | chance | floor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["encoder"] == name and row["part"] in ("all", "unseen"):
            cells = (row["task"], row["part"], row["measure"], row["n"], f"{row['value']:.3f}")
            interval = f"{row['low']:.3f}–{row['high']:.3f}"
            lines.append(
                f"| {' | '.join(map(str, cells))} | {interval} | {_or_dash(row['chance'])} | {_or_dash(row['floor'])} |"
            )
    return "\n".join(lines)


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _by_group(groups: Sequence[Subgroup]) -> str:
    lines = ["| studies | n | R@1 | R@10 |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {one.name} | {one.n} | {one.at1} | {one.at10} |" for one in groups])


def main() -> None:
    """Write the cards beside the weights."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    corpus = openi.read()
    for name in filter(_is_here, TOWERS):
        manifest = open_checkpoint(ASSETS / name / "text").manifest
        text = card(name, manifest, rows, subgroups(corpus, CachedEncoder(load_text_encoder(name))))
        films = _films(name)
        _keep(name, f"{text}\n{films}\n" if films else text)
    for name in sorted(set(TRAINED_DUALS) - set(TOWERS)):
        if films := _films(name):
            _keep(name, card_of_space(name, open_checkpoint(ASSETS / name / "dual").manifest, films))


def _films(name: str) -> str:
    """Return what a card says of films; "" where there is no shared space, or nobody measured it."""
    space = ASSETS / name / "dual"
    measured = {row["encoder"]: row for row in json.loads(FILMS.read_text(encoding="utf-8"))}
    if name not in measured or not (space / MANIFEST).is_file():
        return ""
    dual = open_checkpoint(space).manifest
    check = ASSETS / dual.get("image_tower", name) / FILM_CHECK
    known = open_checkpoint(check).manifest if (check / MANIFEST).is_file() else None
    return about_films(dual, measured[name], known)


def _keep(name: str, text: str) -> None:
    write_atomically(ASSETS / name / "MODEL_CARD.md", partial(_write, text))


def _is_here(name: str) -> bool:
    return (ASSETS / name / "text" / MANIFEST).is_file()


def _write(text: str, target: Path) -> None:
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
