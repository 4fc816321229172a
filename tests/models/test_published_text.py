from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_published import CONFIG, LAYERS, WIDTH, text_tensors, write_text_tower
from tiny_towers import CPU
from tokenizers import Tokenizer
from torch.nn import functional as F

from models.checkpoint import TENSORS
from models.interfaces import TextEncoder, TowerError, WeightsDamaged, WeightsMissing
from models.precision import place
from models.published import JointTokenizer, keep_published, published_encoder

NOTES = ["Small left effusion.", "Clear.", "A tube ends above the carina, no air leak is seen on either side."]
ASKED = "Find the same"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_text_tower(tmp_path_factory.mktemp("hub") / "tower")


@pytest.fixture(scope="module")
def encoder(folder):
    return published_encoder("tiny", folder, CPU)


def as_its_authors_do(folder, texts, instruction, pooling):
    """Their way, written anew: left padding, the text's tokens counted from the end, one row pooled at a time."""
    from transformers import LlamaConfig, LlamaModel

    stored = load_file(folder / "model.safetensors")
    model = LlamaModel(LlamaConfig(**CONFIG)).eval()
    model.load_state_dict({key.removeprefix("model."): stored[key] for key in stored if key.startswith("model.")})
    model.config.is_causal = False
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    before = f"{instruction};  " if instruction else ""
    rows = [tokenizer.encode(before + text).ids for text in texts]
    own = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([[2] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
        if pooling == "mean":
            pooled = [state[-n:].mean(dim=0) for state, n in zip(states, own, strict=True)]
        else:
            pooled = [latent_pooled(stored, state[-n:]) for state, n in zip(states, own, strict=True)]
    return F.normalize(torch.stack(pooled), dim=-1).numpy()


def latent_pooled(stored, states):
    part = {key.removeprefix("latent_attn."): value for key, value in stored.items() if key.startswith("latent_attn.")}
    weights, biases = (part[f"multihead_attn.in_proj_{kind}"].chunk(3) for kind in ("weight", "bias"))
    heads = [
        F.linear(x, weight, bias).view(len(x), 8, -1).transpose(0, 1)  # [l, d] → [8, l, d/8]
        for x, weight, bias in zip((states, part["latents"], part["latents"]), weights, biases, strict=True)
    ]
    shares = (heads[0] @ heads[1].transpose(1, 2) / (WIDTH / 8) ** 0.5).softmax(dim=-1)
    mixed = (shares @ heads[2]).transpose(0, 1).flatten(1)
    mixed = F.linear(mixed, part["multihead_attn.out_proj.weight"], part["multihead_attn.out_proj.bias"])
    hidden = F.gelu(F.linear(mixed, part["mlp.0.weight"], part["mlp.0.bias"]))
    return F.linear(hidden, part["mlp.2.weight"], part["mlp.2.bias"]).mean(dim=0)


@pytest.mark.parametrize("pooling", ["latent_attention", "mean"])
@pytest.mark.parametrize("instruction", ["", ASKED], ids=["plain", "instructed"])
def test_vectors_are_those_of_its_authors_way(folder, pooling, instruction):
    ours = published_encoder("tiny", folder, CPU, pooling).encode(NOTES, instruction)
    assert np.abs(ours - as_its_authors_do(folder, NOTES, instruction, pooling)).max() < 1e-5


def test_the_two_poolings_differ_in_vectors_revision_and_description(folder, encoder):
    mean = published_encoder("tiny", folder, CPU, "mean")
    assert np.abs(mean.encode(NOTES) - encoder.encode(NOTES)).max() > 0.01
    assert mean.info.revision != encoder.info.revision
    assert (encoder.info.pooling, mean.info.pooling) == ("latent_attention", "mean")


def test_it_describes_itself(encoder):
    info = encoder.info
    assert isinstance(encoder, TextEncoder)
    assert (info.name, info.space, info.dim, info.max_tokens, info.score) == ("tiny", "report", WIDTH, 512, "cosine")
    assert (info.precision, info.device, info.instructed) == ("fp32", "cpu", True)


def test_an_embedding_never_depends_on_its_batch_mates(encoder):
    texts = [*NOTES, "", NOTES[0] * 8]
    together = encoder.encode(texts, ASKED)
    assert np.abs(together - np.concatenate([encoder.encode([text], ASKED) for text in texts])).max() < 1e-5
    assert np.isfinite(together).all()


def test_the_instruction_is_read_but_not_pooled(folder):
    tokenizer = JointTokenizer(Tokenizer.from_file(str(folder / "tokenizer.json")), 512)
    ((before, own),) = tokenizer.pairs(["ab"], ["go"])
    assert len(before) == 1 + len("go;  ")  # the first token of all, and one for each byte
    assert len(own) == 2
    assert tokenizer.pairs(["ab"], [""]) == [([0], own)]


def test_a_token_that_reaches_into_the_text_belongs_to_it():
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split

    tokenizer = Tokenizer(WordLevel({"go;": 0, "  left": 1, "?": 2}, "?"))
    tokenizer.pre_tokenizer = Split("  left", "isolated")
    assert JointTokenizer(tokenizer, 512).pairs(["left"], ["go"]) == [([0], [1])]


def test_no_separator_that_a_person_can_type_means_anything(encoder):
    typed = "Small left!@#$%^&*() effusion."
    assert np.abs(encoder.encode([typed, NOTES[1]])[1] - encoder.encode([NOTES[1]])[0]).max() < 1e-5
    assert np.abs(encoder.encode([typed]) - encoder.encode([" effusion."])).max() > 1e-3


def test_texts_are_cut_at_the_limit(folder, tmp_path):
    copy = write_text_tower(tmp_path / "short")
    (copy / "llm2vec_config.json").write_text(json.dumps({"max_length": 16, "pooling_mode": "mean"}))
    short = published_encoder("tiny", copy, CPU)
    assert (short.info.max_tokens, short.info.pooling) == (16, "mean")
    vectors = short.encode(["x" * 15, "x" * 15 + "never read"])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-6


def test_a_later_token_changes_the_state_of_an_earlier_one(encoder):
    tower = encoder._tower
    ids, attended = torch.tensor([[5, 6, 7], [5, 6, 8]]), torch.ones(2, 3, dtype=torch.bool)
    with torch.inference_mode():
        states = tower.decoder(ids, attended)
    assert (states[0, 0] - states[1, 0]).abs().max() > 1e-4


def test_rotations_are_stretched_as_the_config_says(encoder):
    stretch = encoder._tower.decoder.config.rope_scaling
    assert (stretch.factor, stretch.original_max_position_embeddings) == (32.0, 64)


@pytest.mark.parametrize("lost", ["latent_attn.latents", "model.layers.1.mlp.up_proj.weight"])
def test_a_missing_weight_is_named_and_never_drawn_at_random(tmp_path, lost):
    tensors = {key: value for key, value in text_tensors().items() if key != lost}
    with pytest.raises(WeightsDamaged, match=f"lack {lost}"):
        published_encoder("tiny", write_text_tower(tmp_path / "tower", tensors), CPU)


def test_a_file_without_latents_pools_by_mean_only_when_asked_to(tmp_path):
    bare = {key: value for key, value in text_tensors().items() if not key.startswith("latent_attn.")}
    folder = write_text_tower(tmp_path / "tower", bare)
    with pytest.raises(WeightsDamaged, match=r"lack latent_attn\.latents, .* and 6 more"):
        published_encoder("tiny", folder, CPU)
    assert published_encoder("tiny", folder, CPU, "mean").encode(NOTES).shape == (3, WIDTH)


def test_an_unknown_weight_is_named_and_the_repeated_head_is_not(tmp_path):
    tied = text_tensors() | {"lm_head.weight": text_tensors()["model.embed_tokens.weight"].clone()}
    published_encoder("tiny", write_text_tower(tmp_path / "tied", tied), CPU)
    with pytest.raises(WeightsDamaged, match=r"hold unknown model\.extra\.weight"):
        strange = text_tensors() | {"model.extra.weight": torch.ones(2)}
        published_encoder("tiny", write_text_tower(tmp_path / "strange", strange), CPU)


def test_a_weight_of_another_shape_is_named(tmp_path):
    tensors = text_tensors() | {"model.norm.weight": torch.ones(3)}
    with pytest.raises(WeightsDamaged, match=r"another shape in model\.norm\.weight"):
        published_encoder("tiny", write_text_tower(tmp_path / "tower", tensors), CPU)


def test_files_that_are_not_there_are_named(tmp_path):
    folder = write_text_tower(tmp_path / "tower")
    (folder / "tokenizer.json").unlink()
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsMissing, match=r"lacks tokenizer\.json, model\.safetensors or pytorch_model\.bin"):
        published_encoder("tiny", folder, CPU)


@pytest.mark.parametrize("said", [{"pooling_mode": "eos_token"}, {"skip_instruction": False}])
def test_a_use_that_this_code_would_not_follow_is_refused(tmp_path, said):
    folder = write_text_tower(tmp_path / "tower")
    (folder / "llm2vec_config.json").write_text(json.dumps(said))
    with pytest.raises(TowerError, match="Known: latent_attention and mean, over the text alone"):
        published_encoder("tiny", folder, CPU)


@pytest.mark.parametrize("name", ["config.json", "llm2vec_config.json"])
def test_a_config_that_cannot_be_read_is_damage(tmp_path, name):
    folder = write_text_tower(tmp_path / "tower")
    (folder / name).write_text("{")
    with pytest.raises(WeightsDamaged, match=name):
        published_encoder("tiny", folder, CPU)


def test_a_config_without_a_size_is_damage(tmp_path):
    folder = write_text_tower(tmp_path / "tower")
    (folder / "config.json").write_text(json.dumps({key: CONFIG[key] for key in CONFIG if key != "hidden_size"}))
    with pytest.raises(WeightsDamaged, match="lacks 'hidden_size'"):
        published_encoder("tiny", folder, CPU)


def test_what_was_fetched_is_kept_as_safetensors_and_gives_the_same_vectors(tmp_path, encoder):
    given = write_text_tower(tmp_path / "given", weights="bin")
    keep_published(given, tmp_path / "kept", {"name": "tiny"})
    assert {file.name for file in (tmp_path / "kept").iterdir()} == {
        TENSORS,
        "config.json",
        "tokenizer.json",
        "manifest.json",
    }
    kept = published_encoder("tiny", tmp_path / "kept", CPU)
    assert np.array_equal(kept.encode(NOTES, ASKED), encoder.encode(NOTES, ASKED))


def test_what_was_kept_is_refused_once_a_byte_differs(tmp_path, folder):
    keep_published(folder, tmp_path / "kept", {"name": "tiny"})
    content = bytearray((tmp_path / "kept" / TENSORS).read_bytes())
    content[-1] ^= 1
    (tmp_path / "kept" / TENSORS).write_bytes(content)
    with pytest.raises(WeightsDamaged, match="is damaged"):
        published_encoder("tiny", tmp_path / "kept", CPU)


def test_nothing_is_kept_of_a_file_that_does_not_fit(tmp_path):
    bare = {key: value for key, value in text_tensors().items() if not key.startswith("latent_attn.")}
    with pytest.raises(WeightsDamaged, match="latents"):
        keep_published(write_text_tower(tmp_path / "given", bare), tmp_path / "kept", {})
    assert not (tmp_path / "kept").exists()


def test_bf16_weights_are_placed_as_asked(tmp_path):
    halved = {key: value.bfloat16() for key, value in text_tensors().items()}
    folder = write_text_tower(tmp_path / "tower", halved)
    exact, rough = (published_encoder("tiny", folder, place(precision, "cpu")) for precision in ("fp32", "bf16"))
    for encoder, dtype in ((exact, torch.float32), (rough, torch.bfloat16)):
        assert {parameter.dtype for parameter in encoder._tower.decoder.parameters()} == {dtype}
        assert {parameter.dtype for parameter in encoder._tower.pooling.parameters()} == {torch.float32}
    near = (exact.encode(NOTES) * rough.encode(NOTES)).sum(axis=1)
    assert near.min() > 0.99
    assert exact.info.revision != rough.info.revision


def test_no_layer_is_left_out(encoder):
    assert len(encoder._tower.decoder.layers) == LAYERS
