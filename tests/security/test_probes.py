"""The holes Gradio has had, and every event the running app has, tried from outside."""

from __future__ import annotations

import re
import socket
import sys
import threading
import traceback
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from made_films import dataset, file_of, wedge
from visitor import Visitor, messages

from explorer.ui.places import Places

HERE = Path(__file__)
# What was wrong once → a request that used it. Each must be answered as if there were nothing there.
PAST = {
    "CVE-2021-43831 file read": ("GET", "file//etc/passwd"),
    "CVE-2023-51449 traversal": ("GET", "file=../../../../etc/passwd"),
    "CVE-2023-34239 proxy": ("GET", "proxy=http://127.0.0.1:9/"),
    "CVE-2024-0964 file read by API": ("POST", "api/predict"),
    "CVE-2024-1561 component_server": ("POST", "component_server"),
    "CVE-2024-34511 component_server": ("POST", "gradio_api/component_server"),
    "CVE-2024-2206 proxy": ("GET", "proxy=http://169.254.169.254/latest/meta-data/"),
    "CVE-2024-4325 SSRF": ("GET", "gradio_api/proxy=http://127.0.0.1:9/"),
    "CVE-2024-47164 path check": ("GET", "gradio_api/file=/etc/../etc/passwd"),
    "CVE-2024-47166 custom component": ("GET", "custom_component/1/client/component/..%2f..%2f..%2fapp.py"),
    "CVE-2024-47168 monitoring": ("GET", "monitoring"),
    "CVE-2024-47168 monitoring summary": ("GET", "monitoring/summary"),
    "CVE-2024-47868 file of a component": ("POST", "gradio_api/run/predict"),
    "CVE-2025-23042 case of a path": ("GET", "gradio_api/file=/ETC/passwd"),
    "CVE-2025-48889 flagging": ("POST", "gradio_api/call/flag"),
    "CVE-2026-27167 mocked login": ("GET", "login/huggingface"),
    "CVE-2026-27167 its answer": ("GET", "login/callback"),
    "CVE-2026-28414 static traversal": ("GET", "static/..%2f..%2f..%2fetc%2fpasswd"),
    "CVE-2026-28415 open redirect": ("GET", "gradio_api/file=https://evil.example/"),
    "CVE-2026-28416 SSRF of a loaded app": ("GET", "gradio_api/proxy=https://evil.example/"),
    "CVE-2026-48545 cookies by proxy": ("GET", "proxy=https://evil.example/set-cookie"),
    "CVE-2026-49119 file explorer": ("POST", "gradio_api/component_server/ls"),
    "an MCP server": ("POST", "gradio_api/mcp/"),
    "code written by a model": ("POST", "gradio_api/vibe-edit/"),
    "the history of runs": ("GET", "runs"),
    "the history's records": ("GET", "run-history/records"),
    "tokens": ("GET", "token"),
    "the developer's reload": ("GET", "dev/reload"),
    "profiling": ("GET", "gradio_api/profiling/traces"),
    "a recording": ("POST", "gradio_api/process_recording"),
    "the description for programs": ("GET", "openapi.json"),
    "a function by name": ("POST", "gradio_api/call/ask_text"),
    "a function by the second way": ("POST", "gradio_api/call/v2/ask_text"),
    "a function by the third way": ("POST", "gradio_api/api/ask_text"),
}
FORGED = ("/etc/passwd", "/proc/self/environ", str(HERE), "../../../../etc/passwd", "file:///etc/passwd", "")
TELLS = ("root:", "PATH=", "tried from outside.")
RUBBISH = (
    None,
    -1,
    1e308,
    "",
    "x" * 5_000,
    [],
    [[["deep"]]],
    {"a": {"b": None}},
    True,
    "\ud800",
    "\0",
    {"__type__": "update"},
)


@pytest.fixture
def listener():
    """A server of somebody else's on this machine; it counts who calls."""
    calls, stop = [], threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def listen():
            while not stop.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                calls.append(address)
                connection.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1], calls
        stop.set()
        thread.join()


@pytest.fixture
def broken(monkeypatch):
    """Where code of ours failed as it was not meant to: Gradio, or an error of ours, refuses what makes no sense."""
    found = []

    def note():
        frames = traceback.extract_tb(sys.exception().__traceback__)
        ours = [frame for frame in frames if Path(frame.filename).is_relative_to(HERE.parents[2] / "explorer")]
        wrong = "didn't return enough output values" in str(sys.exception())
        found.extend(f"{Path(frame.filename).name}:{frame.lineno}" for frame in ours[-1:])
        found.extend(["an answer without its parts"] if wrong else [])

    monkeypatch.setattr(Places, "print_exc", staticmethod(note))
    return found


@pytest.mark.parametrize("hole", PAST)
def test_no_hole_that_gradio_had_is_open(home, hole):
    method, path = PAST[hole]
    with home.client() as client:
        request = client.build_request(method, "", json={"data": ["/etc/passwd"]} if method == "POST" else None)
        request.url = request.url.copy_with(raw_path=f"/{path}".encode())
        answer = client.send(request)
    assert answer.status_code in (400, 403, 404, 405)
    assert not any(tell in answer.text for tell in TELLS)
    assert "set-cookie" not in answer.headers


def test_every_event_of_every_page_is_private(home):
    with home.client() as client:
        visitor = Visitor(client)
        assert len(visitor.events) >= 10
        assert {one["api_visibility"] for one in visitor.config["dependencies"]} == {"private"}
        for one in visitor.config["dependencies"]:
            for way in ("call", "call/v2", "run", "api"):
                name = one["api_name"] or one["id"]
                assert client.post(f"gradio_api/{way}/{name}", json={"data": []}).status_code == 404


