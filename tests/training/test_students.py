from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import LAYERS, WIDTH, write_llama

from models.interfaces import TowerError, WeightsMissing
from models.text import TowerConfig, pad
from training.students import open_student

CAUSAL = TowerConfig(layers=LAYERS, attention="causal", max_tokens=64)
BOTH_WAYS = TowerConfig(layers=LAYERS, attention="bidirectional", max_tokens=64)
NOTES = [
    "There is small pleural effusion on the left at the base.",
    "The trachea is in the midline. It has increased since the prior film. This is unchanged. Fever.",
    "no finding",
]


def batch_of(student, texts=NOTES):
    return pad(student.tokenizer.pairs(texts, [""] * len(texts)))


def library_states(folder, batch, causal=True):
    """Last hidden states and, of a Llama, logits, as transformers computes them from the folder."""
    from transformers import AutoModel, LlamaForCausalLM

    model = AutoModel.from_pretrained(folder).eval()
    model.config.is_causal = causal
    with torch.no_grad():
        states = model(input_ids=batch.ids, attention_mask=batch.attended.long()).last_hidden_state
        if model.config.model_type != "llama":
            return states, None
        head = LlamaForCausalLM.from_pretrained(folder).eval().lm_head
        return states, head(states)


def opened(folder, config=CAUSAL):
    student = open_student(str(folder), config, 64)
    student.tower.eval()
    return student


@pytest.fixture
def copy(tiny_llama, tmp_path):
    return shutil.copytree(tiny_llama, tmp_path / "mine")


def retold(folder, **said):
    """Change what the folder's config.json says; None takes a key away."""
    about = json.loads((folder / "config.json").read_text()) | said
    kept = {key: value for key, value in about.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    return folder


def reweighed(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("config", [CAUSAL, BOTH_WAYS], ids=lambda config: config.attention)
def test_a_llamas_states_and_logits_are_those_of_transformers(tiny_llama, config):
    student = opened(tiny_llama, config)
    batch = batch_of(student)
    with torch.no_grad():
        states = student.states(batch)
        logits = student.head(states)
    theirs, their_logits = library_states(tiny_llama, batch, config.attention == "causal")
    assert (states - theirs)[batch.attended].abs().max() < 1e-4
    assert (logits - their_logits)[batch.attended].abs().max() < 1e-4
    assert theirs[batch.attended].abs().max() > 0.5


def test_stretched_rotations_are_read_from_the_folder(tiny_llama, copy):
    plain = retold(copy, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0})
    batch = batch_of(opened(tiny_llama))
    with torch.no_grad():
        stretched, straight = opened(tiny_llama).states(batch), opened(plain).states(batch)
    assert (stretched - straight)[batch.attended].abs().max() > 1e-3


def test_the_older_way_of_telling_rotations_is_read_alike(tiny_llama, copy):
    rope = dict(json.loads((copy / "config.json").read_text())["rope_parameters"])
    older = retold(copy, rope_parameters=None, rope_theta=rope.pop("rope_theta"), rope_scaling=rope)
    assert opened(older).shape == opened(tiny_llama).shape


def test_a_head_that_is_not_tied_is_the_folders_own(tmp_path):
    folder = write_llama(tmp_path / "untied", tie_word_embeddings=False)
    student = opened(folder)
    batch = batch_of(student)
    with torch.no_grad():
        logits = student.head(student.states(batch))
    assert (logits - library_states(folder, batch)[1])[batch.attended].abs().max() < 1e-4
    assert [name for name, p in student.head.named_parameters() if p.requires_grad] == []


def test_the_first_layers_of_a_deeper_llama_may_be_used_behind_a_learned_map(tiny_llama):
    student = opened(tiny_llama, TowerConfig(layers=1, max_tokens=64))
    assert len(student.tower.decoder.layers) == student.layers == 1
    assert [name for name, p in student.head.named_parameters() if p.requires_grad] == ["lens.weight", "lens.bias"]


def test_a_berts_states_are_those_of_transformers(tiny_bert):
    student = opened(tiny_bert, BOTH_WAYS)
    batch = batch_of(student)
    with torch.no_grad():
        states = student.states(batch)
    assert (states - library_states(tiny_bert, batch)[0])[batch.attended].abs().max() < 1e-4
    assert student.head(states[0]).shape == (states.shape[1], student.tower.bert.config.vocab_size)


def test_a_student_knows_what_its_objective_needs(tiny_llama, tiny_bert):
    decoder, bert = opened(tiny_llama), opened(tiny_bert)
    assert (decoder.root, decoder.shift, decoder.width) == ("decoder", 1, WIDTH)
    assert (bert.root, bert.shift, bert.width) == ("bert", 0, WIDTH)
    assert (decoder.mask_id, decoder.special_ids) == (1, frozenset())  # "_"
    assert (bert.mask_id, bert.special_ids) == (5, {3, 4})  # [MASK]; [CLS] and [SEP]


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_named_with_what_was_expected(copy, file):
    (copy / file).unlink()
    with pytest.raises(WeightsMissing, match=r"no language model 'mine': a folder with config\.json, tokenizer\.json"):
        opened(copy)


def test_a_model_that_is_neither_llama_nor_bert_is_refused(copy):
    with pytest.raises(TowerError, match="'mine' is neither a Llama nor a BERT"):
        opened(retold(copy, model_type="gpt2"))


def test_more_layers_than_there_are_is_refused(copy):
    with pytest.raises(TowerError, match="asks for 3 layers; 'mine' has 2"):
        opened(copy, TowerConfig(layers=3))


def test_rotations_of_an_unknown_kind_are_refused(copy):
    with pytest.raises(TowerError, match=r"stretched in a way \(yarn\)"):
        opened(retold(copy, rope_parameters={"rope_type": "yarn", "rope_theta": 1.0, "factor": 2.0}))


def test_a_config_that_says_too_little_is_refused(copy):
    with pytest.raises(TowerError, match="'mine' lacks 'hidden_size'"):
        opened(retold(copy, hidden_size=None))


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"),
        lambda tensors: tensors.update({"model.layers.0.self_attn.q_proj.bias": torch.zeros(WIDTH)}),
        lambda tensors: tensors.update({"model.norm.weight": torch.ones(WIDTH + 1)}),
    ],
    ids=["one missing", "with biases", "of another width"],
)
def test_weights_that_are_not_a_plain_llamas_are_refused(copy, change):
    with pytest.raises(TowerError, match="not those of a plain Llama"):
        opened(reweighed(copy, change))


def test_a_bert_without_one_of_its_weights_is_refused(tiny_bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "mine")
    reweighed(folder, lambda tensors: tensors.pop("encoder.layer.0.output.dense.bias"))
    with pytest.raises(TowerError, match=r"'mine' lacks 'encoder\.layer\.0\.output\.dense\.bias'"):
        opened(folder, BOTH_WAYS)
