"""The other towers in 8 bits: `python -m tests.benchmarks.eight_bits`, minutes; films of CXR_IMAGES.

BERTs: every linear map of their layers in byte weights, rounded as `models.quantizing` does, with activations in 8
bits, in 16 bits where the feed-forward part ends, or in 16 bits throughout. The film tower: every convolution with its
batch norm folded in, byte weights with a scale for each channel, activations in 8 bits on a scale set on 64 training
films. Each is held against fp32 as `training.quantize` holds `pocket`; speeds are of one core, by its own time.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.corpora import openi
from explorer.corpora.split import in_split
from models.int8 import ByteLinear
from models.quantizing import rounded
from models.registry import load_dual, load_text_encoder
from models.vision import normalised
from tests.benchmarks.keeping import kept_in
from training.datasets import SOURCES, films, images_folder, pixels_of
from training.quantize import _distinct

TEXTS, CALIBRATION, FILMS, KNOWN, TIMED, ROUNDS = 200, 128, 100, 64, 64, 3


@dataclass(frozen=True)
class Held:
    what: str
    n: int
    cosine: float  # mean to fp32
    overlap: float  # share of the ten nearest of the others that are the same
    speedup: float  # against fp32


class ByteMap(nn.Module):
    """A linear map with bias, in bytes."""

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor, fine: bool) -> None:
        super().__init__()
        self.map, self.bias = ByteLinear(weight, scale, fine=fine), bias

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x).add_(self.bias)


class ByteConv(nn.Module):
    """A convolution in bytes on a scale of activations that was seen before."""

    def __init__(self, conv: nn.Conv2d, low: float, high: float) -> None:
        super().__init__()
        low, high = min(low, 0.0), max(high, 1e-6)
        self.step = (high - low) / 255
        self.zero = round(-low / self.step)
        scale = conv.weight.detach().abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / 127
        whole = (conv.weight.detach() / scale[:, None, None, None]).round().to(torch.int8)
        self.same = type(conv).__name__ == "Conv2dSame"  # pads by its input, as TensorFlow does
        self.shape = (list(conv.stride), [0, 0] if self.same else list(conv.padding), list(conv.dilation), conv.groups)
        self.kernel, self.scale, self.bias = conv.kernel_size, scale, conv.bias.detach()
        self.no_zero = torch.zeros(len(scale), dtype=torch.int32)
        self.packed = torch.ops.onednn.qconv_prepack(whole, scale, self.step, self.zero, *self.shape, None)

    def forward(self, x: Tensor) -> Tensor:
        if self.same:
            from timm.layers.padding import pad_same

            x = pad_same(x, self.kernel, self.shape[0], self.shape[2])
        seen = (x / self.step).round_().add_(self.zero).clamp_(0, 255).to(torch.uint8)
        seen = seen.contiguous(memory_format=torch.channels_last)
        return torch.ops.onednn.qconv_pointwise(
            *(seen, self.step, self.zero, self.packed, self.scale, self.no_zero, self.bias, *self.shape),
            *(1.0, 0, torch.float32, "none", [], ""),
        )


def held(what: str, one: np.ndarray, truth: np.ndarray, seconds: tuple[float, float]) -> Held:
    same = [len(set(a) & set(b)) / 10 for a, b in zip(nearest(one), nearest(truth), strict=True)]
    cosine = float((one * truth).sum(axis=1).mean())
    return Held(what, len(one), round(cosine, 5), round(float(np.mean(same)), 4), round(seconds[1] / seconds[0], 2))


def nearest(vectors: np.ndarray) -> np.ndarray:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argpartition(-scores, 10, axis=1)[:, :10]


def fastest(*work: Callable[[], object]) -> tuple[float, ...]:
    """Return the least processor time of each, taken in turn."""
    least = [np.inf] * len(work)
    for _ in range(ROUNDS):
        for number, one in enumerate(work):
            begun = time.process_time()
            one()
            least[number] = min(least[number], time.process_time() - begun)
    return tuple(float(one) for one in least)


def replaced(model: nn.Module, name: str, by: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, by)


def bert(name: str, texts: list[str], known: list[str]) -> list[Held]:
    full, half = (load_text_encoder(name, precision=precision, device="cpu") for precision in ("fp32", "bf16"))
    truth = full.encode(texts)
    maps = {
        one: part
        for one, part in full._tower.bert.named_modules()
        if isinstance(part, nn.Linear) and one.startswith("encoder")
    }
    moments: dict[str, Tensor] = {}

    def note(one: str) -> Callable[..., None]:
        def noting(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].flatten(0, -2)
            moments[one] = moments.get(one, torch.zeros(())) + x.T @ x

        return noting

    hooks = [part.register_forward_pre_hook(note(one)) for one, part in maps.items()]
    full.encode(known)
    for hook in hooks:
        hook.remove()
    made = {one: rounded(part.weight.detach(), moments[one]) for one, part in maps.items()}
    plans: dict[str, Callable[[str], bool]] = {
        "8-bit activations": lambda one: False,
        "16-bit activations where the feed-forward part ends": lambda one: (
            one.endswith("output.dense") and "attention" not in one
        ),
        "16-bit activations": lambda one: True,
    }
    encoders = {"bf16": half}
    for plan, fine in plans.items():
        encoders[f"8 bits, {plan}"] = copy.deepcopy(full)
        for one, part in maps.items():
            replaced(
                encoders[f"8 bits, {plan}"]._tower.bert, one, ByteMap(*made[one], part.bias.detach(), fine=fine(one))
            )
    timed = texts[:TIMED]
    times = fastest(*(lambda one=one: one.encode(timed) for one in (*encoders.values(), full)))
    return [
        held(f"{name}, {what}", one.encode(texts), truth, (took, times[-1]))
        for (what, one), took in zip(encoders.items(), times, strict=False)
    ]


def folded(network: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution before it; what it did after its norm stays."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for (first, conv), (second, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(conv, norm))
                setattr(module, second, nn.Sequential(norm.drop, norm.act))
    return network


def film_tower() -> list[Held]:
    side = load_dual("pocket", precision="fp32", device="cpu").image.side
    known, asked = (
        normalised(pixels_of(films(images_folder(), SOURCES, split)[:most], side.tower.config.size))
        for split, most in (("train", KNOWN), ("reporting", FILMS))
    )
    plain = folded(side.tower.network)
    small = copy.deepcopy(plain)
    ranges: dict[str, tuple[float, float]] = {}

    def note(one: str) -> Callable[..., None]:
        def noting(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            low, high = ranges.get(one, (0.0, 0.0))
            ranges[one] = min(low, float(inputs[0].min())), max(high, float(inputs[0].max()))

        return noting

    convolutions = {one: part for one, part in plain.named_modules() if isinstance(part, nn.Conv2d)}
    hooks = [part.register_forward_pre_hook(note(one)) for one, part in convolutions.items()]
    for film in known:
        plain(film[None].expand(-1, 3, -1, -1))
    for hook in hooks:
        hook.remove()
    for one, part in convolutions.items():
        replaced(small, one, ByteConv(part, *ranges[one]))
    first = asked[:1].expand(-1, 3, -1, -1)
    quick = copy.deepcopy(side.tower.network).to(memory_format=torch.channels_last)

    def half(films: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return quick(films).float()

    def rows(see: Callable[[Tensor], Tensor]) -> np.ndarray:
        return torch.cat([F.normalize(side.head(see(one[None].expand(-1, 3, -1, -1)))) for one in asked]).numpy()

    network = side.tower.network
    truth, ways = rows(network), {"bf16": half, "8 bits": small}
    times = fastest(*(lambda see=see: [see(first) for _ in range(10)] for see in (*ways.values(), network)))
    return [
        held(f"film tower, {what}", rows(see), truth, (took, times[-1]))
        for (what, see), took in zip(ways.items(), times, strict=False)
    ]


@torch.inference_mode()
def main() -> None:
    save = kept_in(__doc__)
    torch.set_num_threads(1)
    corpus = openi.read()
    texts = _distinct(corpus.reports)[:TEXTS]
    known = _distinct(in_split(corpus.reports, "train"))[:CALIBRATION]
    found: list[Held] = []
    for rows in (film_tower, *(lambda name=name: bert(name, texts, known) for name in ("minilm", "bert4cxr"))):
        made = rows()
        found += made
        sys.stdout.write("".join(f"{one}\n" for one in made))
        sys.stdout.flush()
    if save:
        about = {"date": datetime.now(UTC).date().isoformat(), "rows": [asdict(one) for one in found]}
        save.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
