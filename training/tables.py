"""Write the measured tables into the README, from the result files and nothing else.

python -m training.tables
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.checkpoint import write_atomically

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "assets" / "results" / "first.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def tables(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the Markdown tables of result rows as `training.evaluate` writes them."""
    parts = [_task2([row for row in rows if row["task"] == "2"])]
    parts += [_multimodal(row) for row in rows if row["task"] == "multimodal"]
    return "\n\n".join(parts)


def readme_with(text: str, measured: str) -> str:
    """Return the README with the tables between its two marks replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{measured}\n{END}{after}"


def _task2(rows: Sequence[Mapping[str, Any]]) -> str:
    first = rows[0]["figures"]
    lines = [
        f"Findings → impression, {rows[0]['split']} split: {first['all']['n']} studies, "
        f"{rows[0]['n_distinct']} distinct impressions; the impression of {first['unseen']['n']} studies does not "
        "occur in training. Recall with 95 % bootstrap interval.",
        "",
        "| ranker | R@1 | R@5 | R@10 | unseen R@1 | unseen R@10 | precision | checkpoint |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        everything, unseen = row["figures"]["all"]["recall"], row["figures"]["unseen"]["recall"]
        cells = [*(_interval(everything[k]) for k in ("1", "5", "10")), _interval(unseen["1"]), _interval(unseen["10"])]
        lines.append(_line(row["encoder"], *cells, row["precision"] or "–", row["revision"][:8] or "–"))
    for name, words in (("floor", "floor: the commonest answers"), ("chance", "chance")):
        cells = [f"{first['all'][name][k]:.3f}" for k in ("1", "5", "10")]
        cells += [f"{first['unseen'][name][k]:.3f}" for k in ("1", "10")]
        lines.append(_line(f"*{words}*", *cells, "", ""))
    return "\n".join(lines)


def _multimodal(row: Mapping[str, Any]) -> str:
    lines = [
        f"Film → reports with `{row['encoder']}` (checkpoint {row['revision'][:8]}, {row['precision']}), aligned "
        f"through findings, not through paired reports: share of the first five among {row['reports']} "
        f"{row['split']}-split reports that have a finding in common with the film. NIH ChestX-ray14 films of patients "
        "no training has seen; averaged within a patient, interval over patients.",
        "",
        "| films | patients | n films | precision@5 | floor: the same five for all | chance |",
        "|---|---|---|---|---|---|",
    ]
    for name, part in row["figures"].items():
        found = _interval(part["precision@5"])
        lines.append(
            _line(name, part["patients"], part["films"], found, f"{part['floor']:.3f}", f"{part['chance']:.3f}")
        )
    return "\n".join(lines)


def _interval(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.3f} ({value['low']:.3f}–{value['high']:.3f})"


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    """Rewrite the README's tables."""
    measured = tables(json.loads(RESULTS.read_text(encoding="utf-8")))
    text = readme_with(README.read_text(encoding="utf-8"), measured)
    write_atomically(README, lambda target: target.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
