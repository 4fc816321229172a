from __future__ import annotations

from copy import deepcopy
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_towers import CPU, byte_tokenizer, tiny_decoder, tiny_encoder, tiny_info, tiny_tower

from models.interfaces import SEARCH_INSTRUCTION, TextEncoder
from models.pooling import PoolingMode
from models.text import (
    ALL_TARGETS,
    END_OF_TEXT,
    DecoderTextEncoder,
    TextTokenizer,
    in_buckets,
    length_buckets,
    merge_lora,
    pad,
)

SEPARATOR = "!@#$%^&*()"  # what the paper's code puts between instruction and text
NOTES = (
    "Small left effusion.",
    "Clear.",
    "Tip of the tube ends well above the carina, no air leak is seen on either side.",
    "Old rib fracture on the right.",
)


def pairs_of(text: str, instruction: str = "", max_tokens: int = 512):
    return TextTokenizer(byte_tokenizer(), max_tokens).pairs([text], [instruction])[0]


def written(ids):
    return byte_tokenizer().decode(ids)


def test_rows_are_unit_vectors_in_float32():
    encoder = tiny_encoder()
    vectors = encoder.encode(NOTES)
    assert isinstance(encoder, TextEncoder)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 64)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_texts_give_no_rows():
    assert tiny_encoder().encode([]).shape == (0, 64)


def test_an_empty_text_has_a_vector_of_its_own():
    vectors = tiny_encoder().encode(["", "Clear."])
    assert np.isfinite(vectors).all()
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)
    assert pairs_of("") == ([], [END_OF_TEXT])


@pytest.mark.parametrize("odd", ["a " * 10_000, "\N{LUNGS}\N{BONE}", "\0", "\u202eLLR", " ", "<|im_end|>"], ids=repr)
def test_an_odd_text_has_a_vector_and_changes_no_other_row(odd):
    encoder = tiny_encoder()
    beside = encoder.encode([NOTES[0], odd, *NOTES[1:]])
    assert np.allclose(np.linalg.norm(beside, axis=1), 1, atol=1e-6)
    assert np.abs(np.delete(beside, 1, axis=0) - encoder.encode(NOTES)).max() < 1e-5


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("pooling", get_args(PoolingMode))
def test_an_embedding_never_depends_on_its_batch_mates(attention, pooling):
    encoder = tiny_encoder(tiny_tower(attention=attention, pooling=pooling))
    together = encoder.encode(NOTES, SEARCH_INSTRUCTION)
    alone = np.concatenate([encoder.encode([note], SEARCH_INSTRUCTION) for note in NOTES])
    assert np.abs(together - alone).max() < 1e-5


def test_order_is_kept_when_texts_are_batched_by_length():
    notes = [note * repeats for repeats in (1, 40, 3) for note in NOTES]  # several buckets
    forward, backward = tiny_encoder().encode(notes), tiny_encoder().encode(notes[::-1])
    assert np.abs(forward - backward[::-1]).max() < 1e-5


def test_the_separator_of_others_typed_in_a_text_is_only_text():
    prefix, ids = pairs_of(f"Summarize{SEPARATOR}effusion", SEARCH_INSTRUCTION)
    assert written(prefix) == f"{SEARCH_INSTRUCTION}; "
    assert written(ids) == f"Summarize{SEPARATOR}effusion"


def test_a_typed_separator_changes_no_other_row():
    encoder = tiny_encoder()
    usual = encoder.encode(NOTES)
    beside = encoder.encode([NOTES[0], f"Summarize{SEPARATOR}effusion", *NOTES[1:]])
    assert np.abs(np.delete(beside, 1, axis=0) - usual).max() < 1e-5


def test_an_instruction_typed_as_text_is_pooled_and_so_gives_another_vector():
    encoder = tiny_encoder()
    asked = encoder.encode(["Clear."], SEARCH_INSTRUCTION)
    typed = encoder.encode([f"{SEARCH_INSTRUCTION}; Clear."])
    assert not np.allclose(asked, typed, atol=1e-3)


def test_instruction_and_text_are_tokenised_apart():
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(["; s"])  # a token that would swallow the border, were they one string
    prefix, ids = TextTokenizer(tokenizer, 512).pairs(["small"], ["Find"])[0]
    assert (tokenizer.decode(prefix), tokenizer.decode(ids)) == ("Find; ", "small")
    assert tokenizer.encode("Find; small").ids != [*prefix, *ids]


def test_each_text_may_carry_an_instruction_of_its_own():
    pairs = TextTokenizer(byte_tokenizer(), 512).pairs(["a", "b", "c"], ["X", "", "Y"])
    assert [(written(prefix), written(ids)) for prefix, ids in pairs] == [("X; ", "a"), ("", "b"), ("Y; ", "c")]


def test_too_long_a_text_is_cut_and_the_instruction_kept():
    prefix, ids = pairs_of("0123456789", "Find", max_tokens=10)
    assert (written(prefix), written(ids)) == ("Find; ", "0123")


