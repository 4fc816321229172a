"""Language models of two layers with random weights, written by transformers in the hub's layout."""

from __future__ import annotations

from pathlib import Path

import torch
from made_corpus import studies
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

LAYERS, WIDTH = 2, 32
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FIRST = ("[UNK]", "_", "[PAD]", "[CLS]", "[SEP]", "[MASK]")


def words() -> tuple[str, ...]:
    """The made-up reports' words, in the order of the alphabet."""
    said = " ".join(f"{study.findings} {study.impression} {study.indication}" for study in studies())
    return tuple(sorted({word for word, _ in Whitespace().pre_tokenize_str(said)}))


def word_tokenizer() -> Tokenizer:
    """One token a word; any other word is [UNK]."""
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate((*FIRST, *words()))}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer


def write_llama(folder: Path, width: int = WIDTH, layers: int = LAYERS, **said: object) -> Path:
    """Write a Llama with its language-model head; `said` overrides its config."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = word_tokenizer()
    shape = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "rope_parameters": LLAMA3,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "initializer_range": 0.1,
    }
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**{**shape, **said})).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_bert(folder: Path) -> Path:
    """Write a BERT with its pooler, as the hub's BERTs come."""
    from transformers import BertConfig, BertModel

    tokenizer = word_tokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, FIRST.index(token)) for token in ("[CLS]", "[SEP]")]
    )
    shape = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.1,
    )
    torch.manual_seed(0)
    BertModel(shape).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
