"""What is let in to Gradio, without Gradio: a small app stands in its place."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from explorer.ui import gate
from explorer.ui.gate import FORM_BYTES, HEADERS, HELD_FILES, LOGINS, QUESTION_BYTES, QUESTIONS, Gate, Quota, Rate

FILE_BYTES = 1_000_000
STRANGER, NEIGHBOUR = "203.0.113.7", "203.0.113.8"


@pytest.fixture
def quota(tmp_path):
    return Quota(tmp_path, FILE_BYTES)


def ask(door, path, *, method="POST", length: int | str | None = 2, address=STRANGER, more=()):
    """Return status, headers and body of one request."""
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    headers += more
    scope = {"type": "http", "path": path, "method": method, "headers": headers, "client": (address, 4711)}
    answered = []

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message):
        answered.append(message)

    asyncio.run(door(scope, receive, send))
    head = {name.decode().lower(): value.decode() for name, value in answered[0]["headers"]}
    return answered[0]["status"], head, b"".join(part["body"] for part in answered[1:])


def behind(quota, body=b"[]", *, limited=True, status=200):
    async def app(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]}
        )
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})

    return Gate(app, quota, limited=limited)


def test_passwords_are_guessed_ten_times_a_minute_and_no_more(quota):
    door = behind(quota)
    assert [ask(door, "/login")[0] for _ in range(LOGINS + 1)] == [200] * LOGINS + [429]
    assert ask(door, "/login/")[0] == 429
    assert ask(door, "/login", address=NEIGHBOUR)[0] == 200


def test_a_refusal_is_readable_says_when_to_come_back_and_carries_the_headers(quota):
    door = behind(quota)
    for _ in range(LOGINS):
        ask(door, "/login")
    status, headers, body = ask(door, "/login")
    assert (status, headers["retry-after"]) == (429, "60")
    assert "Wait a minute" in json.loads(body)["detail"]
    assert {name: headers[name.lower()] for name in HEADERS} == HEADERS


def test_one_address_asks_six_hundred_questions_a_minute(quota):
    door = behind(quota)
    answers = [ask(door, "/gradio_api/queue/join")[0] for _ in range(QUESTIONS + 1)]
    assert answers[:QUESTIONS] == [200] * QUESTIONS
    assert answers[QUESTIONS] == 429


def test_on_this_machine_alone_questions_are_not_counted_but_passwords_are(quota):
    door = behind(quota, limited=False)
    assert {ask(door, "/gradio_api/queue/join")[0] for _ in range(QUESTIONS + 1)} == {200}
    assert {ask(door, "/login")[0] for _ in range(LOGINS + 1)} == {200, 429}


def test_addresses_of_one_ipv6_household_count_as_one(quota):
    door = behind(quota)
    answers = [ask(door, "/login", address=f"2001:db8:1:1::{number:x}")[0] for number in range(LOGINS + 1)]
    assert answers[-1] == 429
    assert ask(door, "/login", address="2001:db8:1:2::1")[0] == 200


def test_a_minute_later_an_address_may_ask_again():
    now = [0.0]
    rate = Rate(2, lambda: now[0])
    assert [rate.passes("a"), rate.passes("a"), rate.passes("a")] == [True, True, False]
    now[0] = 59.9
    assert not rate.passes("a")
    now[0] = 60.1
    assert rate.passes("a")


def test_what_is_remembered_of_addresses_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(gate, "ADDRESSES", 3)
    rate = Rate(1)
    assert all(rate.passes(str(address)) for address in range(50))
    assert not rate.passes("49")
    assert rate.passes("0")


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/gradio_api/upload", FILE_BYTES + FORM_BYTES, 200),
        ("/gradio_api/upload", FILE_BYTES + FORM_BYTES + 1, 413),
        ("/gradio_api/upload", None, 411),
        ("/gradio_api/upload", "-1", 411),
        ("/gradio_api/upload", "a lot", 411),
        ("/gradio_api/queue/join", QUESTION_BYTES, 200),
        ("/gradio_api/queue/join", QUESTION_BYTES + 1, 413),
        ("/gradio_api/queue/join", None, 411),
    ],
)
def test_size_is_judged_before_a_byte_is_read(quota, path, length, status):
    assert ask(behind(quota), path, length=length)[0] == status


def test_a_length_that_something_else_overrules_is_no_length(quota):
    chunked = [(b"transfer-encoding", b"chunked")]
    assert ask(behind(quota), "/gradio_api/upload", more=chunked)[0] == 411
    assert ask(behind(quota), "/gradio_api/queue/join", more=chunked)[0] == 411


def test_uploads_that_nobody_took_fill_no_disk(quota, tmp_path):
    for number in range(HELD_FILES):
        (tmp_path / f"{number}").write_bytes(bytes(FILE_BYTES + FORM_BYTES))
    status, _, body = ask(behind(quota), "/gradio_api/upload", length=1)
    assert (status, json.loads(body)["error"]) == (503, gate.FULL)
    (tmp_path / "0").unlink()
    assert ask(behind(quota), "/gradio_api/upload", length=1)[0] == 200


def test_a_file_loses_its_name_and_gets_a_place_of_its_own(quota, tmp_path):
    (tmp_path / "sha").mkdir()
    stored = tmp_path / "sha" / "DOE_JANE_19500101.dcm"
    stored.write_bytes(b"film")
    _, headers, body = ask(behind(quota, json.dumps([str(stored)]).encode()), "/gradio_api/upload")
    (moved,) = map(Path, json.loads(body))
    assert int(headers["content-length"]) == len(body)
    assert moved.read_bytes() == b"film"
    assert moved.name == "film"
    assert moved.parent.parent == tmp_path
    assert len(moved.parent.name) == 32
    assert not stored.parent.exists()


@pytest.mark.parametrize("body", [b"Too large", b"{}", b"[3]", b"null"])
def test_an_answer_that_names_no_files_goes_through_as_it_is(quota, body):
    assert ask(behind(quota, body), "/gradio_api/upload")[2] == (b"[]" if body == b"{}" else body)
    assert ask(behind(quota, body, status=400), "/gradio_api/upload")[2] == body


@pytest.mark.parametrize("path", ["/gradio_api/file=/etc/passwd", "/docs", "/gradio_api/call/x", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_what_no_page_asks_for_is_not_there(quota, path, method):
    assert ask(behind(quota), path, method=method)[0] == 404


def test_what_fails_behind_it_is_answered_in_our_words_and_printed_as_a_place(quota, capfd):
    async def fails(scope, receive, send):
        raise KeyError("DOE^JANE")

    status, headers, body = ask(Gate(fails, quota, limited=False), "/config", method="GET")
    assert (status, json.loads(body)["detail"]) == (500, gate.FAILED)
    assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
    heard = capfd.readouterr().err
    assert "KeyError in test_gate.py:" in heard
    assert "DOE" not in heard


def test_programs_reach_the_four_endpoints_and_no_event_of_a_page(quota):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    door, closed = Gate(app, quota, limited=True, programs=True), Gate(app, quota, limited=True)
    for path in ("search", "expand", "compare", "neighbours", "search/1f2e"):
        assert ask(door, f"/gradio_api/call/{path}")[0] == 200
        assert ask(closed, f"/gradio_api/call/{path}")[0] == 404
    for path in ("ask_text", "ask_upload", "v2/search", "searching", "search/1/2", "", "../run/ask_text"):
        assert ask(door, f"/gradio_api/call/{path}")[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # no browser
        ({"origin": "http://127.0.0.1:7860", "host": "127.0.0.1:7860"}, 200),
        ({"origin": "https://reports.example", "host": "10.0.0.7", "x-forwarded-host": "reports.example"}, 200),
        ({"origin": "http://127.0.0.1:9999", "host": "127.0.0.1:7860"}, 403),
        ({"origin": "http://evil.example", "host": "127.0.0.1:7860"}, 403),
        ({"origin": "http://127.0.0.1:7860.evil.example", "host": "127.0.0.1:7860"}, 403),
        ({"origin": "null", "host": "127.0.0.1:7860"}, 403),
        ({"origin": "http://[", "host": "127.0.0.1:7860"}, 403),
        ({"sec-fetch-site": "cross-site", "host": "127.0.0.1:7860"}, 403),
        ({"sec-fetch-site": "same-origin", "host": "127.0.0.1:7860"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join", "/login"])
def test_pages_of_other_sites_may_send_nothing(quota, path, headers, status):
    more = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer, _, body = ask(behind(quota), path, more=more)
    assert answer == status
    assert (b"another site" in body) == (status == 403)


@pytest.mark.parametrize(("limited", "left"), [(True, ["x-forwarded-host"]), (False, [])])
def test_who_asks_does_not_choose_the_address_that_the_page_calls_its_own(quota, limited, left):
    seen = []

    async def app(scope, receive, send):
        seen.extend(name.decode() for name, _ in scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    door = Gate(app, quota, limited=limited)
    ask(door, "/config", method="GET", length=None, more=[(b"X-Gradio-Server", b"e"), (b"x-forwarded-host", b"e")])
    assert seen == left


def test_whoever_stalls_while_sending_is_given_up_and_one_who_waits_for_an_answer_is_not(quota, monkeypatch):
    monkeypatch.setattr(gate, "STALLED", 0.01)

    async def app(scope, receive, send):
        while (message := await receive()).get("more_body", False):
            pass
        if message["type"] == "http.disconnect":
            raise ConnectionError
        await asyncio.wait_for(receive(), 1)  # what tells Gradio that a reader of answers has left
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def sent_by(parts):
        waiting = iter(parts)

        async def receive():
            seconds, more = next(waiting)
            await asyncio.sleep(seconds)
            return {"type": "http.request", "body": b"x", "more_body": more}

        async def send(message):
            answered.append(message)

        answered = []
        scope = {"type": "http", "path": "/gradio_api/upload", "method": "POST", "client": (STRANGER, 1)}
        scope |= {"headers": [(b"content-length", b"9")]}
        asyncio.run(Gate(app, quota, limited=True)(scope, receive, send))
        return answered[0]["status"]

    assert sent_by([(0, True), (1, False)]) == 408
    assert sent_by([(0, True), (0, False), (0.05, False)]) == 200
