"""What was measured, as the tables of docs/scale.md: every figure there comes out of a file in assets/results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SPEED, PRECISION, EIGHT_BITS, SCALE, MAP = (
    ROOT / "assets" / "results" / f"{name}.json" for name in ("speed", "precision", "eight_bits", "scale", "map")
)
PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MEASURES = ("recall@1", "recall@10", "accuracy (strict)", "stability@10", "agreement@10 short")
USUAL_LOAD = 1.0  # processes waiting for a core when a benchmark begins; above it the machine is called busy
Row = dict[str, Any]


def write_tables() -> None:
    """Write the tables between the marks of the page."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    parts = {
        SPEED: speed_tables,
        PRECISION: precision_tables,
        EIGHT_BITS: eight_bit_tables,
        SCALE: scale_tables,
        MAP: map_tables,
    }
    blocks = [
        "\n".join(lines_of(json.loads(file.read_text(encoding="utf-8"))))
        for file, lines_of in parts.items()
        if file.is_file()
    ]
    PAGE.write_text(f"{head}{BEGIN}\n" + "\n\n".join(blocks) + f"\n{END}{tail}", encoding="utf-8")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def when(told: Row) -> str:
    busy = "" if told["load"] < USUAL_LOAD else f" **on a busy machine (load {told['load']})**"
    return f"measured {told['date']}{busy}"


def speed_tables(told: Row) -> Iterator[str]:
    if told["latency"]:
        yield from latency_tables(told, told["latency"]["rows"])
    if told["start"]:
        start = told["start"]
        yield (
            f"\n**Start**, {when(told)}: page after {start['page']} s, first answer after {start['first answer']} s, "
            f"{start['processor']} s of the processor; median of {start['n']}, everything prepared."
        )
    if told["encoding"]:
        yield from encoding_table(told, told["encoding"])
    yield f"\n**Against what one would otherwise write**, {when(told)}, by the wall:\n"
    rows = [
        [one["what"], f"{one['here'] * 1e3:.1f} ms", f"{one['otherwise'] * 1e3:.1f} ms", _times(one)]
        for one in told["compared"]
    ]
    yield table(("what", "here", "otherwise", "ratio"), rows)


