"""Speeds as ratios, both sides in one run: `make bench`; with `--save` also the tables of docs/scale.md.

Each line sets what this project does against what one would otherwise write. A ratio above 1 means faster here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.benchmarks.tables import SCALE, SPEED, write_tables

TEXTS = [
    f"Small right pleural effusion number {n}. The heart is enlarged. No pneumothorax is seen today." for n in range(64)
]


@dataclass(frozen=True)
class Comparison:
    """Seconds for the same work, here and otherwise; the best of several runs each."""

    what: str
    here: float
    otherwise: float

    def __str__(self) -> str:
        ratio = self.otherwise / self.here
        return f"{self.what:<62} {self.here * 1e3:9.1f} ms {self.otherwise * 1e3:9.1f} ms  {ratio:6.2f}×"


def best(work: Callable[[], object], runs: int = 3) -> float:
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def decoder_against_library() -> Comparison:
    """Our decoder in the chosen precision against the library's class in fp32, same layers and texts."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    from models.packaged import smollm2
    from models.precision import place
    from models.text import TextTokenizer, TowerConfig, in_buckets, pad
    from models.trained import decoder_tower

    config = TowerConfig(layers=12, attention="causal")
    tower, tokenizer = decoder_tower(smollm2(), config)
    library = LlamaModel(
        LlamaConfig(
            vocab_size=49152,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=12,
            num_attention_heads=9,
            num_key_value_heads=3,
            rope_parameters={"rope_type": "default", "rope_theta": 1e5},
        )
    ).eval()
    library.load_state_dict(tower.decoder.state_dict())
    pairs = TextTokenizer(tokenizer, 512).pairs(TEXTS, [""] * len(TEXTS))
    batch, placement = pad(pairs), place()
    tower.eval().decoder.to(placement.dtype)
    with torch.inference_mode():
        here = best(lambda: in_buckets(tower, pairs, placement.device, 4096))
        otherwise = best(lambda: library(input_ids=batch.ids, attention_mask=batch.attended.long()))
    return Comparison("64 reports through 12 layers, against transformers fp32", here, otherwise)


def search_against_sorting() -> Comparison:
    """Exact search in our index against sorting all scores in numpy."""
    from explorer.index import IndexKey, ReportIndex

    rows = np.random.default_rng(0).normal(size=(60_000, 256)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    key = IndexKey("made-up", "", "report", "random", "report", "cosine", "", 256)
    ids = [f"s:{n:05d}" for n in range(len(rows))]
    stream = iter(np.array_split(rows, range(0, len(rows), 1)[1:]))
    passages = [(name, [name]) for name in ids]
    with TemporaryDirectory() as folder:  # what is mapped stays readable
        index = ReportIndex.build(
            Path(folder),
            key,
            passages,
            len(ids),
            lambda chunk: np.concatenate([next(stream) for _ in chunk]),
            lambda done, total: None,
        )
    query = rows[:1]
    here = best(lambda: index.search(query, 10, None))
    otherwise = best(lambda: np.argsort(-(query @ rows.T), axis=1)[:, :10])
    return Comparison("10 of 60,000 reports, against numpy argsort", here, otherwise)


def film_against_plain_pydicom() -> Comparison:
    """A DICOM through the warm sandbox against pydicom in this process, which bounds nothing."""
    from io import BytesIO

    from pydicom import dcmread
    from pydicom.pixels import apply_voi_lut

    from explorer.intake.examples import example_film
    from explorer.intake.sandbox import Intake
    from explorer.settings import Limits

    data = example_film()

    def plain() -> object:
        dataset = dcmread(BytesIO(data))
        return apply_voi_lut(dataset.pixel_array, dataset)

    with Intake(Limits()) as intake:
        here = best(lambda: intake.read(data))
    return Comparison("a 1955×1841 radiograph, against pydicom without a sandbox", here, best(plain))


def start_against_imports() -> Comparison:
    """Loading the default report tower against importing the library class it replaces."""
    here = best(lambda: _python("from models.registry import load_text_encoder; load_text_encoder('pocket')"), runs=2)
    otherwise = best(lambda: _python("import torch; from transformers import LlamaModel"), runs=2)
    return Comparison("a loaded tower, against importing transformers' Llama", here, otherwise)


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def comparisons() -> Iterator[Comparison]:
    yield decoder_against_library()
    yield search_against_sorting()
    yield film_against_plain_pydicom()
    yield start_against_imports()


def scale_table() -> Iterator[str]:
    """Tell what `python -m tests.benchmarks.scale` measured last, and when."""
    if not SCALE.is_file():
        yield "search among up to 1.6 million vectors: not measured yet; run `python -m tests.benchmarks.scale`"
        return
    told = json.loads(SCALE.read_text(encoding="utf-8"))
    yield f"search among many vectors of {told['dim']} numbers, measured {told['date']}, one core's time"
    for row in told["sizes"]:
        yield (
            f"{row['vectors']:>9,} moved {row['moved']:.1f} {row['kind']:<5} p50 {row['p50_ms']:6.2f} ms  "
            f"recall@10 {row['recall']:.3f}  at 1 % {row['filtered_recall']:.3f}  {row['memory_mb']:5} MB  "
            f"built in {row['build_seconds']:.0f} s"
        )


def compared() -> list[dict[str, object]]:
    say = sys.stdout.write
    say(f"{'':<62} {'here':>12} {'otherwise':>12}\n")
    found = []
    for comparison in comparisons():
        say(f"{comparison}\n")
        sys.stdout.flush()
        found.append(asdict(comparison))
    return found


def apart(name: str, folder: Path) -> object:
    """Run a benchmark in a process of its own and return what it saved; None where it failed."""
    sys.stdout.write(f"\n{name}\n")
    sys.stdout.flush()
    kept = folder / f"{name}.json"
    subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", "--save", str(kept)], check=False)
    return json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else None


def main() -> None:
    """Print every table; minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="keep it in assets/results and write docs/scale.md")
    save = parser.parse_args().save
    load, cores = round(os.getloadavg()[0], 1), os.cpu_count()
    sys.stdout.write(f"load of the machine: {load} on {cores} cores\n\n")
    told: dict[str, object] = {"date": datetime.now(UTC).date().isoformat(), "load": load, "cores": cores}
    with TemporaryDirectory() as folder:
        told |= {name: apart(name, Path(folder)) for name in ("latency", "encoding", "start")}
    told["compared"] = compared()
    sys.stdout.write("\n" + "\n".join(scale_table()) + "\n")
    if save:
        SPEED.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        write_tables()


if __name__ == "__main__":
    main()