def test_an_instruction_that_fills_everything_leaves_one_token_of_the_text():
    prefix, ids = pairs_of("0123456789", "Find this", max_tokens=5)
    assert (written(prefix), written(ids)) == ("Find this; ", "0")


def test_what_lies_beyond_the_limit_changes_nothing():
    encoder = tiny_encoder(max_tokens=16)
    vectors = encoder.encode(["0123456789abcdef", "0123456789abcdef and more"])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5


def test_padding_and_instruction_are_not_kept():
    batch = pad([([7, 8], [9]), ([], [4, 5, 6, 3])])
    assert batch.ids.tolist() == [[7, 8, 9, END_OF_TEXT], [4, 5, 6, 3]]
    assert batch.attended.int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch.kept.int().tolist() == [[0, 0, 1, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("pooling", ["mean", "weighted_mean", "last", "latent_attention"])
def test_the_instruction_is_read_but_never_pooled(pooling):
    encoder = tiny_encoder(tiny_tower(pooling=pooling))
    assert not np.allclose(encoder.encode(["Clear."]), encoder.encode(["Clear."], "Find"), atol=1e-4)
    deaf = tiny_tower(pooling=pooling)
    for layer in deaf.decoder.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)  # no token hears another: only pooling could mix them
    encoder = tiny_encoder(deaf)
    assert np.allclose(encoder.encode(["Clear."]), encoder.encode(["Clear."], "Find"), atol=1e-6)


def test_whitening_comes_after_pooling_and_a_projection_after_both():
    tower = tiny_tower(whitening=True)
    projection = torch.nn.Linear(64, 8)
    encoder = DecoderTextEncoder(tower, TextTokenizer(byte_tokenizer(), 512), tiny_info(dim=8), CPU, projection)
    batch = pad(TextTokenizer(byte_tokenizer(), 512).pairs(["Clear."], [""]))
    with torch.no_grad():
        pooled = tower.decoder(batch.ids, batch.attended)[0].mean(dim=0)
        expected = projection(tower.whitening.linear.weight @ (pooled - tower.whitening.centre))
    assert np.allclose(encoder.encode(["Clear."])[0], expected / expected.norm(), atol=1e-5)


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 200))
def test_buckets_hold_every_index_once_and_keep_to_the_budget(lengths, budget):
    buckets = list(length_buckets(lengths, budget))
    assert sorted(index for bucket in buckets for index in bucket) == list(range(len(lengths)))
    for bucket in buckets:
        assert len(bucket) == 1 or len(bucket) * max(lengths[index] for index in bucket) <= budget


@given(st.permutations([1, 2, 3, 5, 8, 13]))
def test_rows_come_back_in_the_order_given(lengths):
    rows = in_buckets(
        lambda batch: batch.kept.sum(dim=1, keepdim=True), [([], [4] * n) for n in lengths], CPU.device, 16
    )
    assert rows[:, 0].tolist() == lengths


def test_a_merged_lora_equals_pefts_own_forward():
    from peft import LoraConfig, inject_adapter_in_model

    merged, adapted = tiny_decoder(), tiny_decoder()
    inject_adapter_in_model(LoraConfig(r=4, lora_alpha=8, target_modules=list(ALL_TARGETS)), adapted)
    torch.manual_seed(5)
    adapter = {}
    for name, parameter in adapted.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
            adapter[name.removesuffix(".default.weight")] = parameter.detach()
    untouched = deepcopy(merged)
    merge_lora(merged, adapter, scale=8 / 4)
    batch = pad([([], [5, 17, 200]), ([], [31, 9, 44, 3, 101])])
    with torch.no_grad():
        plain, ours, theirs = (
            model(batch.ids, batch.attended)[batch.attended] for model in (untouched, merged, adapted.eval())
        )
    assert len(adapter) == 2 * len(ALL_TARGETS) * 2  # A and B in two layers
    assert (ours - theirs).abs().max() < 1e-5
    assert (ours - plain).abs().max() > 0.1


def test_an_adapter_for_a_layer_the_decoder_lacks_is_refused():
    adapter = {"layers.7.mlp.up_proj.lora_A": torch.ones(2, 64), "layers.7.mlp.up_proj.lora_B": torch.ones(128, 2)}
    with pytest.raises(KeyError, match=r"layers\.7"):
        merge_lora(tiny_decoder(), adapter, 1.0)


def test_a_bf16_tower_multiplies_in_bf16_and_pools_in_fp32():
    from models.precision import place

    exact = tiny_encoder().encode(NOTES)
    tower = tiny_tower(whitening=True)
    DecoderTextEncoder(tower, TextTokenizer(byte_tokenizer(), 512), tiny_info(), place("bf16", "cpu"))
    assert {parameter.dtype for parameter in tower.decoder.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in tower.whitening.parameters()} == {torch.float32}
    rough = DecoderTextEncoder(tiny_tower(), TextTokenizer(byte_tokenizer(), 512), tiny_info(), place("bf16", "cpu"))
    assert 0.99 < (exact * rough.encode(NOTES)).sum(axis=1).min() < 1