def latency_tables(told: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield f"**Waiting**, {when(told)}, {told['cores']} cores, through the app's own interface, milliseconds:\n"
    waits = [
        [row["what"], row["users"], row["p50"], row["p95"], row["n"], row["errors"], row.get("core", "–")]
        for row in rows
    ]
    yield table(("asked", "users", "p50", "p95", "n", "errors", "ms of a core each"), waits)
    parts = ("intake", "encode", "search", "render and transport", "a question that does nothing", "beyond")
    yield "\nWhere one user's time goes, means; *beyond*: all but the encoder, less a question that does nothing:\n"
    where = [[row["what"], *(row[part] for part in parts)] for row in rows if "beyond" in row]
    yield table(("asked", *parts), where)


def encoding_table(told: Row, encoding: Row) -> Iterator[str]:
    first = encoding["paces"][0]["reports"]
    yield f"\n**Encoding**, {when(told)}, one core's time, a sample of the corpus:\n"
    rows = [
        [one["what"], one["n"], f"{one['reports']:.1f}", f"{first / one['reports']:.1f}×"] for one in encoding["paces"]
    ]
    yield table(("way", "reports", "reports/s", "here against it"), rows)
    yield (
        f"\nEach text of the corpus is there {encoding['once']:.2f} times and encoded once, which comes on top. "
        f"{encoding['share']:.0%} of this core's measured {encoding['precision']} matrix peak ({encoding['peak']:.0f} "
        "billion multiplications and additions a second) is reached."
    )


def precision_tables(told: Row) -> Iterator[str]:
    yield f"**Precision of `pocket`**, measured {told['date']}, held against fp32 on {told['reports']} reports:\n"
    rows = [["bf16", *_held(told["bf16"])]]
    for one in told["tried"]:
        taken = " (taken)" if one["fine"] == told["fine"] else ""
        rows.append([f"8 bits; 16-bit activations of {', '.join(one['fine'])}{taken}", *_held(one)])
    yield table(
        ("precision", "cosine, mean / least", "ten nearest the same", "speed, fp32 = 1", "decoder in memory"), rows
    )
    if told.get("tasks"):
        yield from task_table(told["tasks"])


def task_table(figures: Sequence[Row]) -> Iterator[str]:
    """Show the figures of all studies and of the unseen; the largest difference is over all their shares."""
    shares = [one for one in figures if one["figure"].split(" · ")[2] not in ("mean rank", "mean margin")]
    named = {tuple(one["figure"].split(" · ")): one for one in shares}
    yield "\nTasks 1 to 4 on the test split in each precision:\n"
    tasks = [
        [" · ".join(name), one["n"] or "–", *(f"{one[precision]:.3f}" for precision in ("fp32", "bf16", "int8"))]
        for name, one in named.items()
        if name[1] in ("all", "unseen") and name[2] in MEASURES
    ]
    yield table(("task · part · measure", "n", "fp32", "bf16", "8 bits"), tasks)
    whole = [one for name, one in named.items() if name[1] in ("all", "unseen")]
    most = {precision: max(abs(one[precision] - one["fp32"]) for one in whole) for precision in ("bf16", "int8")}
    yield (
        f"\nLargest difference to fp32 over the {len(whole)} shares of these parts: bf16 {most['bf16'] * 100:.1f}, "
        f"8 bits {most['int8'] * 100:.1f} points."
    )


def eight_bit_tables(told: Row) -> Iterator[str]:
    yield f"**The other towers in 8 bits**, measured {told['date']}, held against fp32, one core's time:\n"
    rows = [
        [one["what"], one["n"], f"{one['cosine']:.4f}", f"{one['overlap']:.3f}", f"{one['speedup']:.1f}"]
        for one in told["rows"]
    ]
    yield table(("tower and precision", "n", "cosine, mean", "ten nearest the same", "speed, fp32 = 1"), rows)


def map_tables(told: Row) -> Iterator[str]:
    laid = (
        f"{one['texts']:,} texts are laid out in {one['seconds']:.0f} s of one core, {one['laid out by UMAP']:,} of "
        "them by UMAP and the others between their neighbours"
        for one in told.get("layout", [])
    )
    yield f"**The map**, measured {told['date']}: {'; '.join(laid)}."
    for one in told.get("frames", []):
        yield (
            f"Drawn by density and dragged in Chromium without a GPU, {one['points']:,} points move at "
            f"{one['frames a second']} frames a second (p50 {one['frame p50, ms']} ms, p95 {one['frame p95, ms']} ms, "
            f"n {one['n']})."
        )


def scale_tables(told: Row) -> Iterator[str]:
    yield (
        f"**Many reports**, measured {told['date']}, vectors of {told['dim']} numbers, {told['queries']} queries, one "
        "core's time:\n"
    )
    rows = [
        [
            f"{one['moved']:g}",
            f"{one['vectors']:,}",
            one["kind"],
            f"{one['nearest']:.2f}",
            f"{one['p50_ms']} / {one['p95_ms']} ms",
            f"{one['recall']:.3f}",
            f"{one['filtered_recall']:.3f}, {one['filtered_p50_ms']} ms",
            f"{one['memory_mb'] / 1024:.1f} GB",
            f"{one['build_seconds']:.0f} s",
            f"{one['add_seconds']:.0f} s" if one["added_percent"] else "–",
        ]
        for one in told["sizes"]
    ]
    heads = ("moved", "vectors", "looked at", "nearest at", "p50 / p95", "recall@10", "1 in 100 may answer")
    yield table((*heads, "peak of the process", "built in", "1 % more added in"), rows)
    grown = "; ".join(
        f"moved {moved}: " + ", ".join(f"{exponent} from {int(size):,}" for size, exponent in some.items())
        for moved, some in told["growth"].items()
    )
    yield f"\nFrom a size to the largest, search time grows with an exponent of — {grown}."


def _held(one: Row) -> list[str]:
    return [
        f"{one['cosine']:.4f} / {one['cosine_least']:.4f}",
        f"{one['overlap']:.3f}",
        f"{one['speedup']:.1f}",
        f"{one['megabytes']:.0f} MB",
    ]


def _times(one: Row) -> str:
    return f"{one['otherwise'] / one['here']:.1f}×"


if __name__ == "__main__":
    write_tables()
