"""A decoder LLM as a report encoder: (instruction, text) pairs in, one vector per text out.

Paper sections 3 and 4: the instruction is read by every token but never pooled. Instruction and text are tokenised
apart and joined as ids, so nothing a person types can be taken for an instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from models.bidirectional import Attention, Decoder, DecoderConfig
from models.int8 import ByteLinear
from models.interfaces import EncoderInfo, Vectors
from models.pooling import Pooling, PoolingMode, Whitening
from models.precision import Home, Placement

END_OF_TEXT = 2  # SmolLM2's <|im_end|>: pads, and stands for an empty text
TOKENS_PER_BATCH = 4_096
BYTE_TOKENS_PER_BATCH = 1_024  # byte weights leave so little to multiply that the states should stay in the cache


@dataclass(frozen=True)
class TowerConfig:
    """What turns a decoder into a report tower."""

    layers: int = 30  # the first so many decoder layers are used
    attention: Attention = "bidirectional"
    pooling: PoolingMode = "mean"
    whitening: bool = False
    depths: tuple[int, ...] = ()  # states after so many layers are pooled side by side, then whitened; (): the last
    max_tokens: int = 512  # instruction and text together


def tower_config(manifest: Mapping[str, Any]) -> TowerConfig:
    """Return what the manifest of a trained tower says that it is made of."""
    told = manifest["tower"]
    return TowerConfig(**{**told, "depths": tuple(told.get("depths", ()))})


@dataclass(frozen=True)
class Batch:
    """Padded token ids; `kept` marks the text's own tokens, which alone are pooled."""

    ids: Tensor  # [b, l] int64
    attended: Tensor  # [b, l] bool
    kept: Tensor  # [b, l] bool

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(self.ids.to(device), self.attended.to(device), self.kept.to(device))


