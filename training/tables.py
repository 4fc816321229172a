"""Result files as text: a listing for the terminal, and the README's tables, from the files and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer.results import SHARED_AT_5, SURE
from models.checkpoint import write_atomically

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "assets" / "results"
README = ROOT / "README.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SHOWN = (  # task, part, measure, in words
    ("1 omitted", "all", "recall@1", "1 · without priors → original, R@1"),
    ("1 split", "all", "recall@1", "1 · split → original, R@1"),
    ("2", "all", "recall@1", "2 · findings → impression, R@1"),
    ("2", "all", "recall@10", "2 · the same, R@10"),
    ("2", "unseen", "recall@1", "2 · impression unseen in training, R@1"),
    ("2", "unseen", "recall@10", "2 · the same, R@10"),
    ("3", "all", "accuracy (strict)", "3 · true among 3 false impressions"),
    ("3", "unseen", "accuracy (strict)", "3 · impression unseen in training"),
    ("4 retrieval", "all", "recall@1", "4 · shorthand → long form, R@1"),
    ("4 retrieval", "all", "recall@5", "4 · the same, R@5"),
    ("4 stability", "all", "agreement@10 short", "4 · reports that agree, asked in shorthand"),
    ("4 stability", "all", "agreement@10 long", "4 · reports that agree, asked in full"),
)
IMAGENET, OF_IMAGENET = "ImageNet’s features", " of ImageNet's features"
Record = Mapping[str, Any]


def listing(results: Record) -> str:
    """Return every figure of a text result, one a line, below what its tasks and encoders are."""
    about = [
        f"Task {one['task']}, {one['title']}. {one['about']} Bank: {one['n_distinct']}." for one in results["tasks"]
    ]
    encoders = [
        ", ".join(filter(None, (one["name"], one["precision"], one["pooling"], one["revision"][:8], one["note"])))
        for one in results["encoders"]
    ]
    rows = [
        f"{row['task']:<12}{row['part']:<27}{row['measure']:<23}{row['encoder']:<10}n {row['n']:<5}{_interval(row):<24}"
        f"chance {_number(row['chance']):<8}floor {_number(row['floor']):<8}shuffled {_number(row['shuffled']):<8}"
        f"{row['instruction'] or 'no instruction'}"
        for row in results["rows"]
    ]
    compared = [
        f"{row['task']:<12}{row['part']:<27}{row['measure']:<23}{row['encoder']} − {row['against']} "
        f"{row['difference']:+.3f}, p {row['p']:.4f}, corrected {row['p_holm']:.4f}"
        for row in results["comparisons"]
    ]
    return "\n".join([f"{results['corpus']}, {results['split']} split", *about, *encoders, "", *rows, "", *compared])


def text_table(results: Record) -> str:
    """Return the Markdown table of the main figures of Tasks 1 to 4."""
    names = [one["name"] for one in results["encoders"]]
    at = {(row["task"], row["part"], row["measure"], row["encoder"]): row for row in results["rows"]}
    alike = _not_told_apart(results["comparisons"], names[0])
    lines = [
        f"Tasks 1 to 4 on the {results['split']} split, measured {results['measured']}, with 95 % bootstrap intervals. "
        f"≈: not told apart from `{names[0]}` (paired, p ≥ {SURE:g} corrected for all comparisons of the task). The "
        "floor ignores the query and gives the commonest answers.",
        "",
        _line("task", "n", *names, "*floor*", "*chance*"),
        "|" + "---|" * (len(names) + 4),
    ]
    for *place, words in SHOWN:
        found = [at.get((*place, name)) for name in names]
        first = next((row for row in found if row), None)
        if first:
            marks = [" ≈" if (*place, name) in alike else "" for name in names]
            cells = [_interval(row) + mark if row else "–" for row, mark in zip(found, marks, strict=True)]
            lines.append(_line(words, first["n"], *cells, _number(first["floor"]), _number(first["chance"])))
    towers = [one for one in results["encoders"] if one["revision"]]
    about = [f"`{one['name']}` {one['precision']}, {one['pooling']}, {one['revision'][:8]}" for one in towers]
    return (
        "\n".join([*lines, "", f"Precision, pooling and checkpoint: {'; '.join(about)}."])
        if about
        else "\n".join(lines)
    )


def paper_table(paper: Record) -> str:
    """Return the Markdown table of the paper's figures, every one in italics."""
    shown = [(task, measure, words) for task, part, measure, words in SHOWN if part == "all"]
    at = {(row["task"], row["measure"], row["encoder"]): row["value"] for row in paper["rows"]}
    columns = [one for one in shown if any((task, measure) == one[:2] for task, measure, _ in at)]
    lines = [
        f"*For orientation, as printed in the paper ({paper['source']}).* {paper['why_not_the_same']}",
        "",
        _line("*encoder of the paper*", *(f"*{words}*" for _, _, words in columns)),
        "|" + "---|" * (len(columns) + 1),
    ]
    for name in dict.fromkeys(row["encoder"] for row in paper["rows"]):
        values = [at.get((task, measure, name)) for task, measure, _ in columns]
        lines.append(_line(f"*{name}*", *("" if value is None else f"*{value:.3f}*" for value in values)))
    return "\n".join(lines)


