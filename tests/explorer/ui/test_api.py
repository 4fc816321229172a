"""The endpoints for programs, asked as programs ask: by gradio_client, by curl, and by who has no business there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from made_engine import made_engine
from ports import free_port

from explorer.export import as_json
from explorer.search import Explorer
from explorer.ui.launch import Door, Unguarded, closed_environment, serve

NAMES = {"/search", "/expand", "/compare", "/neighbours"}


@contextmanager
def running(engine: Explorer, door: Door) -> Iterator[str]:
    with closed_environment():
        from explorer.ui.blocks import build_blocks

        blocks = build_blocks(engine, api=door.api)
        yield serve(blocks, door, upload_bytes=10**6, blocked=())
        blocks.close(verbose=False)


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[Explorer]:
    engine = made_engine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def address(engine) -> Iterator[str]:
    with running(engine, Door(port=free_port(), api=True)) as address:
        yield address


@pytest.fixture(scope="module")
def client(address) -> Client:
    return Client(address, verbose=False)


def curl(address: str, name: str, *data: object) -> str:
    """Ask as docs/api.md says: once for a number, once for the answer."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("no curl on this machine")
    body = json.dumps({"data": list(data)})
    json_type = ["-H", "Content-Type: application/json"]
    asked = [program, "-s", f"{address}gradio_api/call/{name}", *json_type, "-d", body]
    number = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout)[
        "event_id"
    ]
    answer = [program, "-s", "-N", f"{address}gradio_api/call/{name}/{number}"]
    return subprocess.run(answer, capture_output=True, text=True, check=True, timeout=30).stdout


def test_programs_are_told_of_four_endpoints_and_of_no_other(client, address):
    told = httpx.get(f"{address}gradio_api/info", timeout=20).json()
    assert set(told["named_endpoints"]) == NAMES
    assert told["unnamed_endpoints"] == {}
    wanted = {one["parameter_name"]: one["type"]["type"] for one in told["named_endpoints"]["/search"]["parameters"]}
    assert wanted == {"text": "string", "k": "integer", "encoder": "string", "corpus": "string", "section": "string"}


def test_search_answers_with_the_documented_json(client, engine):
    answer = client.predict("pneumothorax", k=2, api_name="/search")
    expected = json.loads(json.dumps(as_json(engine.by_text("pneumothorax", encoder="words", k=2))))
    for one in (answer, expected):
        assert one.pop("seconds") >= 0
    assert answer == expected
    assert answer["hits"][0]["id"] == "ours:2"


def test_expand_answers_with_the_readings_and_the_rejected_ones(client):
    answer = client.predict("sm R PTX s/p CT to WS", api_name="/expand")
    assert "pneumothorax" in answer["expanded"]
    short = {span["short"]: span for span in answer["spans"]}
    assert short["PTX"]["long"] == "pneumothorax"
    assert len(short["CT"]["alternatives"]) > 1
    assert answer["unknown"] == []


def test_compare_joins_two_rankers(client):
    answer = client.predict("clear nodule", ["words", "bm25"], k=3, api_name="/compare")
    assert [one["encoder"] for one in answer["results"]] == ["words", "bm25"]
    assert answer["studies"][0] == {"id": "ours:6", "ranks": [1, 1]}
    assert len(answer["findings"]) == 2
    assert 0 <= answer["disagreement"] <= 1


def test_neighbours_leave_out_the_study_itself(client):
    answer = client.predict("ours:5", k=2, api_name="/neighbours")
    assert answer["query"]["study"] == "ours:5"
    assert answer["hits"][0]["id"] == "ours:6"


def test_curl_gets_the_same_as_python(address):
    events = curl(address, "search", "pneumothorax", 1, "", "", "report")
    data = next(line[6:] for line in events.splitlines() if line.startswith("data: "))
    [answer] = json.loads(data)
    assert answer["hits"][0]["id"] == "ours:2"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("search", ["a" * 4_001], "at most 4,000"),
        ("search", [""], "empty"),
        ("search", ["clear", 0], "1 to 100"),
        ("search", ["clear", 101], "1 to 100"),
        ("search", ["clear", "5"], "whole number"),
        ("search", ["clear", 5, "nobody"], "Known: words, bm25"),
        ("search", ["clear", 5, "", "elsewhere"], "Prepared: ours"),
        ("search", ["clear", 5, "", "", "indication"], "report, findings, impression"),
        ("search", [{"path": "/etc/passwd"}], "as a string"),
        ("expand", ["a" * 4_001], "at most 4,000"),
        ("compare", ["clear", ["words"]], "2 to 4 different rankers"),
        ("compare", ["clear", "words"], "list of names"),
        ("neighbours", ["ours:99"], "No study of that id"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(client, name, data, said):
    with pytest.raises(AppError, match=said):
        client.predict(*data, api_name=f"/{name}")


def test_without_being_asked_for_the_endpoints_are_not_there(engine):
    with running(engine, Door(port=free_port())) as address:
        assert httpx.get(f"{address}gradio_api/info", timeout=20).json()["named_endpoints"] == {}
        for path in ("gradio_api/call/search", "gradio_api/call/v2/search", "gradio_api/run/search"):
            assert httpx.post(f"{address}{path}", json={"data": ["clear"]}, timeout=20).status_code == 404


def test_only_the_way_to_ask_is_opened_beside_them(address):
    for path in ("run/search", "api/search", "file=/etc/passwd", "proxy=http://127.0.0.1/", "component_server"):
        assert httpx.post(f"{address}gradio_api/{path}", json={"data": ["clear"]}, timeout=20).status_code == 404


def test_a_password_is_asked_of_programs_too(engine):
    door = Door(port=free_port(), auth=("reader", "secret"), api=True)
    with running(engine, door) as address:
        asked = httpx.post(f"{address}gradio_api/call/search", json={"data": ["clear"]}, timeout=20)
        assert asked.status_code == 401
        assert httpx.get(f"{address}gradio_api/info", timeout=20).status_code == 401
        known = Client(address, auth=("reader", "secret"), verbose=False)
        assert known.predict("nodule", k=1, api_name="/search")["hits"][0]["id"] == "ours:5"


def test_beyond_this_machine_programs_are_refused_without_a_password():
    with pytest.raises(Unguarded, match="--auth"):
        Door("0.0.0.0", api=True)  # noqa: S104 - refused
