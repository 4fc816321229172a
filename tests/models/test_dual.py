from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from tiny_towers import CPU, byte_tokenizer, shaken, tiny_info, tiny_tower
from torch.nn import functional as F

from models.checkpoint import digest_of_tensors, open_checkpoint, save_checkpoint
from models.dual import DualConfig, FilmEncoder, ImageSide, TextProjection, WithPlaceholders, image_tower, open_dual
from models.film_check import FRONTAL, Kinds, Measurements, describe
from models.interfaces import SECTION_PROMPTS, ImageEncoder, PatchEncoder, TextEncoder, TowerError
from models.text import TextTokenizer, pad
from models.vision import Viewing, VisionConfig, normalised, whole_film

CONFIG = DualConfig(VisionConfig("test_efficientnet", 48), text_dim=64, dim=16)
ABOUT = {"dual": asdict(CONFIG), "note": "toy"}
FILMS = [
    np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
    for number, shape in enumerate([(60, 48), (48, 48), (100, 30), (7, 9)])
]


def tiny_side():
    torch.manual_seed(0)
    return shaken(ImageSide(CONFIG))


@pytest.fixture(scope="module")
def encoder():
    return FilmEncoder(tiny_side(), Viewing(48), tiny_info(0, dim=16), CPU)


@pytest.fixture
def trained(tmp_path):
    parts = {"projection": shaken(TextProjection(CONFIG)), "image": tiny_side()}
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    save_checkpoint(tmp_path / "dual", tensors, ABOUT)
    return open_checkpoint(tmp_path / "dual"), parts


def opened(checkpoint, known=None):
    return open_dual(checkpoint, tiny_tower(), TextTokenizer(byte_tokenizer(), 512), tiny_info(), CPU, known)


def test_films_are_seen_in_fp32_beside_reports_in_bf16(trained):
    dual = open_dual(
        trained[0],
        tiny_tower(),
        TextTokenizer(byte_tokenizer(), 512),
        tiny_info(),
        replace(CPU, precision="bf16"),
    )
    assert dual.image.info.precision == "fp32"
    np.testing.assert_array_equal(dual.image.encode(FILMS), opened(trained[0]).image.encode(FILMS))


def test_films_become_unit_rows(encoder):
    vectors = encoder.encode(FILMS)
    assert isinstance(encoder, ImageEncoder)
    assert vectors.shape == (4, 16)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_films_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 16)


def test_a_films_vector_never_depends_on_its_batch_mates(encoder):
    films = FILMS * 10  # more than one batch
    together = encoder.encode(films)
    alone = np.concatenate([encoder.encode([film]) for film in FILMS])
    assert np.abs(together - np.tile(alone, (10, 1))).max() < 1e-5


def test_different_films_get_different_vectors(encoder):
    vectors = encoder.encode(FILMS)
    assert (vectors @ vectors.T)[~np.eye(4, dtype=bool)].max() < 0.9999


def test_both_towers_share_one_space_of_unit_rows(trained):
    dual = opened(trained[0])
    texts, films = dual.text.encode(["Clear.", "Effusion."]), dual.image.encode(FILMS)
    assert isinstance(dual.text, TextEncoder)
    assert texts.shape == (2, 16)
    assert films.shape == (4, 16)
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-6)


def test_a_text_is_projected_after_its_tower_and_a_film_goes_through_its_own(trained):
    checkpoint, parts = trained
    dual = opened(checkpoint)
    with torch.inference_mode():
        film = F.normalize(parts["image"](normalised([whole_film(FILMS[0], 48)])), dim=-1).numpy()
        pooled = tiny_tower()(pad(TextTokenizer(byte_tokenizer(), 512).pairs(["Clear."], [""])))
        norm, linear = parts["projection"]
        text = F.normalize(linear(F.layer_norm(pooled, (64,), norm.weight, norm.bias)), dim=-1).numpy()
    assert np.abs(dual.image.encode(FILMS[:1]) - film).max() < 1e-5
    assert np.abs(dual.text.encode(["Clear."]) - text).max() < 1e-5


def test_the_description_says_which_space_and_what_falls_short(trained):
    dual = opened(trained[0])
    text, image = dual.text.info, dual.image.info
    assert (text.space, text.dim, text.note, text.max_tokens, text.instructed) == ("image", 16, "toy", 512, True)
    assert (image.space, image.dim, image.note, image.max_tokens, image.instructed) == ("image", 16, "toy", 0, False)
    assert text.revision == image.revision != tiny_info().revision


def test_another_projection_is_another_revision(trained, tmp_path):
    checkpoint, _ = trained
    tensors = checkpoint.tensors()
    tensors["projection.1.bias"] += 1
    save_checkpoint(tmp_path / "other", tensors, ABOUT)
    assert opened(open_checkpoint(tmp_path / "other")).text.info.revision != opened(checkpoint).text.info.revision


def test_without_its_head_the_image_tower_gives_unit_rows_of_its_features(encoder):
    rows = encoder.headless().encode(FILMS)
    assert rows.shape == (4, tiny_side().tower.width)
    with torch.inference_mode():
        expected = F.normalize(tiny_side().tower(normalised([whole_film(film, 48) for film in FILMS])), dim=-1)
    np.testing.assert_allclose(rows, expected.numpy(), atol=1e-5)