def films_tables(rows: Sequence[Record]) -> str:
    """Return the Markdown tables of the multimodal task: one for films with findings, one for each set of pairs."""
    of_findings = [row for row in rows if row["figures"]]
    tables = [_films_table(of_findings)] if of_findings else []
    return "\n\n".join([*tables, *(_pairs_table(row) for row in rows if not row["figures"])])


def readme_with(text: str, measured: str) -> str:
    """Return the README with the tables between its two marks replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{measured}\n{END}{after}"


def rewrite_readme() -> None:
    """Put the tables of the result files that are there into the README."""
    kinds: Mapping[str, Callable[[Any], str]] = {
        "text.json": text_table,
        "paper.json": paper_table,
        "multimodal.json": films_tables,
    }
    files = [(RESULTS / name, table) for name, table in kinds.items() if (RESULTS / name).is_file()]
    measured = "\n\n".join(table(json.loads(file.read_text(encoding="utf-8"))) for file, table in files)
    text = readme_with(README.read_text(encoding="utf-8"), measured)
    write_atomically(README, lambda target: target.write_text(text, encoding="utf-8"))


def _not_told_apart(comparisons: Sequence[Record], encoder: str) -> set[tuple[str, str, str, str]]:
    """Return task, part, measure and name of those that were compared with an encoder and not told apart from it."""
    compared = [row for row in comparisons if row["encoder"] == encoder and row["p_holm"] >= SURE]
    return {(row["task"], row["part"], row["measure"], row["against"]) for row in compared}


def _films_table(rows: Sequence[Record]) -> str:
    towers = "; ".join(f"`{row['encoder']}` {row['precision']}, {row['revision'][:8]}" for row in rows)
    first, names = rows[0], [*(row["encoder"] for row in rows), IMAGENET]
    at = {place: one for row in reversed(rows) for place, one in _placed(row)}
    lines = [
        f"NIH ChestX-ray14 films of patients no training has seen, and the {first['reports']} reports of the "
        f"{first['split']} split; aligned through findings, not through paired reports ({towers}). Averaged within a "
        "patient, an AUROC over the findings with at least 15 positive films; 95 % intervals over patients. The floor "
        "gives every film the same answer. Films of one view and sampling: what only tells where a film came from "
        "counts for nothing.",
        "",
        _line("measure", "part", "patients", "films", *names, "*floor*", "*chance*"),
        "|" + "---|" * (len(names) + 6),
    ]
    for measure, part in dict.fromkeys(place[:2] for place in at):
        cells = [at.get((measure, part, name)) for name in names]
        one = next(cell for cell in cells if cell)
        counted = f", {len(one['labels'])} findings" if one["labels"] else ""
        values = [_interval(cell) if cell else "–" for cell in cells]
        ends = (_number(one["floor"]), _number(one["chance"]))
        lines.append(_line(measure + counted, part, one["patients"], one["films"], *values, *ends))
    return "\n".join(lines)


def _placed(row: Record) -> list[tuple[tuple[str, str, str], Record]]:
    """Return the figures of a pair of towers with measure, part and column, parts after the whole."""
    parts = [
        {**part, **part["precision@5"], "value": part["precision@5"]["mean"], "part": name, "labels": None}
        for name, part in row["figures"].items()
    ]
    of_parts = [((SHARED_AT_5, one["part"], row["encoder"]), one) for one in parts]
    return of_parts + [
        (
            (
                one["measure"].removesuffix(OF_IMAGENET),
                one["part"],
                IMAGENET if one["measure"].endswith(OF_IMAGENET) else row["encoder"],
            ),
            one,
        )
        for one in row.get("measures", ())
    ]


def _pairs_table(row: Record) -> str:
    note = f" ({row['note']})" if row["note"] else ""
    lines = [
        f"Films and their own reports with `{row['encoder']}` (checkpoint {row['revision'][:8]}, {row['precision']})"
        f"{note}: {row['reports']} {row['split']} pairs, {row['distinct']} distinct reports; the pool holds "
        f"{row['pool']} reports of other patients. Identity: reports asked by themselves. Random: films that say "
        "nothing.",
        "",
        "| measure | n | value | floor | chance | identity | random |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in row["measures"]:
        beside = (_number(one.get(name)) for name in ("floor", "chance", "identity", "random"))
        lines.append(_line(one["measure"], one["films"], _interval(one), *beside))
    return "\n".join(lines)


def _interval(row: Record) -> str:
    return f"{row['value']:.3f} ({row['low']:.3f}–{row['high']:.3f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
