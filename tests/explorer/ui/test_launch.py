from __future__ import annotations

import os
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest
from ports import free_port

from explorer.ui.gate import HEADERS
from explorer.ui.launch import OFFLINE, Door, Unguarded, closed_environment, serve

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SECRETS = (
    "/etc/passwd",
    "/proc/self/environ",
    "/../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "....//....//etc/passwd",
    "/etc/passwd%00.png",
    "file:///etc/passwd",
    "http://127.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "https://example.org/a.png",
    "//example.org/a.png",
    "app.py",
    "./app.py",
    "pyproject.toml",
    ".git/config",
    "explorer/settings.py",
    str(ROOT / "app.py"),
    str(ROOT / "assets" / "theme" / "tokens.css"),
    str(Path.home()),
)
ROUTES = ("gradio_api/file=", "file=", "static/", "assets/", "gradio_api/proxy=", "proxy=")
CLOSED = (
    "docs",
    "openapi.json",
    "monitoring",
    "gradio_api/openapi.json",
    "gradio_api/runs",
    "gradio_api/mcp/sse",
    "gradio_api/deep_link",
    "gradio_api/token",
    "gradio_api/custom_component/1/client/component/index.js",
    "gradio_api/vibe-code/",
)


@pytest.fixture(scope="module")
def web(served):
    with httpx.Client(base_url=served.address, timeout=20) as client:
        yield client


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_file_and_no_other_server_can_be_read_through_this_one(web, route, secret):
    request = web.build_request("GET", "")
    request.url = request.url.copy_with(raw_path=f"/{route}{secret}".encode())  # as written, not tidied up
    answer = web.send(request)
    assert answer.status_code in (400, 403, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


@pytest.mark.parametrize("path", CLOSED)
def test_what_the_page_does_not_need_is_closed(web, path):
    assert web.get(path).status_code == 404
    assert web.post(path, json={}).status_code == 404


def test_a_page_can_ask_whether_a_server_that_was_away_is_back(web):
    """Without it a page stays dead after a restart: Gradio asks for this number before it loads the page again."""
    assert web.get("gradio_api/app_id").json().keys() == {"app_id"}


def test_of_the_installed_packages_one_script_is_served_and_nothing_beside_it(web):
    answer = web.get("scripts/plotly.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "plotly.js v" in answer.text[:200]
    for path in ("", "/", "/plotly.js/", "/plotly.min.js", "/../gate.py", "/%2e%2e/gate.py", "/plotly.js/../../app.py"):
        request = web.build_request("GET", "")
        request.url = request.url.copy_with(raw_path=f"/scripts{path}".encode())
        assert web.send(request).status_code == 404, path


def test_with_a_password_nothing_is_told_before_it_is_given(explorer):
    from explorer.ui.blocks import build_blocks

    blocks = build_blocks(explorer)
    address = serve(blocks, Door(port=free_port(), auth=("reader", "secret")), upload_bytes=1_000, blocked=())
    try:
        with httpx.Client(base_url=address, timeout=20) as client:
            assert client.get("config").status_code == 401
            assert client.post("gradio_api/upload", files={"files": ("film.dcm", b"film")}).status_code == 401
            assert "Made-up reports" not in client.get("").text
            assert client.post("login", data={"username": "reader", "password": "wrong"}).status_code == 400
            client.post("login", data={"username": "reader", "password": "secret"})
            assert client.get("config").status_code == 200
    finally:
        blocks.close(verbose=False)


def test_no_function_is_offered_to_programs(web):
    assert web.get("gradio_api/info").json() == {"named_endpoints": {}, "unnamed_endpoints": {}}


@pytest.mark.parametrize("path", ["", "config", "nowhere", "gradio_api/file=/etc/passwd"])
def test_every_answer_carries_the_security_headers(web, path):
    headers = web.get(path).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS


def test_another_site_is_not_allowed_to_read_answers(web):
    evil = {"Origin": "http://evil.example"}
    assert "access-control-allow-origin" not in web.get("config", headers=evil).headers
    asked = {**evil, "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in web.options("gradio_api/queue/join", headers=asked).headers


def test_a_foreign_name_that_points_here_is_refused(web):
    assert web.get("config", headers={"Host": "evil.example"}).status_code == 400


def test_an_upload_above_the_limit_is_refused_and_leaves_nothing(served, web):
    too_much = served.explorer.settings.limits.upload_bytes + 1
    answer = web.post("gradio_api/upload", files={"files": ("film.dcm", b"\0" * too_much)})
    assert answer.status_code == 413
    assert files_below(served.uploads) == []


def test_an_upload_cannot_choose_its_folder_and_keeps_no_name(served, web):
    stored = web.post("gradio_api/upload", files={"files": ("../../../evil.dcm", b"film")}).json()
    assert Path(stored[0]).resolve().is_relative_to(served.uploads.resolve())
    assert "evil" not in stored[0]
    assert [path.name for path in files_below(served.uploads)] == ["film"]
    Path(stored[0]).unlink()


def test_an_upload_without_a_stated_length_is_refused(served, web):
    whole = web.build_request("POST", "gradio_api/upload", files={"files": ("film.dcm", b"film")})
    form = {"Content-Type": whole.headers["Content-Type"]}
    piecemeal = web.post("gradio_api/upload", content=iter([whole.read()]), headers=form)
    assert piecemeal.request.headers["Transfer-Encoding"] == "chunked"
    assert piecemeal.status_code == 411
    assert files_below(served.uploads) == []


def test_two_people_who_send_the_same_film_both_get_an_answer(served, web):
    sent = [web.post("gradio_api/upload", files={"files": ("film.dcm", b"film")}).json()[0] for _ in range(2)]
    assert sent[0] != sent[1]
    for path in sent:
        assert "data:image/png" in drop_zone(web, {"path": path, "meta": {"_type": "gradio.FileData"}})
    assert files_below(served.uploads) == []


def test_the_upload_of_one_session_is_served_to_none(served, web):
    [path] = web.post("gradio_api/upload", files={"files": ("film.dcm", b"the film of somebody else")}).json()
    for route in ("gradio_api/file=", "file=", "gradio_api/file/", "gradio_api/stream/"):
        with httpx.Client(base_url=served.address, timeout=20) as stranger:
            answer = stranger.get(f"{route}{path}")
            assert answer.status_code == 404
            assert "somebody" not in answer.text
    Path(path).unlink()


@pytest.mark.parametrize("path", ["/etc/hostname", "app.py", "http://127.0.0.1:1/film.dcm"])
def test_a_forged_upload_is_neither_read_nor_deleted(served, web, path, tmp_path):
    events = drop_zone(web, {"path": path, "meta": {"_type": "gradio.FileData"}})
    assert '"success":false' in events
    assert "process_completed" in events
    assert Path("/etc/hostname").exists()
    assert (ROOT / "app.py").exists()


def test_a_real_upload_is_answered_and_leaves_nothing(served, web):
    [path] = web.post("gradio_api/upload", files={"files": ("DOE_JANE_19500101.dcm", b"film")}).json()
    events = drop_zone(web, {"path": path, "orig_name": "film.dcm", "meta": {"_type": "gradio.FileData"}})
    assert '"success":true' in events
    assert "data:image/png" in events
    assert files_below(served.uploads) == []


def test_the_page_asks_for_nothing_outside(web):
    page = web.get("").text
    sources = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert all(source.startswith(("./", "/", "data:")) for source in sources)


@pytest.mark.slow
def test_no_other_machine_is_asked_from_import_to_shutdown():
    """Python reports every look-up and connection to an audit hook; the program prints those that leave."""
    asked = subprocess.run(
        [sys.executable, str(HERE / "served_under_watch.py")], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split() == ["served"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_needs_no_password(host):
    assert Door(host).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "reading-room.example"])  # noqa: S104 - refused
def test_other_machines_need_a_password(host):
    with pytest.raises(Unguarded, match="--auth"):
        Door(host)
    assert not Door(host, auth=("reader", "secret")).loopback


def test_the_environment_opens_nothing_and_is_given_back(monkeypatch):
    monkeypatch.setenv("GRADIO_SHARE", "True")
    monkeypatch.setenv("GRADIO_ALLOWED_PATHS", "/")
    before = dict(os.environ)
    with closed_environment() as folder:
        inside = {name: value for name, value in os.environ.items() if name.startswith("GRADIO_")}
        assert inside == {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder)}
        assert {name: os.environ[name] for name in OFFLINE} == OFFLINE
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "film.dcm").write_bytes(b"film")
    assert not folder.exists()
    assert dict(os.environ) == before


def drop_zone(web: httpx.Client, file: dict) -> str:
    """Send a file record to the drop zone's event, as a browser or a forger would; return the events."""
    config = web.get("config").json()
    drop = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "drop")
    event = next(
        event for event in config["dependencies"] if [drop, "upload"] in event["targets"] and event["backend_fn"]
    )
    session = uuid.uuid4().hex
    data = [file, None, "pocket", "report", 10, "", "", "", "", "", [], []]
    web.post("gradio_api/queue/join", json={"data": data, "fn_index": event["id"], "session_hash": session})
    return web.get("gradio_api/queue/data", params={"session_hash": session}).text


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
