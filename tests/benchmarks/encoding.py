"""Reports through the default encoder, against two other ways to run the very same weights; all in one run.

Measured by the processor's time, so that what else the machine does decides little. Each ratio is that of reports in a
second of one core, over a sample of the corpus that is drawn by a seed. `--save FILE` keeps it as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from explorer.corpora import openi
from explorer.corpora.sections import scope_text, without_redactions
from models.precision import Placement
from models.registry import ASSETS, load_text_encoder
from models.text import ReportTower, TextTokenizer, in_buckets, pad
from models.trained import open_trained_tower
from tests.benchmarks.keeping import kept_in

HERE, LIBRARY, PADDED = 256, 96, 8  # reports for this project, for the library, and padded to 512 tokens: it is slow
BATCH = 32
FULL = Placement(torch.device("cpu"), "fp32")


@dataclass(frozen=True)
class Pace:
    """Reports in a second of one core."""

    what: str
    n: int  # reports measured
    reports: float


def corpus_texts() -> list[str]:
    """Reports of every length, some of them twice, as the corpus has them."""
    reports = openi.read().reports
    texts = [without_redactions(scope_text(report.sections, "report")) for report in reports]
    return [text for text in texts if text]


def pace(what: str, texts: Sequence[str], encode: Callable[[Sequence[str]], object], rounds: int = 1) -> Pace:
    encode(texts[:2])
    least = np.inf
    for _ in range(rounds):
        begun = time.process_time()
        encode(texts)
        least = min(least, time.process_time() - begun)
    return Pace(what, len(texts), len(texts) / float(least))


def padded_way(tower: ReportTower, tokenizer: TextTokenizer) -> Callable[[Sequence[str]], object]:
    """As the authors' evaluation runs: fp32, every text padded to 512 tokens, one sample pooled after another."""

    def encode(texts: Sequence[str]) -> object:
        for start in range(0, len(texts), BATCH):
            pairs = tokenizer.pairs(texts[start : start + BATCH], [""] * len(texts[start : start + BATCH]))
            longest = ([0] * (512 - 1), [0])
            batch = pad([*pairs, longest])
            states = tower.decoder(batch.ids[:-1], batch.attended[:-1])
            for row in range(len(states)):
                tower.pooling(states[row : row + 1], batch.kept[row : row + 1])
        return None

    return encode


def library_way(tower: ReportTower, tokenizer: TextTokenizer) -> Callable[[Sequence[str]], object]:
    """As `sentence-transformers` 6 encodes: transformers' class in fp32, sorted by length, 32 padded to the longest.

    The library itself would add its own tokenizer and a copy of the sentence vectors; it is not installed here.
    """
    from transformers import LlamaConfig, LlamaModel

    shape = tower.decoder.config
    library = LlamaModel(
        LlamaConfig(
            vocab_size=shape.vocab_size,
            hidden_size=shape.hidden_size,
            intermediate_size=shape.intermediate_size,
            num_hidden_layers=shape.num_hidden_layers,
            num_attention_heads=shape.num_attention_heads,
            num_key_value_heads=shape.num_key_value_heads,
            rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        )
    ).eval()
    library.config.is_causal = tower.decoder.attention == "causal"
    library.load_state_dict(tower.decoder.state_dict())

    def encode(texts: Sequence[str]) -> object:
        pairs = sorted(tokenizer.pairs(texts, [""] * len(texts)), key=lambda pair: -len(pair[1]))
        for start in range(0, len(pairs), BATCH):
            batch = pad(pairs[start : start + BATCH])
            states = library(input_ids=batch.ids, attention_mask=batch.attended.long()).last_hidden_state
            tower.pooling(states, batch.kept)
        return None

    return encode


def matrix_peak(precision: str) -> float:
    """Return the multiplications and additions a second that one core reaches in a product of this precision."""
    size = (1_024, 1_536, 1_536)
    left, right = torch.randn(size[0], size[1]), torch.randn(size[2], size[1])
    if precision == "bf16":
        left, right = left.bfloat16(), right.bfloat16()
    if precision == "int8":
        left, right = (torch.randint(-127, 127, one.shape, dtype=torch.int8) for one in (left, right))
    product = torch._int_mm if precision == "int8" else torch.matmul
    return 2 * float(np.prod(size)) * pace("", [""], lambda _: product(left, right.T), rounds=10).reports


def work_of(tower: ReportTower, tokenizer: TextTokenizer, texts: Sequence[str]) -> float:
    """Return the multiplications and additions in the decoder's linear maps for one report, on average."""
    layers = sum(one.weight.numel() for one in tower.decoder.layers.modules() if isinstance(one, torch.nn.Linear))
    return 2 * layers * float(np.mean([len(text) for _, text in tokenizer.pairs(texts, [""] * len(texts))]))


def measured(texts: Sequence[str]) -> Iterator[Pace]:
    """Yield the pace of this project first, then of the other ways; texts are of every length, in a mixed order."""
    tower, tokenizer, _ = open_trained_tower(ASSETS / "pocket" / "text", FULL)
    tower.eval()
    default = load_text_encoder("pocket")

    def full(some: Sequence[str]) -> object:
        return in_buckets(tower, tokenizer.pairs(some, [""] * len(some)), FULL.device, 4_096)

    yield pace(f"here, {default.info.precision}", texts, default.encode, rounds=2)
    yield pace("here, fp32", texts[:LIBRARY], full)
    yield pace("(b) sentence-transformers' way: transformers, fp32", texts[:LIBRARY], library_way(tower, tokenizer))
    yield pace("(a) authors' way: fp32, 512 tokens, one by one", texts[:PADDED], padded_way(tower, tokenizer))


def share_of_peak(texts: Sequence[str], first: float) -> tuple[str, float, float]:
    """Return the precision, this core's matrix peak in it in G/s, and the share of it that `first` reports/s need."""
    tower, tokenizer, _ = open_trained_tower(ASSETS / "pocket" / "text", FULL)
    precision = load_text_encoder("pocket").info.precision
    peak = matrix_peak(precision)
    return precision, peak / 1e9, first * work_of(tower, tokenizer, texts) / peak


@torch.inference_mode()
def main() -> None:
    """Measure within about a minute of one core."""
    save = kept_in(__doc__)
    torch.set_num_threads(1)
    everything = corpus_texts()
    texts = [everything[row] for row in np.random.default_rng(0).permutation(len(everything))[:HERE]]
    paces: list[Pace] = []
    for one in measured(texts):
        paces.append(one)
        first = paces[0].reports
        sys.stdout.write(f"{one.what:<52} n {one.n:3} {one.reports:7.1f} reports/s   {first / one.reports:6.2f}×\n")
        sys.stdout.flush()
    once = len(everything) / len(dict.fromkeys(everything))
    sys.stdout.write(f"each text of the corpus is there {once:.2f} times and encoded once: {once:.2f}× more on it\n")
    precision, peak, share = share_of_peak(texts, first)
    sys.stdout.write(f"share of the core's measured {precision} peak of {peak:.0f} G/s: {share:.0%}\n")
    if save:
        kept = {"paces": [asdict(one) for one in paces], "once": once, "peak": peak, "share": share}
        save.write_text(json.dumps({**kept, "precision": precision, "load": os.getloadavg()[0]}), encoding="utf-8")


if __name__ == "__main__":
    main()