def test_a_network_with_its_head_inside_has_no_features_to_check():
    whole = FilmEncoder(torch.nn.Flatten(), Viewing(48), tiny_info(0, dim=16), CPU)
    with pytest.raises(TowerError, match="without its head"):
        whole.headless()


def test_measurements_count_only_for_the_image_tower_they_were_made_with(trained, tmp_path):
    checkpoint, parts = trained
    rows = FilmEncoder(parts["image"], Viewing(48), tiny_info(0, dim=16), CPU).headless().encode(FILMS)
    cloud, head = describe(rows, axes=1), np.zeros((1, rows.shape[1]), np.float32)
    held_out = np.sort(cloud.distances(rows))
    weights, kinds = digest_of_tensors(image_tower(checkpoint)), Kinds((FRONTAL,), head, head[:, 0])
    known = Measurements(weights, cloud, kinds, held_out, float(held_out[-1]))
    assert opened(checkpoint).check is None
    assert opened(checkpoint, replace(known, tower="other weights")).check is None
    other = checkpoint.tensors() | {"image.head.bias": checkpoint.tensors()["image.head.bias"] + 1}
    save_checkpoint(tmp_path / "other", other, ABOUT)
    assert opened(open_checkpoint(tmp_path / "other"), known).check is not None  # behind the same image tower
    judged = opened(checkpoint, known).check.judge(FILMS[0])
    assert (judged.unlike, judged.held_out) == (False, 4)


def test_the_places_of_a_film_average_to_its_vector(encoder):
    patches = encoder.patches(FILMS[0])
    assert isinstance(encoder, PatchEncoder)
    assert patches.vectors.shape == (2, 2, 16)
    assert np.abs(patches.vectors.mean(axis=(0, 1)) - encoder.encode(FILMS[:1])[0]).max() < 1e-5
    assert patches.frame == Viewing(48).frame(60, 48)


def test_raw_products_keep_the_length_of_their_places():
    side = tiny_side()
    encoder = FilmEncoder(side, Viewing(48), replace(tiny_info(0, dim=16), score="clip_raw"), CPU)
    mean = encoder.patches(FILMS[1]).vectors.mean(axis=(0, 1))
    assert np.allclose(mean, encoder.encode(FILMS[1:2])[0], atol=1e-4)
    assert abs(np.linalg.norm(mean) - 1) > 0.05


def test_placeholders_follow_the_section_that_the_prompt_names():
    seen = WithPlaceholders(TextTokenizer(byte_tokenizer(), 512))
    plain = TextTokenizer(byte_tokenizer(), 512)
    for scope, mark in (("findings", "[FINDINGS] "), ("impression", "[IMPRESSION] "), ("report", "")):
        prompt = SECTION_PROMPTS[scope]
        assert seen.pairs(["Clear."], [prompt]) == plain.pairs([f"{mark}Clear."], [prompt])
    assert seen.pairs(["Clear."], [""]) == plain.pairs(["Clear."], [""])


def test_an_adapter_for_the_shared_space_is_folded_into_the_report_tower(trained, tmp_path):
    checkpoint, _ = trained
    down, up = torch.randn(2, 64), torch.randn(64, 2)
    key = "layers.0.self_attn.q_proj"
    adapter = {f"lora.{key}.lora_A": down, f"lora.{key}.lora_B": up}
    about = {**ABOUT, "dual": {**ABOUT["dual"], "lora_scale": 0.5}}
    save_checkpoint(tmp_path / "adapted", {**checkpoint.tensors(), **adapter}, about)
    tower = tiny_tower()
    before = tower.decoder.layers[0].self_attn.q_proj.weight.clone()
    tokenizer = TextTokenizer(byte_tokenizer(), 512)
    dual = open_dual(open_checkpoint(tmp_path / "adapted"), tower, tokenizer, tiny_info(), CPU)
    after = tower.decoder.layers[0].self_attn.q_proj.weight
    assert torch.allclose(after - before, 0.5 * up @ down, atol=1e-5)
    assert np.abs(dual.text.encode(["Clear."]) - opened(checkpoint).text.encode(["Clear."])).max() > 1e-3


def test_a_film_seen_with_its_head_passes_the_network_once_and_its_features_are_those_of_the_film():
    side, passes = tiny_side(), []
    side.tower.register_forward_hook(lambda *_: passes.append(1))
    encoder = FilmEncoder(side, Viewing(48), tiny_info(0, dim=16), CPU)
    film = FILMS[0].copy()
    alone = encoder.headless().encode([film.copy()])
    again = encoder.encode([film]), encoder.headless().encode([film]), encoder.encode([film])
    assert len(passes) == 2
    np.testing.assert_allclose(again[1], alone, atol=1e-6)
    np.testing.assert_array_equal(again[0], again[2])


def test_another_film_in_the_memory_of_the_first_is_another_film():
    encoder = FilmEncoder(tiny_side(), Viewing(48), tiny_info(0, dim=16), CPU)
    expected = [encoder.encode([film])[0] for film in FILMS]
    for turn in range(3):
        for film, vector in zip(FILMS, expected, strict=True):
            np.testing.assert_allclose(encoder.encode([film + np.uint8(0)])[0], vector, atol=1e-6, err_msg=str(turn))
