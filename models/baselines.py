"""BERT report encoders, the baselines: token states of a masked language model, pooled by mean."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from models.checkpoint import digest_of, sha256_of
from models.interfaces import EncoderInfo, Vectors
from models.packaged import TOKENIZER, minilm, minilm_tensors
from models.pooling import masked_mean
from models.precision import Placement
from models.text import length_buckets

MAX_TOKENS = 256
TOKENS_PER_BATCH = 8_192


class BertTextEncoder:
    """`TextEncoder` over a BERT: instruction and text as one string, mean over all its tokens."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer, info: EncoderInfo, placement: Placement) -> None:
        self._model = model.eval().to(placement.device)
        self._tokenizer = tokenizer
        self._tokenizer.enable_truncation(info.max_tokens)
        self._tokenizer.no_padding()
        self._placement = placement
        self.info = info

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        """Encode texts → [n, d] float32 unit rows; texts beyond `max_tokens` are cut."""
        vectors = np.zeros((len(texts), self.info.dim), dtype=np.float32)
        instructed = [f"{instruction}\n{text}" if instruction else text for text in texts]
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(instructed)]
        for rows in length_buckets([len(row) for row in ids], TOKENS_PER_BATCH):
            vectors[rows] = self._vectors([ids[row] for row in rows]).float().cpu().numpy()
        return vectors

    def _vectors(self, rows: list[list[int]]) -> Tensor:
        width = max(len(row) for row in rows)
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        lengths = torch.tensor([[len(row)] for row in rows])
        attended = (torch.arange(width) < lengths).to(self._placement.device)  # [l] against [b, 1] → [b, l]
        with self._placement.autocast():
            states = self._model(input_ids=ids.to(self._placement.device), attention_mask=attended.long())
        return F.normalize(masked_mean(states.last_hidden_state.float(), attended.float()), dim=-1)


def minilm_encoder(placement: Placement) -> BertTextEncoder:
    """Load all-MiniLM-L6-v2 from its package, untouched: its authors use mean pooling and no instruction."""
    from transformers import BertConfig, BertModel

    folder, weights = minilm()
    config = BertConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    model = BertModel(config, add_pooling_layer=False)
    wanted = model.state_dict().keys()
    model.load_state_dict({key: value for key, value in minilm_tensors().items() if key in wanted})
    revision = digest_of(weights, sha256_of(folder / TOKENIZER), "mean", placement.precision)
    info = EncoderInfo(
        name="minilm",
        space="report",
        dim=config.hidden_size,
        max_tokens=MAX_TOKENS,
        score="cosine",
        precision=placement.precision,
        device=placement.device.type,
        revision=revision,
        pooling="mean",
        note="baseline: all-MiniLM-L6-v2, a general sentence encoder, not trained on reports",
    )
    return BertTextEncoder(model, Tokenizer.from_file(str(folder / TOKENIZER)), info, placement)
