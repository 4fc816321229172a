"""The part of a model card about films: what made the shared space, what it reaches, and where it falls short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.film_check import SOURCES
from training.tasks.multimodal import BY_WORDS, WITHIN

Record = Mapping[str, Any]
SAME = "reciprocal rank, the same findings"
LIMITS = """\
- Its films carry labels mined from text by others, and no report of their own: a film
  leads to reports that share its findings, not to its own report.
- The set joins a sampling with normal films and one of findings only, by patient and by view. {within}
- {same}
- It learned from frontal films of one hospital, of adults and a few children; what it makes of other pictures is not
  worth reading. {check}
- It was measured once, with one seed, on few patients: the intervals are wide, and they are not over runs."""


def about_films(dual: Record, measured: Record, check: Record | None) -> str:
    """Return the sections on films.

    Args:
        dual: manifest of the shared space.
        measured: its row of the multimodal result file.
        check: manifest of the film check that belongs to its image tower, if there is one.
    """
    return "\n\n".join(
        (
            "## With films\n\n" + _made(dual),
            "## What it reaches with films\n\nPatients no training has seen; averaged within a patient, an AUROC over "
            "the findings with at least 15 positive films; 95 % interval over patients. Floor: the same answer for "
            "every film.\n\n" + _table(measured["measures"]),
            "## With films by view, age and sex\n\nGroups of at least 30 patients. Two AUROCs "
            "of different findings are no comparison: each is over those with 15 positive films in its group.\n\n"
            + _table(measured["groups"]),
            "## Limits with films\n\n" + _limits(measured["measures"], check),
        )
    )


def _made(dual: Record) -> str:
    vision, recipe = dual["dual"]["vision"], dual["recipe"]
    stages = [
        f"- **{one['run']}**: {one['recipe']['vision']['size']} pixels, batch {one['recipe']['batch']}, step "
        f"{one['step']} of {one['recipe']['loop']['steps']}, seed {one['recipe']['loop']['seed']}, code "
        f"{one['code'][:8]}; choosing patients: {_figures(one['validation'], 1)}"
        for one in dual["stages"]
    ]
    space = (
        f"- **the shared space**: batch {recipe['batch']} films and {recipe['reports']} reports, step {dual['step']} "
        f"of {recipe['loop']['steps']}, seed {recipe['loop']['seed']}; choosing patients: "
        f"{_figures(dual['validation'], 5)}"
    )
    return (
        f"The image tower is {vision['architecture']} at {vision['size']} pixels, from {dual['base']}; "
        f"{dual['note'].rpartition('; ')[2]}. Trained on: {dual['trained_on']}.\n\n" + "\n".join([*stages, space])
    )


def _figures(validation: Mapping[str, float], most: int) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in list(validation.items())[:most])


def _table(rows: Sequence[Record]) -> str:
    lines = [
        "| measure | films | patients | n films | value | 95 % interval | floor | chance |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        counted = f", {len(row['labels'])} findings" if row["labels"] else ""
        beside = " | ".join("–" if row[name] is None else f"{row[name]:.3f}" for name in ("floor", "chance"))
        lines.append(
            f"| {row['measure']}{counted} | {row['part']} | {row['patients']} | {row['films']} | {row['value']:.3f} | "
            f"{row['low']:.3f}–{row['high']:.3f} | {beside} |"
        )
    return "\n".join(lines)


def _limits(rows: Sequence[Record], check: Record | None) -> str:
    within, same = _row(rows, BY_WORDS, WITHIN), _row(rows, SAME, "all")
    order = "no earlier" if same["value"] <= same["floor"] else "earlier"
    return LIMITS.format(
        within="Among films of one view and sampling alone, findings are told by words with an AUROC of "
        f"{within['value']:.3f} ({within['low']:.3f}–{within['high']:.3f}): more than that is owed to "
        "where a film came from.",
        same=f"A report with the very same findings comes {order} ({same['value']:.3f}) than if the commonest sets of "
        f"findings were always given first ({same['floor']:.3f}).",
        check="" if check is None else _checked(check["rates"]),
    )


def _checked(rates: Mapping[str, Mapping[str, int]]) -> str:
    frontal = [rates[f"frontal chest films, {source}"] for source in SOURCES]
    lateral = [rate for kind, rate in rates.items() if kind.startswith("lateral")]
    (sides, told), (n, cautioned) = (_sums(kind) for kind in (lateral, frontal))
    return (
        f"It is warned of {told} of {sides} laterals, and of {cautioned} of {n} frontal films "
        "of other patients, wrongly."
    )


def _sums(rates: Sequence[Mapping[str, int]]) -> tuple[int, int]:
    """Return how many pictures there are, and of how many is warned."""
    return sum(rate["n"] for rate in rates), sum(rate["cautioned"] for rate in rates)


def _row(rows: Sequence[Record], measure: str, part: str) -> Record:
    return next(row for row in rows if (row["measure"], row["part"]) == (measure, part))
