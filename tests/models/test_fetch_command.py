"""From a host, or a folder, to an encoder that answers: the command as a person types it."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from tiny_published import dual_tensors, write_text_tower

from explorer.__main__ import main
from explorer.compose import check_encoder, compose, towers
from explorer.errors import UnknownTower, WeightsMissing
from explorer.settings import Settings
from models.registry import load_text_encoder

READY = ("pocket", "base", "bert4cxr", "clip4cxr", "minilm", "bm25")  # shipped, or in a package


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on this machine that has the text tower."""
    root = tmp_path / "hub"
    write_text_tower(root / "lukeingawesome" / "llm2vec4cxr" / "resolve" / "main")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield root
    server.shutdown()
    server.server_close()


def run(capsys, *words):
    status = main(words)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_tower_is_downloaded_told_of_kept_and_loaded(hub, cache, capsys):
    status, out, err = run(capsys, "fetch", "llm2vec4cxr")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "llm2vec4cxr"
    assert "lukeingawesome/llm2vec4cxr" in lines[1]
    assert lines[2].strip() == "licence  MIT; its base, Llama 3.2, has a community licence of its own"
    assert lines[3].strip() == "size     about 2.5 GB"
    assert lines[-1] == "Ready: `python app.py --encoder llm2vec4cxr`."
    assert out.count("sha256") == 3  # config, tokenizer, weights; the optional file is not there
    assert {file.name for file in cache.rglob("*") if file.is_file()} == {
        "config.json",
        "tokenizer.json",
        "weights.safetensors",
        "manifest.json",
        "llm2vec4cxr.lock",
    }
    assert load_text_encoder("llm2vec4cxr", precision="fp32", device="cpu").encode(["Clear."]).shape == (1, 64)


def test_what_is_here_and_whole_is_not_downloaded_again_and_what_was_damaged_is(hub, cache, capsys):
    run(capsys, "fetch", "llm2vec4cxr")
    (hub / "lukeingawesome").rename(hub / "gone")
    status, out, _ = run(capsys, "fetch", "llm2vec4cxr")
    assert status == 0
    assert "is here already, and whole" in out
    (hub / "gone").rename(hub / "lukeingawesome")
    weights = cache / "weights" / "llm2vec4cxr" / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert run(capsys, "fetch", "llm2vec4cxr")[0] == 0
    assert weights.read_bytes() == whole


def test_both_poolings_come_with_one_download(hub, capsys):
    status, out, _ = run(capsys, "fetch", "llm2vec4cxr-mean")
    assert status == 0
    assert out.splitlines()[0] == "llm2vec4cxr"
    check_encoder("llm2vec4cxr")
    check_encoder("llm2vec4cxr-mean")


def test_the_dual_tower_is_taken_from_a_file_and_says_what_it_still_needs(tmp_path, capsys):
    torch.save({"state_dict": dual_tensors()}, tmp_path / "download.bin")
    status, out, _ = run(capsys, "fetch", "llm2clip4cxr", "--from", str(tmp_path / "download.bin"))
    assert status == 0
    assert out.splitlines()[-1].endswith("`python -m explorer fetch llm2vec4cxr`.")
    status, out, _ = run(capsys, "fetch", "llm2vec4cxr", "--from", str(write_text_tower(tmp_path / "folder")))
    assert status == 0
    check_encoder("llm2clip4cxr")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fetch", "nobody"), "Weights are fetched for: llm2vec4cxr"),
        (("fetch", "pocket"), "nothing to fetch for 'pocket'"),
        (("fetch", "bm25"), "nothing to fetch for 'bm25'"),
        (("fetch", "bert-base", "--from", "/no/such/place"), "no file or folder where --from points"),
        (("search", "--text", "x", "--encoder", "llm2vec4cxr"), "`python -m explorer fetch llm2vec4cxr`"),
        (("search", "--text", "x", "--encoder", "llm2clip4cxr"), "`python -m explorer fetch llm2clip4cxr`"),
        (("index", "build", "--encoder", "cxr-bert"), "`python -m explorer fetch cxr-bert`"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_status_two(capsys, words, says):
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_an_unreachable_hub_is_one_line_and_leaves_no_tower(capsys, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    status, _, err = run(capsys, "fetch", "bert-base")
    assert status == 2
    assert err.startswith("127.0.0.1 cannot be reached from this machine.")
    assert err.count("\n") == 1
    with pytest.raises(WeightsMissing):
        check_encoder("bert-base")


def test_a_folder_that_lacks_a_file_is_refused_by_its_name(tmp_path, capsys):
    folder = write_text_tower(tmp_path / "folder")
    (folder / "tokenizer.json").unlink()
    status, _, err = run(capsys, "fetch", "llm2vec4cxr", "--from", str(folder))
    assert status == 2
    assert "lacks tokenizer.json" in err


def test_only_towers_that_are_here_can_be_chosen(tmp_path, capsys):
    explorer = compose(Settings(encoder="bm25"))
    explorer.close()
    assert {choice.name for choice in explorer.choices()} == {*READY}
    run(capsys, "fetch", "llm2vec4cxr", "--from", str(write_text_tower(tmp_path / "folder")))
    explorer = compose(Settings(encoder="bm25"))
    explorer.close()
    assert {choice.name for choice in explorer.choices()} == {*READY, "llm2vec4cxr", "llm2vec4cxr-mean"}
    with pytest.raises(UnknownTower, match="doctor` tells of each"):
        explorer.choice("cxr-bert")


def test_every_tower_of_the_registry_can_be_chosen_once_it_is_here():
    from models.registry import dual_names, names

    assert {state.name for state in towers()} == {*names(), *dual_names()}
