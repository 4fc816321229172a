"""BERT report encoders, the baselines: token states of a masked language model, pooled by mean."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from models.checkpoint import Checkpoint, below, digest_of, own_base, sha256_of
from models.interfaces import EncoderInfo, Vectors
from models.packaged import TOKENIZER, minilm, minilm_tensors
from models.pooling import masked_mean
from models.precision import Placement
from models.text import Batch, TokenPair, TowerConfig, in_buckets, merge_lora, tower_config

MINILM = TowerConfig(layers=6, attention="bidirectional", pooling="mean", max_tokens=256)
TOKENS_PER_BATCH = 8_192


BERT_TARGETS = ("query", "key", "value", "dense")


class BertTower(nn.Module):
    """A BERT whose token states are pooled by mean, special tokens included, as sentence encoders do."""

    def __init__(self, bert: nn.Module, config: TowerConfig) -> None:
        super().__init__()
        self.config = config
        self.bert: Any = bert

    def states(self, batch: Batch) -> Tensor:
        """Return token states [b, l, d]."""
        attended = batch.attended.long()
        return self.bert(input_ids=batch.ids, attention_mask=attended).last_hidden_state  # type: ignore[no-any-return]

    def forward(self, batch: Batch) -> Tensor:
        """Return [b, d] vectors, not normalised."""
        return masked_mean(self.states(batch).float(), batch.kept.float())


class BertTokenizer:
    """Token ids of instruction and text as one string, between BERT's own first and last token."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()

    def pairs(self, texts: Sequence[str], instructions: Sequence[str]) -> list[TokenPair]:
        """Return ([], ids) of each text; all ids are pooled."""
        joined = [f"{one}\n{text}" if one else text for text, one in zip(texts, instructions, strict=True)]
        return [([], encoding.ids) for encoding in self._tokenizer.encode_batch(joined)]


class BertTextEncoder:
    """`TextEncoder` over a BERT tower."""

    def __init__(self, tower: BertTower, tokenizer: BertTokenizer, info: EncoderInfo, placement: Placement) -> None:
        self._tower = tower.eval().to(placement.device)
        self._tokenizer = tokenizer
        self._placement = placement
        self.info = info

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        """Encode texts → [n, d] float32 unit rows; texts beyond `max_tokens` are cut."""
        if not texts:
            return np.zeros((0, self.info.dim), dtype=np.float32)
        pairs = self._tokenizer.pairs(texts, [instruction] * len(texts))
        with self._placement.autocast():
            vectors = in_buckets(self._tower, pairs, self._placement.device, TOKENS_PER_BATCH)
        return F.normalize(vectors, dim=-1).cpu().numpy()


def bert_model(shape: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """Build a BERT without its pooler.

    Args:
        shape: what its config.json says.
        tensors: its weights, with or without "bert." before their names; other keys are left out.

    Raises:
        KeyError: a weight is missing.
    """
    from transformers import BertConfig, BertModel

    model: nn.Module = BertModel(BertConfig(**shape), add_pooling_layer=False)
    plain = {key.removeprefix("bert."): value for key, value in tensors.items()}
    model.load_state_dict({key: plain[key] for key in model.state_dict()})
    return model


def minilm_encoder(placement: Placement) -> BertTextEncoder:
    """Load all-MiniLM-L6-v2 from its package, untouched: its authors use mean pooling and no instruction."""
    tower, tokenizer, base = _minilm(MINILM)
    note = "baseline: all-MiniLM-L6-v2, a general sentence encoder, not trained on reports"
    revision = digest_of(base, "mean", placement.precision)
    return BertTextEncoder(tower, tokenizer, _info("minilm", tower, revision, placement, note), placement)


def trained_bert_encoder(trained: Checkpoint, placement: Placement) -> BertTextEncoder:
    """Load a BERT that was trained on reports: adapters, or all of its weights, over the packaged one or its own."""
    tensors, scale = trained.tensors(), trained.manifest["lora_scale"]
    if "bert" in trained.manifest:
        tower, tokenizer, base = _own_bert(trained, tensors)
    else:
        tower, tokenizer, base = _minilm(tower_config(trained.manifest))
    tower.bert.load_state_dict(below(tensors, "bert."), strict=False)  # where everything was trained
    merge_lora(tower.bert, below(tensors, "lora."), scale)
    revision = digest_of(base, trained.revision, json.dumps([vars(tower.config), scale]), placement.precision)
    note = "baseline: a BERT trained on the same reports, in the same way, as the default encoder"
    info = _info(trained.manifest["name"], tower, revision, placement, note)
    return BertTextEncoder(tower, tokenizer, info, placement)


def _minilm(config: TowerConfig) -> tuple[BertTower, BertTokenizer, str]:
    """Return the packaged BERT, its tokenizer, and the sha256 of both."""
    folder, weights = minilm()
    shape = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tower = BertTower(bert_model(shape, minilm_tensors()), config)
    tokenizer = BertTokenizer(Tokenizer.from_file(str(folder / TOKENIZER)), config.max_tokens)
    return tower, tokenizer, digest_of(weights, sha256_of(folder / TOKENIZER))


def _own_bert(trained: Checkpoint, tensors: Mapping[str, Tensor]) -> tuple[BertTower, BertTokenizer, str]:
    """Return the BERT, its tokenizer, and the sha256 of its shape, from a checkpoint that holds all of it."""
    shape, config = trained.manifest["bert"], tower_config(trained.manifest)
    tower = BertTower(bert_model(shape, own_base(tensors, "bert.")), config)
    tokenizer = BertTokenizer(Tokenizer.from_file(str(trained.folder / TOKENIZER)), config.max_tokens)
    return tower, tokenizer, digest_of(json.dumps(shape, sort_keys=True))


def _info(name: str, tower: BertTower, revision: str, placement: Placement, note: str) -> EncoderInfo:
    return EncoderInfo(
        name=name,
        space="report",
        dim=tower.bert.config.hidden_size,
        max_tokens=tower.config.max_tokens,
        score="cosine",
        precision=placement.precision,
        device=placement.device.type,
        revision=revision,
        note=note,
    )
