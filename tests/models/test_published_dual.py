from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from tiny_published import (
    DEPTH,
    DIM,
    FILM_WIDTH,
    PATCH,
    SIZE,
    dual_tensors,
    film_shapes,
    lora_shapes,
    rotations,
    text_tensors,
    write_text_tower,
)
from tiny_towers import CPU
from torch.nn import functional as F

from models.catalogue import TOKENIZER
from models.checkpoint import TENSORS, open_checkpoint
from models.hub import open_hub_folder
from models.interfaces import ImageEncoder, TextEncoder, WeightsDamaged, WeightsMissing
from models.precision import place
from models.published import published_encoder
from models.published_dual import checkpoint_file, keep_dual, open_published_dual
from models.text import pad
from models.vision import EvaConfig, EvaTower, centre_of_film, normalised_as_clip

PROMPT = "Retrieve the image that best matches the following report."
NOTES = ["Small left effusion.", "Clear lungs."]
FILMS = [np.random.default_rng(seed).integers(0, 256, (90, 70), dtype=np.uint8) for seed in (0, 1)]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return open_hub_folder(write_text_tower(tmp_path_factory.mktemp("hub") / "tower"), (TOKENIZER,))


def opened(folder, text, placement=CPU):
    return open_published_dual("tiny", open_checkpoint(folder), text, placement)


def kept(folder, tensors):
    torch.save(tensors, folder / "llm2clip4cxr.bin")
    keep_dual(folder / "llm2clip4cxr.bin", folder / "kept", {"name": "tiny"})
    return folder / "kept"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return kept(tmp_path_factory.mktemp("dual"), dual_tensors())


@pytest.fixture(scope="module")
def dual(folder, text):
    return opened(folder, text)


def seen_by_their_tower(stored, films):
    """EVA02-CLIP written anew from the description of the authors' layers: [b, 3, s, s] → [b, dim]."""
    part = {key.removeprefix("visual."): value for key, value in stored.items() if key.startswith("visual.")}
    cos, sin = rotations()

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], part[f"{name}.weight"], part[f"{name}.bias"], eps=1e-6)

    def linear(x, name):
        return F.linear(x, part[f"{name}.weight"], part.get(f"{name}.bias"))

    def turned(x):  # [b, h, patches, 64], neighbours in a head are a pair
        swapped = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)
        return x * cos + swapped * sin

    def attention(x, root):
        q, k, v = (linear(x, f"{root}.{name}_proj").unflatten(-1, (-1, 64)).transpose(1, 2) for name in ("q", "k", "v"))
        q, k = (torch.cat((y[:, :, :1], turned(y[:, :, 1:])), dim=2) for y in (q, k))
        mixed = (q @ k.transpose(-1, -2) * 64**-0.5).softmax(dim=-1) @ v
        return linear(norm(mixed.transpose(1, 2).flatten(2), f"{root}.inner_attn_ln"), f"{root}.proj")

    def feed_forward(x, root):
        return linear(norm(F.silu(linear(x, f"{root}.w1")) * linear(x, f"{root}.w2"), f"{root}.ffn_ln"), f"{root}.w3")

    patches = F.unfold(films, PATCH, stride=PATCH).transpose(1, 2)  # [b, patches, 3·p·p]
    weight = part["patch_embed.proj.weight"].flatten(1)
    x = F.linear(patches, weight, part["patch_embed.proj.bias"])
    x = torch.cat((part["cls_token"].expand(len(x), -1, -1), x), dim=1) + part["pos_embed"]
    for block in range(DEPTH):
        x = x + attention(norm(x, f"blocks.{block}.norm1"), f"blocks.{block}.attn")
        x = x + feed_forward(norm(x, f"blocks.{block}.norm2"), f"blocks.{block}.mlp")
    return linear(norm(x, "norm")[:, 0], "head")


