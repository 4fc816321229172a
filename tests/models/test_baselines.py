from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from models.baselines import MINILM, BertTokenizer, BertTower, bert_model, minilm_encoder, trained_bert_encoder
from models.checkpoint import open_checkpoint, save_checkpoint
from models.interfaces import TextEncoder
from models.packaged import minilm, minilm_tensors
from models.precision import place
from models.text import pad

NOTES = (
    "There is a small pleural effusion on the left.",
    "Small left-sided effusion.",
    "The invoice for the new printer was paid on Tuesday.",
)


@pytest.fixture(scope="module")
def encoder():
    return minilm_encoder(place("fp32", "cpu"))


def by_hand(text):
    """Mean of the token states that transformers' own loading of the package gives, normalised."""
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder, _ = minilm()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    ids = tokenizer.encode(text).ids
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        mean = sum(model(torch.tensor([ids])).last_hidden_state[0]) / len(ids)
    return (mean / mean.norm()).numpy()


def test_an_identical_sentence_scores_one(encoder):
    vectors = encoder.encode([NOTES[0], NOTES[0]])
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-6)


def test_the_same_in_other_words_is_nearer_than_something_else(encoder):
    effusion, reworded, printer = encoder.encode(NOTES)
    assert effusion @ reworded > 0.5 > 0.2 > effusion @ printer


def test_pooling_is_the_mean_over_the_texts_tokens(encoder):
    padded = encoder.encode([NOTES[1], NOTES[2] * 3])[0]
    assert np.abs(padded - by_hand(NOTES[1])).max() < 1e-5


def test_an_embedding_never_depends_on_its_batch_mates(encoder):
    texts = [*NOTES, "", NOTES[0] * 20]
    together = encoder.encode(texts)
    assert np.abs(together - np.concatenate([encoder.encode([text]) for text in texts])).max() < 1e-5


def test_an_instruction_is_put_before_the_text(encoder):
    assert np.allclose(encoder.encode([NOTES[1]], "Find"), encoder.encode([f"Find\n{NOTES[1]}"]), atol=1e-6)


def test_what_lies_beyond_the_limit_changes_nothing(encoder):
    long = "effusion " * MINILM.max_tokens
    vectors = encoder.encode([long, f"{long} and a printer"])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 384)


def test_it_describes_itself_as_a_baseline(encoder):
    info = encoder.info
    assert isinstance(encoder, TextEncoder)
    assert (info.name, info.space, info.dim, info.score, info.instructed) == ("minilm", "report", 384, "cosine", False)
    assert info.note.startswith("baseline")
    assert len(info.revision) == 64
    assert info.revision != minilm_encoder(place("bf16", "cpu")).info.revision


def trained(folder, tensors, scale=2.0):
    about = {"name": "toy", "backbone": "minilm", "tower": {**asdict(MINILM), "max_tokens": 8}, "lora_scale": scale}
    save_checkpoint(folder, tensors, about)
    return trained_bert_encoder(open_checkpoint(folder), place("fp32", "cpu"))


def test_a_trained_bert_is_the_packaged_one_with_its_adapters_folded_in(encoder, tmp_path):
    torch.manual_seed(0)
    part = "encoder.layer.5.attention.self.query"
    down, up = 0.1 * torch.randn(2, 384), 0.1 * torch.randn(384, 2)
    adapted = trained(tmp_path / "toy", {f"lora.{part}.lora_A": down, f"lora.{part}.lora_B": up})
    weight = f"{part}.weight"
    assert torch.allclose(
        adapted._tower.bert.get_parameter(weight), minilm_tensors()[weight] + 2.0 * up @ down, atol=1e-6
    )
    assert np.abs(adapted.encode(NOTES) - encoder.encode(NOTES)).max() > 1e-3
    assert (adapted.info.name, adapted.info.max_tokens, adapted.info.instructed) == ("toy", 8, False)
    assert adapted.info.revision != encoder.info.revision


def test_a_bert_with_a_map_gives_the_map_of_its_states_at_every_depth(tmp_path):
    config = replace(MINILM, max_tokens=32, whitening=True, depths=(1, 6))
    linear = torch.cat((torch.zeros(384, 384), 2 * torch.eye(384)), dim=1)  # of the last depth alone
    centre = torch.cat((torch.ones(384), torch.full((384,), 0.25)))
    weights = {"whitening.linear.weight": linear, "whitening.centre": centre}
    save_checkpoint(tmp_path / "toy", weights, {"name": "toy", "tower": asdict(config), "lora_scale": 1.0})
    mapped = trained_bert_encoder(open_checkpoint(tmp_path / "toy"), place("fp32", "cpu"))
    shape = json.loads((minilm()[0] / "config.json").read_text())
    tower = BertTower(bert_model(shape, minilm_tensors()), MINILM).eval()
    batch = pad(mapped._tokenizer.pairs([NOTES[0]], [""]))
    with torch.inference_mode():
        expected = tower(batch)[0] - 0.25
    assert mapped.encode([NOTES[0]])[0] == pytest.approx((expected / expected.norm()).numpy(), abs=1e-5)
    assert mapped.info.pooling == "whitened mean"


def test_a_bert_trained_whole_takes_the_weights_it_comes_with(encoder, tmp_path):
    changed = {f"bert.{key}": value + 0.01 for key, value in minilm_tensors().items() if key.startswith("encoder.")}
    whole = trained(tmp_path / "toy", changed)
    key = "encoder.layer.0.output.dense.bias"
    assert torch.equal(whole._tower.bert.get_parameter(key), changed[f"bert.{key}"])
    assert np.abs(whole.encode(NOTES) - encoder.encode(NOTES)).max() > 1e-3


def test_a_bert_without_one_of_its_weights_is_not_built():
    tensors = minilm_tensors()
    del tensors["embeddings.LayerNorm.weight"]
    shape = json.loads((minilm()[0] / "config.json").read_text())
    with pytest.raises(KeyError, match=r"embeddings\.LayerNorm\.weight"):
        bert_model(shape, tensors)


def test_states_of_the_special_tokens_are_pooled_with_the_texts_own():
    from tokenizers import Tokenizer

    folder, _ = minilm()
    shape = json.loads((folder / "config.json").read_text())
    tower = BertTower(bert_model(shape, minilm_tensors()), MINILM).eval()
    tokenizer = BertTokenizer(Tokenizer.from_file(str(folder / "tokenizer.json")), 32)
    pairs = tokenizer.pairs([NOTES[1]], [""])
    assert pairs[0][0] == []
    assert (pairs[0][1][0], pairs[0][1][-1]) == (101, 102)  # [CLS] and [SEP]
    with torch.no_grad():
        batch = pad(pairs)
        assert torch.allclose(tower(batch), tower.states(batch).mean(dim=1), atol=1e-6)