class ReportTower(nn.Module):
    """Decoder, pooling, and the whitening map.

    Args:
        decoder: its shape.
        config: what turns it into a tower.
        weights: all weights of the decoder in fp32, which are taken as they are instead of random ones: half a second
            less at every start.
    """

    def __init__(
        self, decoder: DecoderConfig, config: TowerConfig, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        with nullcontext() if weights is None else torch.device("meta"):
            self.decoder = Decoder(decoder, config.attention)
        if weights is not None:
            self.decoder.load_state_dict(weights, assign=True)
        self.pooling = Pooling(config.pooling, decoder.hidden_size)
        parts = max(1, len(config.depths))
        self.whitening = Whitening(decoder.hidden_size, parts) if config.whitening else None

    def pool(self, batch: Batch) -> Tensor:
        """Return pooled states before whitening: [b, d], or [b, k·d] of k depths side by side."""
        if not self.config.depths:
            return self.pooling(self.decoder(batch.ids, batch.attended), batch.kept)  # type: ignore[no-any-return]
        states = self.decoder.states_at(self.config.depths, batch.ids, batch.attended)
        return torch.cat([self.pooling(at_depth, batch.kept) for at_depth in states], dim=-1)

    def forward(self, batch: Batch) -> Tensor:
        """Return [b, d] vectors, not normalised."""
        pooled = self.pool(batch)
        return pooled if self.whitening is None else self.whitening(pooled)


TokenPair = tuple[list[int], list[int]]  # ids of the instruction, ids of the text


class PairTokenizer(Protocol):
    """Token ids of (instruction, text) pairs."""

    def pairs(self, texts: Sequence[str], instructions: Sequence[str]) -> list[TokenPair]:
        """Return the ids of each instruction and of its text, the text cut so that both together fit."""
        ...


class TextTokenizer:
    """Token ids of (instruction, text) pairs."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens

    def pairs(self, texts: Sequence[str], instructions: Sequence[str]) -> list[TokenPair]:
        """Return the ids of each instruction and of its text, the text cut so that both together fit."""
        prefixes = {one: self._ids([f"{one}; "])[0] if one else [] for one in set(instructions)}
        pairs = zip((prefixes[one] for one in instructions), self._ids(texts), strict=True)
        return [(prefix, ids[: max(1, self._max_tokens - len(prefix))] or [END_OF_TEXT]) for prefix, ids in pairs]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]


def pad(pairs: Sequence[TokenPair]) -> Batch:
    """Join each instruction's ids with its text's, and pad on the right."""
    rows = [[*prefix, *text] for prefix, text in pairs]
    lengths = torch.tensor([[len(row)] for row in rows])
    begins = torch.tensor([[len(prefix)] for prefix, _ in pairs])
    positions = torch.arange(int(lengths.max()))
    ids = torch.tensor([row + [END_OF_TEXT] * (len(positions) - len(row)) for row in rows])
    attended = positions < lengths  # [l] against [b, 1] → [b, l]
    return Batch(ids, attended, attended & (positions >= begins))


def in_buckets(
    vectors: Callable[[Batch], Tensor], pairs: Sequence[TokenPair], device: torch.device, tokens_per_batch: int
) -> Tensor:
    """Run `vectors` over pairs in batches of similar length → [n, d] fp32, in the order given."""
    buckets = list(length_buckets([len(prefix) + len(text) for prefix, text in pairs], tokens_per_batch))
    rows = torch.cat([vectors(pad([pairs[row] for row in bucket]).to(device)).float() for bucket in buckets])
    order = torch.tensor([row for bucket in buckets for row in bucket], device=device)
    return rows[order.argsort()]


def length_buckets(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Yield indices grouped by similar length, each group at most so many tokens after padding, longest first."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


class DecoderTextEncoder:
    """`TextEncoder` over a report tower, with an optional projection into a shared space."""

    def __init__(
        self,
        tower: ReportTower,
        tokenizer: PairTokenizer,
        info: EncoderInfo,
        placement: Placement,
        projection: nn.Module | None = None,
    ) -> None:
        self._tower, self._projection = tower.eval(), projection.eval() if projection is not None else None
        if placement.precision != "int8":
            self._tower.decoder.to(placement.dtype)
        self._tokenizer = tokenizer
        self._info = info
        self._home = Home([tower, *([projection] if projection is not None else [])], placement)

    @property
    def info(self) -> EncoderInfo:
        """The tower's description, as it runs now."""
        return self._home.told(self._info)

    @property
    def decoder_bytes(self) -> int:
        """Return how many bytes of memory the decoder's weights take, its token table included."""
        decoder = self._tower.decoder
        plain = sum(one.numel() * one.element_size() for one in (*decoder.parameters(), *decoder.buffers()))
        return plain + sum(one.packed_bytes for one in decoder.modules() if isinstance(one, ByteLinear))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        """Encode texts → [n, d] float32, unit rows if `info.score` is "cosine".

        Texts beyond `max_tokens` are cut; "" has a vector of its own.
        """
        if not texts:
            return np.zeros((0, self.info.dim), dtype=np.float32)
        pairs = self._tokenizer.pairs(texts, [instruction] * len(texts))
        at_once = BYTE_TOKENS_PER_BATCH if self._home.placement.precision == "int8" else TOKENS_PER_BATCH
        return self._home.run(
            lambda: in_buckets(self._vectors, pairs, self._home.placement.device, at_once).cpu().numpy()
        )

    def _vectors(self, batch: Batch) -> Tensor:
        vectors = self._tower(batch)
        if self._projection is not None:
            vectors = self._projection(vectors)
        return F.normalize(vectors.float(), dim=-1) if self._info.score == "cosine" else vectors.float()


LoraTarget = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ALL_TARGETS: tuple[LoraTarget, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def merge_lora(model: nn.Module, adapter: dict[str, Tensor], scale: float) -> None:
    """Fold a LoRA adapter into a language model: W += scale · B · A, computed in fp32.

    Args:
        model: changed in place.
        adapter: "layers.0.self_attn.q_proj.lora_A" → [r, in] and "….lora_B" → [out, r].
        scale: alpha / r.

    Raises:
        KeyError: the adapter names a layer that the model does not have.
    """
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for key, down in adapter.items():
            if key.endswith(".lora_A"):
                target = key.removesuffix(".lora_A")
                up = adapter[f"{target}.lora_B"]
                weights[f"{target}.weight"].add_(scale * up.float() @ down.float())