def test_films_are_seen_as_by_the_authors_tower(dual):
    with torch.inference_mode():
        prepared = normalised_as_clip([centre_of_film(film, SIZE) for film in FILMS])
        expected = seen_by_their_tower(dual_tensors(), prepared).numpy()
    assert np.abs(dual.image.encode(FILMS) - expected).max() < 1e-4
    assert np.abs(expected[0] - expected[1]).max() > 1e-2


def test_reports_are_read_with_the_adapter_and_projected(dual, tmp_path):
    """The reference folds the adapter in by hand and reads the text tower without its own joining of strings."""
    stored, merged = dual_tensors(), text_tensors()
    root = "text.core.model.base_model.model."
    for key in lora_shapes():
        if key.endswith("lora_A"):
            target = key.removesuffix(".lora_A")
            up, down = (stored[f"{root}{target}.lora_{side}.llm2clip.weight"] for side in "BA")
            merged[f"model.{target}.weight"] += 2.0 * up @ down
    reference = published_encoder("tiny", write_text_tower(tmp_path / "merged", merged), CPU)
    pairs = [([0, *before], own) for before, own in (_bytes(note) for note in NOTES)]
    with torch.inference_mode():
        pooled = reference._tower(pad(pairs))
        shape = (pooled.shape[-1],)
        norm = F.layer_norm(pooled, shape, stored["text.projection.0.weight"], stored["text.projection.0.bias"])
        expected = F.linear(norm, stored["text.projection.1.weight"], stored["text.projection.1.bias"]).numpy()
    assert np.abs(dual.text.encode(NOTES, PROMPT) - expected).max() < 1e-5
    plain = published_encoder("tiny", write_text_tower(tmp_path / "plain"), CPU)
    assert np.abs(plain.encode(NOTES) - reference.encode(NOTES)).max() > 1e-3  # the adapter is not nothing


def _bytes(note):
    from tiny_towers import byte_tokenizer

    tokenizer = byte_tokenizer()
    return tokenizer.encode(f"{PROMPT}; ").ids, tokenizer.encode(note).ids


def test_both_sides_keep_their_length_and_name_their_score(dual):
    texts, films = dual.text.encode(NOTES, PROMPT), dual.image.encode(FILMS)
    assert isinstance(dual.text, TextEncoder)
    assert isinstance(dual.image, ImageEncoder)
    assert texts.shape == films.shape == (2, DIM)
    assert np.abs(np.linalg.norm(np.concatenate((texts, films)), axis=1) - 1).min() > 0.01
    for info in (dual.text.info, dual.image.info):
        assert (info.name, info.space, info.dim, info.score) == ("tiny", "image", DIM, "clip_raw")
    assert dual.text.info.revision == dual.image.info.revision
    assert dual.text.info.instructed
    assert dual.image.info.max_tokens == 0


def test_vectors_never_depend_on_batch_mates(dual):
    texts, films = [*NOTES, "", NOTES[0] * 6], [*FILMS, FILMS[0][:40]]
    alone = np.concatenate([dual.text.encode([text], PROMPT) for text in texts])
    assert np.abs(dual.text.encode(texts, PROMPT) - alone).max() < 1e-4
    alone = np.concatenate([dual.image.encode([film]) for film in films])
    assert np.abs(dual.image.encode(films) - alone).max() < 1e-4


def test_in_bf16_both_sides_stay_near(folder, text, dual):
    rough = opened(folder, text, place("bf16", "cpu"))
    for exact, near in (
        (dual.text.encode(NOTES, PROMPT), rough.text.encode(NOTES, PROMPT)),
        (dual.image.encode(FILMS), rough.image.encode(FILMS)),
    ):
        cosines = (exact * near).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
        assert cosines.min() > 0.99
        assert np.abs(exact - near).max() > 0
    assert rough.text.info.precision == "bf16"
    assert rough.text.info.revision != dual.text.info.revision


