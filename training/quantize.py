"""Make 8-bit weights of a trained tower, and take them where they are as good and faster: for CPUs without a GPU.

    python -m training.quantize pocket [--tasks] [--limit 1000] [--save FILE]

They are calibrated on reports of the training split, held against the tower in fp32 on distinct reports of the corpus,
and kept in the cache with what was measured: from then on the preset `pocket-int8` can be chosen, and says how faithful
it is. A CPU without bf16 takes them for `pocket` itself if they reach the bars below. Everything is measured in one
run: throughputs are comparable with one another, not with another run's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explorer.corpora import openi
from explorer.corpora.base import Corpus
from explorer.corpora.sections import scope_text, without_redactions
from explorer.corpora.split import in_split
from explorer.types import Report
from models.byte_presets import byte_folder
from models.checkpoint import open_checkpoint, save_checkpoint
from models.int8 import PARTS, Part, multiplies_bytes
from models.interfaces import CxrError, TextEncoder, TowerError, Vectors
from models.precision import Placement
from models.quantizing import byte_weights, watch
from models.registry import ASSETS, TRAINED
from models.text import DecoderTextEncoder, length_buckets, pad
from models.trained import byte_encoder, open_trained_tower
from training.embeddings import CachedEncoder
from training.evaluate import built, measured_texts
from training.tasks.base import dense

CALIBRATION = 128  # reports
# Parts with 16-bit activations, the fastest plan first.
PLANS: tuple[tuple[Part, ...], ...] = (("qkv", "down"), ("qkv", "o", "down"), PARTS)
OVERLAP, SPEEDUP = 0.97, 2.5  # of the ten nearest with those of fp32; throughput against fp32
TIMED, ROUNDS = 96, 3
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Held:
    """A precision against fp32."""

    cosine: float  # mean over the reports
    cosine_least: float
    overlap: float  # mean share of the ten nearest reports that are the same
    speedup: float  # reports in a second of one core, against fp32 in the same run
    megabytes: float  # of the decoder's weights


def main() -> None:
    """Make, measure and keep the weights that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tower", help="a trained tower: its name or folder")
    parser.add_argument("--limit", type=int, help="measure on so many reports only")
    parser.add_argument("--tasks", action="store_true", help="also measure Tasks 1 to 4 in fp32, bf16 and 8 bits")
    parser.add_argument("--save", type=Path, help="keep what was measured as JSON")
    asked = parser.parse_args()
    try:
        folder = ASSETS / asked.tower if asked.tower in TRAINED else Path(asked.tower)
        about = quantize(folder / "text", asked.limit, with_tasks=asked.tasks)
        if asked.save:
            asked.save.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except CxrError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def quantize(folder: Path, limit: int | None, *, with_tasks: bool) -> dict[str, Any]:
    """Make the weights by one plan after another until one reaches the bars; keep the last, chosen or not.

    Returns:
        What was measured, as it is kept in the manifest.

    Raises:
        TowerError: the tower has no decoder, or this CPU gains nothing.
        WeightsMissing, WeightsDamaged: the tower cannot be loaded.
    """
    trained = open_checkpoint(folder)
    if "bert" in trained.manifest or trained.manifest["backbone"] == "minilm":
        raise TowerError("8-bit weights are made of decoders. A BERT is small enough in bf16.")
    if not multiplies_bytes():
        raise TowerError("This CPU does not multiply bytes natively (AVX-512 VNNI): 8-bit weights would be slower.")
    corpus = openi.read()
    texts = _distinct(corpus.reports)[:limit]
    full, half = (plain_encoder(folder, precision) for precision in ("fp32", "bf16"))
    truth = full.encode(texts)
    about: dict[str, Any] = {"kind": "byte decoder", "name": trained.manifest["name"], "of": full.info.revision}
    about |= {"calibrated_on": f"{CALIBRATION} reports of the training split", "reports": len(texts)}
    about |= {"made_of": trained.manifest["files"], "date": date.today().isoformat(), "tried": []}
    kept = byte_folder(trained.manifest["name"])
    about["bf16"] = vars(held(half, full, texts, truth))
    for plan in PLANS:
        tensors = _made(folder, corpus, frozenset(plan))
        save_checkpoint(kept, tensors, {**about, "fine": sorted(plan), "chosen": False})
        made = byte_encoder(trained)
        measured = held(made, full, texts, truth)
        chosen = measured.overlap >= OVERLAP and measured.speedup >= SPEEDUP
        about |= {"measured": vars(measured), "fine": sorted(plan), "chosen": chosen}
        about["tried"].append({"fine": sorted(plan), **vars(measured)})
        print(f"{' '.join(plan)} in 16 bits: {measured}; bf16: {about['bf16']}; {'chosen' if chosen else 'not chosen'}")
        if chosen:
            break
    if with_tasks:
        about["tasks"] = tasks_of(corpus, {"fp32": full, "bf16": half, "int8": byte_encoder(trained)})
    save_checkpoint(kept, tensors, about)
    return about


