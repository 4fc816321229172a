from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
from stub_model import running, saying

from explorer.errors import Damaged, EndpointError
from explorer.language.chat import Chat, Endpoint


def test_nothing_is_configured_unless_an_address_is():
    assert Endpoint.from_environment({}) is None
    assert Endpoint.from_environment({"CXR_LLM_MODEL": "m", "CXR_LLM_URL": ""}) is None
    named = {"CXR_LLM_URL": "http://localhost:1/v1", "CXR_LLM_MODEL": "m", "CXR_LLM_KEY": "k"}
    assert Endpoint.from_environment(named) == Endpoint("http://localhost:1/v1", "m", "k")


def test_the_key_is_not_shown():
    assert "secret" not in repr(Endpoint("http://localhost/v1", "m", "secret"))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:9/v1", "http://127.3.0.9/"]
)
def test_this_machine_is_allowed(url: str):
    assert Endpoint(url, "m").url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.org/v1",
        "http://127.0.0.1.example.org/v1",
        "http://127.0.0.1@example.org/v1",
        "http://localhost.example.org/v1",
        "http://10.0.0.7/v1",
        "http://0.0.0.0/v1",
        "http://2130706433/v1",
    ],
)
def test_another_machine_is_refused_unless_it_is_named(url: str):
    with pytest.raises(EndpointError, match="CXR_LLM_HOST"):
        Endpoint(url, "m")
    with pytest.raises(EndpointError, match="CXR_LLM_HOST"):
        Endpoint(url, "m", host="other.example.org")


def test_the_host_that_is_named_is_allowed():
    assert Endpoint("https://llm.Example.org/v1", "m", host="LLM.example.org")


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "localhost:80", "http://", "http://[::1", "ftp://localhost/"]
)
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(EndpointError, match="Correct them"):
        Endpoint(url, "m")
    with pytest.raises(EndpointError, match="Correct them"):
        Endpoint("http://localhost/v1", "")


def test_a_prompt_goes_out_once_in_the_agreed_form(tmp_path: Path):
    with running(lambda number, _: (200, saying(f"answer {number}"))) as model:
        endpoint = Endpoint(model.url, "small", "key")
        assert Chat(endpoint, tmp_path).ask("say é") == "answer 0"
        assert Chat(endpoint, tmp_path).ask("say é") == "answer 0"
        assert Chat(Endpoint(model.url, "large"), tmp_path).ask("say é") == "answer 1"
        assert Chat(endpoint, tmp_path).ask("say more") == "answer 2"
    assert model.asked[0] == {"model": "small", "messages": [{"role": "user", "content": "say é"}], "temperature": 0}
    assert model.headers[0]["path"] == "/v1/chat/completions"
    assert model.headers[0]["Authorization"] == "Bearer key"
    assert "Authorization" not in model.headers[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"choices": []}',
        b'{"choices": [{"message": {}}]}',
        saying(None),
        saying(7),
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_an_answer_in_another_form_is_none_and_is_not_asked_for_again(tmp_path: Path, content: bytes):
    with running(lambda *_: (200, content)) as model:
        chat = Chat(Endpoint(model.url, "m"), tmp_path)
        assert chat.ask("say") is None
        assert chat.ask("say") is None
        assert len(model.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_no_answer_is_an_error_and_may_be_asked_again(tmp_path: Path, status: int):
    with running(lambda number, _: (status, b"private words") if number == 0 else (200, saying("yes"))) as model:
        chat = Chat(Endpoint(model.url, "m"), tmp_path)
        with pytest.raises(EndpointError, match="did not answer") as caught:
            chat.ask("say")
        assert "private" not in str(caught.value)
        assert chat.ask("say") == "yes"


def test_a_service_that_does_not_run_is_an_error(tmp_path: Path):
    with running(lambda *_: (200, b"")) as model:
        address = model.url
    with pytest.raises(EndpointError, match="See that it runs"):
        Chat(Endpoint(address, "m"), tmp_path).ask("say")
    assert list(tmp_path.glob("*.json")) == []


def test_a_redirection_is_not_followed(tmp_path: Path):
    with (
        running(lambda *_: (200, saying("stolen"))) as other,
        running(lambda *_: (307, other.url.encode())) as model,
        pytest.raises(EndpointError),
    ):
        Chat(Endpoint(model.url, "m"), tmp_path).ask("patient words")
    assert other.asked == []


def test_a_proxy_of_the_environment_sees_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with running(lambda *_: (200, saying("proxied"))) as proxy, running(lambda *_: (200, saying("direct"))) as model:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        assert Chat(Endpoint(model.url, "m"), tmp_path).ask("say") == "direct"
    assert proxy.asked == []


def test_many_who_ask_the_same_at_once_send_it_once(tmp_path: Path):
    def slow(number: int, _: object) -> tuple[int, bytes]:
        sleep(0.1)
        return 200, saying(f"answer {number}")

    with running(slow) as model, ThreadPoolExecutor(8) as pool:
        chats = [Chat(Endpoint(model.url, "m"), tmp_path) for _ in range(8)]
        assert set(pool.map(lambda chat: chat.ask("say"), chats)) == {"answer 0"}
    assert len(model.asked) == 1


def test_answers_are_for_their_owner_alone_and_name_no_prompt(tmp_path: Path):
    folder = tmp_path / "answers"
    with running(lambda *_: (200, saying("yes"))) as model:
        Chat(Endpoint(model.url, "m"), folder).ask("patient words")
    assert folder.stat().st_mode & 0o077 == 0
    (kept,) = folder.glob("*.json")
    assert "patient" not in kept.name
    assert json.loads(kept.read_text()) == {"answer": "yes"}
    assert not list(folder.glob("*.tmp*"))


def test_a_damaged_answer_is_said_to_be_damaged(tmp_path: Path):
    with running(lambda *_: (200, saying("yes"))) as model:
        chat = Chat(Endpoint(model.url, "m"), tmp_path)
        chat.ask("say")
        next(tmp_path.glob("*.json")).write_text("{")
        with pytest.raises(Damaged, match="Delete the folder"):
            chat.ask("say")