def test_the_scale_is_kept_and_not_applied(folder):
    assert open_checkpoint(folder).manifest["logit_scale"] == pytest.approx(2.5)
    assert open_checkpoint(folder).manifest["dual"]["lora_scale"] == 2.0


def test_only_what_was_trained_is_kept(folder):
    keys = set(open_checkpoint(folder).tensors())
    assert {key.split(".")[0] for key in keys} == {"image", "projection", "lora"}
    assert len(keys) == len(film_shapes()) + 4 + len(lora_shapes())


@pytest.mark.parametrize(
    ("nesting", "prefix", "core"),
    [
        ((), "", "model"),
        ((), "module.", "core"),
        (("state_dict",), "module.", "model"),
        (("module",), "", "core"),
        (("model_state_dict",), "", "core"),
        (("model",), "", "core"),
        (("sd",), "", "core"),
        (("weights",), "", "core"),
    ],
)
def test_every_nesting_and_prefix_gives_the_same_weights(tmp_path, folder, nesting, prefix, core):
    stored = {f"{prefix}{key}": value for key, value in dual_tensors(core).items()}
    for name in nesting:
        stored = {name: stored, "epoch": 7}
    again = kept(tmp_path, stored)
    assert open_checkpoint(again).revision == open_checkpoint(folder).revision


def test_a_checkpoint_in_two_wrappers_and_with_both_names_of_the_text_core_is_read(tmp_path, folder):
    both = dual_tensors("core") | dual_tensors("model")
    again = kept(tmp_path, {"state_dict": {"module": both}, "step": 3})
    assert open_checkpoint(again).revision == open_checkpoint(folder).revision


def test_two_versions_of_one_adapter_are_refused(tmp_path):
    other = {key: value + 1 if "llm2clip" in key else value for key, value in dual_tensors("model").items()}
    with pytest.raises(WeightsDamaged, match="two versions"):
        kept(tmp_path, dual_tensors("core") | other)


def test_an_adapter_of_another_name_is_taken_if_it_is_the_only_trained_one(tmp_path, folder):
    again = kept(tmp_path, dual_tensors(adapter="mine"))
    assert open_checkpoint(again).revision == open_checkpoint(folder).revision


def test_several_adapters_are_refused_by_name(tmp_path):
    with pytest.raises(WeightsDamaged, match=r"several adapters \(mine, yours\)"):
        kept(tmp_path, dual_tensors(adapter="mine") | dual_tensors(adapter="yours"))


def test_older_names_of_biases_are_read(tmp_path, folder):
    def older(key):
        return key.replace("q_proj.bias", "q_bias").replace("v_proj.bias", "v_bias") if "visual" in key else key

    again = kept(tmp_path, {older(key): value for key, value in dual_tensors().items()})
    assert open_checkpoint(again).revision == open_checkpoint(folder).revision


@pytest.mark.parametrize(
    "lost",
    [
        "visual.blocks.1.mlp.ffn_ln.weight",
        "visual.head.bias",
        "text.projection.0.weight",
        "text.projection.1.weight",
        "visual.pos_embed",
        "logit_scale",
        "text.core.model.base_model.model.layers.1.self_attn.v_proj.lora_B.llm2clip.weight",
    ],
)
def test_a_missing_key_is_named(tmp_path, lost):
    named = lost.removeprefix("text.core.model.base_model.model.").removesuffix(".llm2clip.weight")
    with pytest.raises(WeightsDamaged, match=f"lacks? '?{named}"):
        kept(tmp_path, {key: value for key, value in dual_tensors().items() if key != lost})
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    "strange", ["visual.blocks.0.attn.k_proj.bias", "text.core.model.score.weight", "text_model.x", "visual.blocks.7.x"]
)
def test_an_unknown_key_is_named(tmp_path, strange):
    with pytest.raises(WeightsDamaged, match=f"hold unknown {re.escape(strange)}"):
        kept(tmp_path, dual_tensors() | {strange: torch.ones(FILM_WIDTH)})
    assert not (tmp_path / "kept").exists()


