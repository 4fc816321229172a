"""Decoders, tokenizers and towers small enough to be computed in a blink, made of the product's own parts."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from models.bidirectional import Decoder, DecoderConfig
from models.interfaces import EncoderInfo
from models.precision import Placement
from models.text import DecoderTextEncoder, ReportTower, TextTokenizer, TowerConfig

CPU = Placement(torch.device("cpu"), "fp32")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")  # ids 0, 1, 2, as in SmolLM2
CONFIG = DecoderConfig(
    vocab_size=len(SPECIAL) + 256,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    rope_theta=10_000.0,
)


def shaken(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give every parameter random values near its own, so that no weight is 0 or 1 by default."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw))
    return module.eval()


def tiny_decoder(attention: str = "causal", config: DecoderConfig = CONFIG) -> Decoder:
    torch.manual_seed(0)
    return shaken(Decoder(config, attention))


def tiny_tower(**config: object) -> ReportTower:
    torch.manual_seed(0)
    return shaken(ReportTower(CONFIG, TowerConfig(layers=CONFIG.num_hidden_layers, **config)))


def byte_tokenizer() -> Tokenizer:
    """One token a byte; nothing merged."""
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *sorted(ByteLevel.alphabet())))}
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def tiny_info(max_tokens: int = 512, dim: int = CONFIG.hidden_size) -> EncoderInfo:
    return EncoderInfo("tiny", "report", dim, max_tokens, "cosine", "fp32", "cpu", "0" * 64, instructed=True)


def tiny_encoder(tower: ReportTower | None = None, max_tokens: int = 512) -> DecoderTextEncoder:
    tokenizer = TextTokenizer(byte_tokenizer(), max_tokens)
    return DecoderTextEncoder(tower or tiny_tower(), tokenizer, tiny_info(max_tokens), CPU)
