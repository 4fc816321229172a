from __future__ import annotations

import json
import socket

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_towers import CPU

from models.baselines import hub_bert_encoder, keep_hub_bert, word_pieces
from models.hub import open_hub_folder
from models.interfaces import TextEncoder, WeightsDamaged, WeightsMissing

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "small", "left", "Left", "eff", "##usion", "no", ".", ",", "1")
NOTES = ["Small LEFT effusion.", "no effusion, 1 small", ""]
SIZES = {"vocab_size": len(WORDS), "max_position_embeddings": 300}


def library_model(kind):
    from transformers import BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

    torch.manual_seed(0)
    if kind == "distilbert":
        shape = DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, initializer_range=0.2, **SIZES)
        return DistilBertForMaskedLM(shape).eval()
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return BertForMaskedLM(BertConfig(initializer_range=0.2, **sizes, **SIZES)).eval()


def write_bert(folder, kind="bert", weights="model.safetensors", **said):
    """Write a folder as the hub's BERTs come: a masked-word head beside the BERT, the words as plain text."""
    folder.mkdir(parents=True, exist_ok=True)
    model = library_model(kind)
    tensors = {key: value.clone() for key, value in model.state_dict().items()}
    if kind == "cxr-bert":  # a head of its own, which the library knows nothing of
        tensors |= {"cls_projection_head.dense_to_hidden.weight": torch.ones(8, 32)}
    if kind == "old":
        tensors = {
            key.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): tensors[key] for key in tensors
        }
    config = model.config.to_dict() | (
        {"model_type": "cxr-bert", "auto_map": {"AutoModel": "x.Y"}} if kind == "cxr-bert" else {}
    )
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    if said:
        (folder / "tokenizer_config.json").write_text(json.dumps(said))
    if weights.endswith("safetensors"):
        save_file(tensors, folder / weights)
    else:
        torch.save(tensors, folder / weights)
    return folder


def opened(folder, pooling="mean"):
    return hub_bert_encoder("tiny", folder, CPU, pooling, "baseline: tiny")


def by_the_library(folder, kind, text, pooling):
    ids = word_pieces(open_hub_folder(folder, ())).encode(text).ids
    model = library_model(kind)
    inner = model.distilbert if kind == "distilbert" else model.bert
    with torch.inference_mode():
        states = inner(torch.tensor([ids])).last_hidden_state[0]
    vector = states[0] if pooling == "cls" else states.sum(dim=0) / len(ids)
    return (vector / vector.norm()).numpy()


@pytest.mark.parametrize("kind", ["bert", "distilbert", "cxr-bert", "old"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_are_pooled_states_of_the_librarys_model(tmp_path, kind, pooling):
    folder = write_bert(tmp_path / "tiny", kind)
    ours = opened(folder, pooling).encode(NOTES)
    expected = np.stack([by_the_library(folder, kind, text, pooling) for text in NOTES])
    assert np.abs(ours - expected).max() < 1e-5


@pytest.mark.parametrize(
    "said", [{}, {"do_lower_case": True}, {"do_lower_case": False}], ids=["unsaid", "lower", "cased"]
)
def test_words_are_cut_as_by_the_librarys_tokenizer(tmp_path, said):
    from transformers import BertTokenizer

    folder = write_bert(tmp_path / "tiny", **said)
    theirs = BertTokenizer(vocab=str(folder / "vocab.txt"), **said)
    ours = word_pieces(open_hub_folder(folder, ()))
    for text in [*NOTES, "Left\u00e9 left  1.1", "\u4e2d small", "x" * 300, "[MASK] no"]:
        assert ours.encode(text).ids == theirs(text)["input_ids"], text
    assert (ours.token_to_id("Left") in ours.encode("Left").ids) == (said.get("do_lower_case") is False)


def test_a_text_is_read_up_to_256_tokens(tmp_path):
    encoder = opened(write_bert(tmp_path / "tiny"))
    assert encoder.info.max_tokens == 256
    vectors = encoder.encode(["left " * 254, "left " * 254 + "no no", "left " * 253 + "no"])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-5


def test_an_instruction_stands_on_a_line_of_its_own(tmp_path):
    encoder = opened(write_bert(tmp_path / "tiny"))
    assert np.allclose(encoder.encode(["left"], "small"), encoder.encode(["small\nleft"]), atol=1e-6)
    assert not encoder.info.instructed


def test_an_embedding_never_depends_on_its_batch_mates(tmp_path):
    for pooling in ("mean", "cls"):
        encoder = opened(write_bert(tmp_path / "tiny"), pooling)
        alone = np.concatenate([encoder.encode([text]) for text in NOTES])
        assert np.abs(encoder.encode(NOTES) - alone).max() < 1e-5


def test_it_describes_itself_and_another_pooling_is_another_revision(tmp_path):
    folder = write_bert(tmp_path / "tiny")
    mean, cls = opened(folder), opened(folder, "cls")
    assert isinstance(mean, TextEncoder)
    assert (mean.info.name, mean.info.space, mean.info.dim, mean.info.score) == ("tiny", "report", 32, "cosine")
    assert (mean.info.pooling, cls.info.pooling) == ("mean", "cls")
    assert mean.info.revision != cls.info.revision


def test_a_fetched_folder_is_kept_without_heads_and_gives_the_same_vectors(tmp_path):
    given = write_bert(tmp_path / "given", "cxr-bert", "pytorch_model.bin", do_lower_case=True)
    keep_hub_bert(given, tmp_path / "kept", {"name": "tiny"})
    assert not list((tmp_path / "kept").glob("*.bin"))
    kept = opened(tmp_path / "kept", "cls")
    assert np.array_equal(kept.encode(NOTES), opened(given, "cls").encode(NOTES))
    assert not [key for key in open_hub_folder(tmp_path / "kept", ()).tensors() if "cls" in key]


def test_a_missing_weight_is_named(tmp_path):
    folder = write_bert(tmp_path / "tiny")
    tensors = {
        key: value
        for key, value in open_hub_folder(folder, ()).tensors().items()
        if "layer.1.output.dense.bias" not in key
    }
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsDamaged, match=r"layer\.1\.output\.dense\.bias"):
        opened(folder)


def test_a_weight_of_another_shape_or_a_config_without_a_size_is_damage(tmp_path):
    folder = write_bert(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    with pytest.raises(WeightsDamaged, match="are not those of the BERT its config tells of"):
        opened(folder)
    (folder / "config.json").write_text(json.dumps({key: config[key] for key in config if key != "hidden_size"}))
    with pytest.raises(WeightsDamaged, match="hidden_size"):
        opened(folder)


@pytest.mark.parametrize("lost", ["vocab.txt", "model.safetensors"])
def test_a_file_that_is_not_there_is_named(tmp_path, lost):
    folder = write_bert(tmp_path / "tiny")
    (folder / lost).unlink()
    with pytest.raises(WeightsMissing, match=lost):
        opened(folder)


def test_a_vocabulary_without_special_tokens_is_damage(tmp_path):
    folder = write_bert(tmp_path / "tiny")
    (folder / "vocab.txt").write_text("small\nleft\n")
    with pytest.raises(WeightsDamaged, match="lacks one of"):
        opened(folder)


def test_no_socket_is_opened_and_no_code_of_the_folder_runs(tmp_path, monkeypatch):
    folder = write_bert(tmp_path / "tiny", "cxr-bert")
    (folder / "x.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")

    def refuse(*_):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert opened(folder).encode(NOTES).shape == (3, 32)
    assert not (tmp_path / "ran").exists()