def test_a_key_of_another_shape_is_named(tmp_path):
    with pytest.raises(WeightsDamaged, match=r"another shape in visual\.norm\.bias"):
        kept(tmp_path, dual_tensors() | {"visual.norm.bias": torch.ones(3)})


def test_a_checkpoint_without_adapters_is_refused(tmp_path):
    with pytest.raises(WeightsDamaged, match="no lora_A and lora_B"):
        kept(tmp_path, {key: value for key, value in dual_tensors().items() if "lora_" not in key})


def test_something_that_is_no_weight_is_named(tmp_path):
    with pytest.raises(WeightsDamaged, match="The key epoch"):
        kept(tmp_path, dual_tensors() | {"epoch": 3})


def test_a_file_that_would_run_code_is_refused(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(WeightsDamaged, match=r"x\.bin is not a PyTorch file of plain tensors"):
        keep_dual(tmp_path / "x.bin", tmp_path / "kept", {})


def test_adapters_of_another_report_tower_are_refused(tmp_path, text):
    longer = {key: value for key, value in dual_tensors().items() if "layers.1.self_attn" not in key}
    with pytest.raises(WeightsDamaged, match="do not fit this report tower"):
        opened(kept(tmp_path, longer), text)


def test_a_damaged_conversion_is_refused(tmp_path, text):
    folder = kept(tmp_path, dual_tensors())
    content = bytearray((folder / TENSORS).read_bytes())
    content[-1] ^= 1
    (folder / TENSORS).write_bytes(content)
    with pytest.raises(WeightsDamaged):
        opened(folder, text)


def test_in_a_folder_the_names_its_authors_use_come_first(tmp_path):
    for name in ("a.pt", "zz.bin", "model.pt", "consolidated.pth", "pytorch_model.bin"):
        (tmp_path / name).touch()
    found = []
    while any(tmp_path.iterdir()):
        found.append(checkpoint_file(tmp_path).name)
        checkpoint_file(tmp_path).unlink()
    assert found == ["pytorch_model.bin", "consolidated.pth", "model.pt", "zz.bin", "a.pt"]


def test_shards_are_answered_with_the_command_that_joins_them(tmp_path):
    (tmp_path / "mp_rank_00_model_states.pt").touch()
    for given in (tmp_path, tmp_path / "mp_rank_00_model_states.pt"):
        with pytest.raises(WeightsMissing, match="zero_to_fp32"):
            checkpoint_file(given)
    (tmp_path / "whole.bin").touch()
    assert checkpoint_file(tmp_path).name == "whole.bin"


def test_nothing_there_is_said_kindly(tmp_path):
    for given in (tmp_path, tmp_path / "nowhere.bin"):
        with pytest.raises(WeightsMissing, match=r"Give the file llm2clip4cxr\.bin") as refused:
            checkpoint_file(given)
        assert str(tmp_path) not in str(refused.value)


def test_films_are_cut_and_scaled_as_torchvision_does():
    from PIL import Image
    from torchvision.transforms import v2

    theirs = v2.Compose(
        [
            v2.Resize(48, interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(48),
            v2.RGB(),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )
    for shape in ((90, 70), (70, 91), (48, 48), (301, 77), (30, 41)):
        film = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        ours = normalised_as_clip([centre_of_film(film, 48)])[0]
        assert (ours - theirs(Image.fromarray(film))).abs().max() < 1e-5, shape


def test_the_published_shape_is_that_of_eva02_large_at_448():
    with torch.device("meta"):
        state = EvaTower(EvaConfig()).network.state_dict()
    parameters = sum(value.numel() for value in state.values())
    assert state["pos_embed"].shape == (1, 1025, 1024)
    assert state["blocks.23.mlp.fc1_g.weight"].shape == (2730, 1024)
    assert parameters == 305_416_384  # as counted in the authors' class, head included
