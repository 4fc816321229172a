"""BERT report encoders, the baselines: token states of a masked language model, pooled by mean or at [CLS].

The published ones are read from a folder in the hub's layout, as data: a BERT with a head of its own (CXR-BERT) is
opened without the head and without the code that came with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing
from torch import Tensor, nn
from torch.nn import functional as F

from models.catalogue import TOKENIZER_CONFIG, VOCABULARY
from models.checkpoint import Checkpoint, below, digest_of, fill, own_base, sha256_of
from models.hub import HubFolder, open_hub_folder
from models.interfaces import EncoderInfo, Vectors, WeightsDamaged
from models.packaged import TOKENIZER, minilm, minilm_tensors
from models.pooling import Pooling, PoolingMode, Whitening
from models.precision import Home, Placement
from models.text import Batch, PairTokenizer, TokenPair, TowerConfig, in_buckets, merge_lora, tower_config

MINILM = TowerConfig(layers=6, attention="bidirectional", pooling="mean", max_tokens=256)
HUB_TOKENS = 256  # paper section 5: what its BERT baselines read of a text
TOKENS_PER_BATCH = 8_192
SPECIAL = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")


BERT_TARGETS = ("query", "key", "value", "dense")
BERT_SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
DISTIL_SIZES = ("vocab_size", "dim", "n_layers", "n_heads", "hidden_dim")
BY_DEFAULT = (
    "max_position_embeddings",
    "type_vocab_size",
    "hidden_act",
    "activation",
    "layer_norm_eps",
)  # may be unsaid
NORM = {"gamma": "weight", "beta": "bias"}


class BertTower(nn.Module):
    """A BERT whose token states are pooled, special tokens included, as sentence encoders do.

    It may have a decoder's map behind them (`ReportTower`), so that both can be trained in the same way.
    """

    def __init__(self, bert: Any, config: TowerConfig) -> None:  # noqa: ANN401 - a model of the library's
        super().__init__()
        self.config = config
        self.bert: Any = bert
        width = bert.config.hidden_size
        self.pooling = Pooling(config.pooling, width)
        self.whitening = Whitening(width, max(1, len(config.depths))) if config.whitening else None

    def states(self, batch: Batch) -> Tensor:
        """Return token states [b, l, d]."""
        attended = batch.attended.long()
        return self.bert(input_ids=batch.ids, attention_mask=attended).last_hidden_state  # type: ignore[no-any-return]

    def pool(self, batch: Batch) -> Tensor:
        """Return pooled states before the map: [b, d], or [b, k·d] of k depths side by side."""
        if not self.config.depths:
            return self.pooling(self.states(batch), batch.kept)  # type: ignore[no-any-return]
        attended = batch.attended.long()
        told = self.bert(input_ids=batch.ids, attention_mask=attended, output_hidden_states=True).hidden_states
        return torch.cat([self.pooling(told[depth], batch.kept) for depth in self.config.depths], dim=-1)

    def forward(self, batch: Batch) -> Tensor:
        """Return [b, d] vectors, not normalised."""
        pooled = self.pool(batch)
        return pooled if self.whitening is None else self.whitening(pooled)


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
    """`TextEncoder` over a BERT tower, with an optional projection into a shared space."""

    def __init__(
        self,
        tower: BertTower,
        tokenizer: PairTokenizer,
        info: EncoderInfo,
        placement: Placement,
        projection: nn.Module | None = None,
    ) -> None:
        self._tower, self._projection = tower.eval(), projection.eval() if projection is not None else None
        self._tokenizer = tokenizer
        self._info = info
        self._home = Home([tower, *([projection] if projection is not None else [])], placement)

    @property
    def info(self) -> EncoderInfo:
        """The tower's description, as it runs now."""
        return self._home.told(self._info)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        """Encode texts → [n, d] float32 unit rows; texts beyond `max_tokens` are cut."""
        if not texts:
            return np.zeros((0, self.info.dim), dtype=np.float32)
        pairs = self._tokenizer.pairs(texts, [instruction] * len(texts))
        return F.normalize(self._home.run(lambda: self._vectors(pairs)), dim=-1).cpu().numpy()

    def _vectors(self, pairs: Sequence[TokenPair]) -> Tensor:
        placement = self._home.placement
        with placement.autocast():
            pooled = in_buckets(self._tower, pairs, placement.device, TOKENS_PER_BATCH)
        return pooled if self._projection is None else self._projection(pooled)