def plain_encoder(folder: Path, precision: Any) -> DecoderTextEncoder:  # noqa: ANN401 - one of Placement's words
    """Load a trained tower on the CPU in fp32 or bf16."""
    placement = Placement(CPU, precision)
    tower, tokenizer, info = open_trained_tower(folder, placement)
    return DecoderTextEncoder(tower, tokenizer, info, placement)


def held(one: DecoderTextEncoder, full: TextEncoder, texts: Sequence[str], truth: Vectors) -> Held:
    """Hold an encoder against fp32, whose vectors [n, d] of these texts are `truth`."""
    vectors = one.encode(texts)
    cosines = (vectors * truth).sum(axis=1)
    same = [len(set(a) & set(b)) / 10 for a, b in zip(_nearest(vectors), _nearest(truth), strict=True)]
    seconds = {"one": np.inf, "full": np.inf}
    for _ in range(ROUNDS):  # in turn, and by the processor's time: what else the machine does must not decide
        for name, encoder in (("one", one), ("full", full)):
            begun = time.process_time()
            encoder.encode(texts[:TIMED])
            seconds[name] = min(seconds[name], time.process_time() - begun)
    return Held(
        cosine=round(float(cosines.mean()), 5),
        cosine_least=round(float(cosines.min()), 5),
        overlap=round(float(np.mean(same)), 4),
        speedup=round(seconds["full"] / seconds["one"], 2),
        megabytes=round(one.decoder_bytes / 1e6, 1),
    )


def tasks_of(corpus: Corpus, encoders: Mapping[str, TextEncoder]) -> list[dict[str, Any]]:
    """Return each recall and accuracy of Tasks 1 to 4 on the test split: one row a figure, one value a precision."""
    tasks = built(("1", "2", "3", "4"), corpus, "test")
    found: dict[str, dict[str, Any]] = {}
    for precision, encoder in encoders.items():
        for row in measured_texts(corpus, "test", tasks, [dense(CachedEncoder(encoder))])["rows"]:
            name = f"{row['task']} · {row['part']} · {row['measure']}"
            found.setdefault(name, {"figure": name, "n": row["n"]})[precision] = row["value"]
    for figure in found.values():
        print(figure)
    return list(found.values())


def _made(folder: Path, corpus: Corpus, fine: frozenset[Part]) -> dict[str, torch.Tensor]:
    tower, tokenizer, _ = open_trained_tower(folder, Placement(CPU, "fp32"))
    texts = _distinct(in_split(corpus.reports, "train"))[:CALIBRATION]
    pairs = tokenizer.pairs(texts, [""] * len(texts))
    buckets = length_buckets([len(text) for _, text in pairs], 2_048)
    seen = watch(tower.eval(), (pad([pairs[row] for row in bucket]) for bucket in buckets))
    return byte_weights(tower.decoder, seen, fine, lambda share: print(f"{share:.0%}", end=" ", flush=True))


def _distinct(reports: Iterable[Report]) -> list[str]:
    """Return the distinct texts of reports, in a mixed order."""
    texts = [without_redactions(scope_text(report.sections, "report")) for report in reports]
    distinct = [text for text in dict.fromkeys(texts) if text]
    return [distinct[row] for row in np.random.default_rng(4096).permutation(len(distinct))]


def _nearest(vectors: Vectors) -> np.ndarray:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argpartition(-scores, 10, axis=1)[:, :10]


if __name__ == "__main__":
    main()
