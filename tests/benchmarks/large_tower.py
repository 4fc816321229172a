"""Speed and memory of a tower in the shape of Llama-3.2-1B with random weights, in fp32, bf16 and 8 bits.

Two of its sixteen layers are run, so that it fits beside other work; what is printed is for all sixteen, with the token
table of 128,256 rows in half precision. Faithfulness is not measured: there is nothing to be faithful to.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from models.bidirectional import Decoder, DecoderConfig
from models.int8 import PARTS, put_bytes
from models.quantizing import map_of, norms_of
from tests.benchmarks.encoding import pace

SHAPE = DecoderConfig(
    vocab_size=1_000,
    hidden_size=2_048,
    intermediate_size=8_192,
    num_hidden_layers=2,
    num_attention_heads=32,
    num_key_value_heads=8,
    rope_theta=500_000.0,
)
LAYERS, TABLE_BYTES = 16, 128_256 * 2_048 * 2
REPORTS, TOKENS = 8, 64


def nearest_bytes(decoder: Decoder) -> dict[str, Tensor]:
    """Round random weights to the nearest step: how they are rounded changes no speed."""
    tensors: dict[str, Tensor] = {}
    for number, layer in enumerate(decoder.layers):
        for part in PARTS:
            weight = torch.cat([one.weight for one in map_of(layer, part)]).detach()
            scale = weight.abs().amax(dim=1) / 127
            values = (weight / scale[:, None]).round().to(torch.int8)
            tensors |= {f"layers.{number}.{part}.weight": values, f"layers.{number}.{part}.scale": scale}
        for part, norm in norms_of(layer):
            tensors[f"layers.{number}.norm.{part}"] = norm.weight.detach()
    return tensors


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)
    ids = torch.randint(0, SHAPE.vocab_size, (REPORTS, TOKENS))
    attended = torch.ones_like(ids, dtype=torch.bool)
    parameters = sum(one.numel() for one in Decoder(SHAPE, "bidirectional").layers.parameters())
    first = 0.0
    for name, width in (("fp32", 4), ("bf16", 2), ("int8, 16-bit activations", 1), ("int8", 1)):
        decoder = Decoder(SHAPE, "bidirectional").eval()
        if name == "bf16":
            decoder.to(torch.bfloat16)
        if name.startswith("int8"):
            put_bytes(decoder, nearest_bytes(decoder), frozenset(PARTS if "," in name else ("qkv", "down")))
        rate = pace(name, [""], lambda _, decoder=decoder: decoder(ids, attended)).reports * REPORTS * 2 / LAYERS
        first = first or rate
        memory = (parameters * width * LAYERS / SHAPE.num_hidden_layers + TABLE_BYTES) / 1e9
        sys.stdout.write(
            f"{name:<26} {rate:6.2f} reports of {TOKENS} tokens/s  {rate / first:5.2f}×  {memory:.2f} GB\n"
        )


if __name__ == "__main__":
    main()