def bert_model(shape: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """Build a BERT, or a DistilBERT if the shape says so, without its pooler.

    Args:
        shape: what its config.json says; only what decides the shape is read.
        tensors: its weights, with or without "bert." before their names; other keys are left out.

    Raises:
        KeyError: a weight, or something of the shape, is missing.
    """
    from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

    model: nn.Module
    if shape.get("model_type") == "distilbert":
        root, model = "distilbert.", DistilBertModel(DistilBertConfig(**_said(shape, DISTIL_SIZES)))
    else:
        root, model = "bert.", BertModel(BertConfig(**_said(shape, BERT_SIZES)), add_pooling_layer=False)
    plain = {_today(key.removeprefix(root)): value for key, value in tensors.items()}
    model.load_state_dict({key: plain[key] for key in model.state_dict()})
    return model


def _said(shape: Mapping[str, Any], sizes: Sequence[str]) -> dict[str, Any]:
    return {key: shape[key] for key in sizes} | {key: shape[key] for key in BY_DEFAULT if key in shape}


def _today(key: str) -> str:
    """Return a weight's name as the library writes it today: the first BERTs call the parts of a norm otherwise."""
    return re.sub(r"LayerNorm\.(gamma|beta)$", lambda m: f"LayerNorm.{NORM[m[1]]}", key)


def minilm_encoder(placement: Placement) -> BertTextEncoder:
    """Load all-MiniLM-L6-v2 from its package, untouched: its authors use mean pooling and no instruction."""
    tower, tokenizer, base = _minilm(MINILM)
    note = "baseline: all-MiniLM-L6-v2, a general sentence encoder, not trained on reports"
    revision = digest_of(base, "mean", placement.precision)
    return BertTextEncoder(tower, tokenizer, _info("minilm", tower, revision, placement, note), placement)


def trained_bert_encoder(trained: Checkpoint, placement: Placement) -> BertTextEncoder:
    """Load a BERT that was trained on reports: adapters, or all of its weights, over the packaged one or its own."""
    return BertTextEncoder(*open_trained_bert(trained, placement), placement)


def open_trained_bert(trained: Checkpoint, placement: Placement) -> tuple[BertTower, BertTokenizer, EncoderInfo]:
    """Open a BERT that was trained on reports: its parts, for a stage on top of it or a projection behind it."""
    tensors, scale = trained.tensors(), trained.manifest["lora_scale"]
    if "bert" in trained.manifest:
        tower, tokenizer, base = _own_bert(trained, tensors)
    else:
        tower, tokenizer, base = _minilm(tower_config(trained.manifest))
    tower.bert.load_state_dict(below(tensors, "bert."), strict=False)  # where everything was trained
    merge_lora(tower.bert, below(tensors, "lora."), scale)
    fill(tower.pooling, below(tensors, "pooling."))
    if tower.whitening is not None:
        fill(tower.whitening, below(tensors, "whitening."))
    revision = digest_of(base, trained.revision, json.dumps([vars(tower.config), scale]), placement.precision)
    note = "baseline: a BERT trained on the same reports, in the same way, as the default encoder"
    return tower, tokenizer, _info(trained.manifest["name"], tower, revision, placement, note)


def hub_bert_encoder(name: str, folder: Path, placement: Placement, pooling: PoolingMode, note: str) -> BertTextEncoder:
    """Load a published BERT from a folder in the hub's layout.

    Args:
        name: of the encoder.
        folder: config.json, vocab.txt and the weights; tokenizer_config.json is read if it is there.
        placement: where it runs.
        pooling: as its authors, or the paper's evaluation, use it.
        note: how this tower falls short.

    Raises:
        WeightsMissing: a file is not there.
        WeightsDamaged: the weights are not those of its architecture; the message names what is missing.
    """
    hub = open_hub_folder(folder, (VOCABULARY,))
    bert = _hub_bert(hub, hub.tensors())
    config = TowerConfig(bert.config.num_hidden_layers, "bidirectional", pooling, max_tokens=HUB_TOKENS)
    tower, tokenizer = BertTower(bert, config), BertTokenizer(word_pieces(hub), HUB_TOKENS)
    revision = digest_of(hub.revision, pooling, str(HUB_TOKENS), placement.precision)
    return BertTextEncoder(tower, tokenizer, _info(name, tower, revision, placement, note), placement)


def keep_hub_bert(folder: Path, target: Path, about: Mapping[str, Any]) -> None:
    """Check a folder in the hub's layout and write its BERT as a checkpoint, without heads. Raises as the encoder."""
    hub = open_hub_folder(folder, (VOCABULARY,))
    word_pieces(hub)
    hub.save(target, _hub_bert(hub, hub.tensors()).state_dict(), about)


def word_pieces(hub: HubFolder) -> Tokenizer:
    """Build BERT's tokenizer from its vocabulary; lower case unless tokenizer_config.json denies it, as the library.

    Bio_ClinicalBERT says nothing of it though its words are cased: in lower case it was measured by all who load it.
    """
    words = (hub.folder / VOCABULARY).read_text(encoding="utf-8").splitlines()
    numbers = {word: number for number, word in enumerate(words)}
    if any(token not in numbers for token in SPECIAL):
        raise WeightsDamaged(
            f"The vocabulary of {hub.folder.name!r} lacks one of {', '.join(SPECIAL)}. Fetch it again."
        )
    tokenizer = Tokenizer(WordPiece(numbers, unk_token=SPECIAL[0], max_input_chars_per_word=100))
    said = hub.config(TOKENIZER_CONFIG)
    tokenizer.normalizer = BertNormalizer(
        strip_accents=said.get("strip_accents"), lowercase=said.get("do_lower_case", True)
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(*((token, numbers[token]) for token in ("[SEP]", "[CLS]")))
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _hub_bert(hub: HubFolder, tensors: Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - a model of the library's
    try:
        return bert_model(hub.config(), tensors)
    except (KeyError, RuntimeError) as error:
        raise WeightsDamaged(
            f"The weights of {hub.folder.name!r} are not those of the BERT its config tells of: {_first_line(error)}. "
            "Fetch them again."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip("'").strip().splitlines()[-1].strip()


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
        pooling=f"whitened {tower.config.pooling}" if tower.config.whitening else tower.config.pooling,
    )