def forged(path, port):
    return {"path": path, "url": f"http://127.0.0.1:{port}/film", "meta": {"_type": "gradio.FileData"}}


def test_a_forged_file_is_read_by_no_event_of_any_page(visitor, listener, capfd):
    port, calls = listener
    for number, event in enumerate(visitor.events):
        answer = visitor.fire(event, [forged(FORGED[number % len(FORGED)], port)] * len(event.inputs))
        assert not any(tell in answer for tell in TELLS)
    assert calls == []
    assert not any(tell in text for text in capfd.readouterr() for tell in TELLS)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_forgery_in_every_place_of_every_event_is_read_by_none(visitor, listener):
    port, calls = listener
    tried = 0
    for event in visitor.events:
        for place in range(len(event.inputs)):
            for path in FORGED:
                data = visitor.usual(event)
                data[place] = forged(path, port)
                assert not any(tell in visitor.fire(event, data) for tell in TELLS)
                tried += 1
    assert calls == []
    assert tried > 100
    assert HERE.is_file()


def test_rubbish_sent_to_any_event_of_any_page_is_answered_and_the_next_question_too(visitor, broken):
    rubbish = [one for one in RUBBISH if one != "\ud800"]  # no client can send that one
    for number, event in enumerate(visitor.events):
        answer = visitor.fire(event, [rubbish[number % len(rubbish)]] * max(1, len(event.inputs)))
        assert "Traceback" not in answer
    assert "The lungs are clear" in visitor.ask("clear")
    assert broken == []


def test_no_event_of_any_page_fails_with_what_the_page_starts_with(visitor, broken):
    for event in visitor.events:
        visitor.fire(event, visitor.usual(event))
    assert broken == []


def test_a_film_after_a_film_is_answered_and_the_same_film_again_too(visitor, broken):
    films = [file_of(dataset(wedge(bits, False), bits)) for bits in (12, 10, 12)]
    for film in films:
        assert "data:image/png" in visitor.drop("film.dcm", film)
        again = visitor.event("example-film", "click")
        assert "data:image/png" in visitor.fire(again, visitor.usual(again))
    assert broken == []


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_all_rubbish_sent_to_all_events_is_answered(visitor, broken, record_property):
    tried = 0
    for event in visitor.events:
        for rubbish in RUBBISH:
            for place in range(len(event.inputs)):
                data = visitor.usual(event)
                data[place] = rubbish
                try:
                    answer = visitor.fire(event, data)
                except UnicodeEncodeError:
                    continue
                assert "Traceback" not in answer
                tried += 1
    record_property("cases", tried)
    assert tried > 100
    assert broken == []
    assert "The lungs are clear" in visitor.ask("clear")


@pytest.mark.parametrize("fn_index", [-1, 10**6, 1.5, "ask_text", None, [0], 2**70])
def test_an_event_that_is_not_there_is_refused(visitor, fn_index):
    asked = {"data": [], "fn_index": fn_index, "session_hash": visitor.session}
    answer = visitor.client.post("gradio_api/queue/join", json=asked)
    assert answer.status_code in (400, 404, 422, 500)
    assert "Traceback" not in answer.text
    assert "The lungs are clear" in visitor.ask("clear")


def test_the_answers_of_a_session_go_to_nobody_else(home, visitor):
    event = visitor.event("query", "submit")
    data = visitor.usual(event)
    data[event.inputs.index(visitor.named["query"])] = "zebra nodule"
    visitor.join(event, data)
    with home.client() as client:
        stranger = Visitor(client)
        answer = stranger.ask("clear")
        assert "zebra" not in answer
        assert all(message.get("event_id") is None or "nodule" not in str(message) for message in messages(answer))


def test_a_film_of_one_session_is_searched_by_no_other(home, visitor):
    """What the server keeps for a page belongs to that page: another that asks for it has none."""
    dropped = visitor.drop("film.dcm", file_of(dataset(wedge(12, False), 12)))
    (picture, *_) = re.findall(r"data:image/png;base64,[A-Za-z0-9+/=]{40,}", dropped)
    with home.client() as client:
        stranger = Visitor(client)
        states = {part for part, one in stranger.parts.items() if one["type"] == "state"}
        search = stranger.named["encoder"]
        again = [one for one in stranger.events if states & set(one.inputs) and search in one.inputs]
        assert again
        for one in again:
            answer = stranger.fire(one, stranger.usual(one))
            assert picture not in answer


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Gradio-Server"])
def test_who_asks_does_not_choose_the_address_that_the_page_calls_its_own(home, header):
    with home.client() as client:
        for path in ("", "config"):
            assert "evil.example" not in client.get(path, headers={header: "http://evil.example"}).text


def test_uploads_that_stay_half_sent_keep_nobody_from_asking(home, visitor):
    host, port = httpx.URL(home.address).host, httpx.URL(home.address).port
    head = b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000000\r\n"
    head += b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x"
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection((host, port))).sendall(head)
        assert "The lungs are clear" in visitor.ask("clear")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example"])
def test_no_other_site_may_read_or_ask(home, origin):
    film = {"files": ("film.dcm", b"film")}
    with httpx.Client(base_url=home.address, headers={"Origin": origin}) as client:
        for path in ("config", "", "gradio_api/info"):
            assert "access-control-allow-origin" not in client.get(path).headers
        for sent in (client.post("gradio_api/upload", files=film), client.post("gradio_api/queue/join", json={})):
            assert (sent.status_code, "another site" in sent.text) == (403, True)
