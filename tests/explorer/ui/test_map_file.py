from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from made_engine import made_engine
from made_map import QUICK_MAP

from explorer import compose as composing
from explorer import projection
from explorer.__main__ import main


@pytest.fixture(autouse=True)
def engine(tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "_START", QUICK_MAP.replace("[:, 2:8].argmax(axis=1)", "[:, 2:4].argmax(axis=1)"))
    monkeypatch.setattr(composing, "compose", lambda settings, progress=None: made_engine(tmp_path / "engine"))


def draw(out: Path, *words: str) -> int:
    return main(["map", "--corpus", "ours", "--encoder", "words", "--out", str(out), *words])


def test_the_command_writes_one_file_that_needs_nothing_else(tmp_path, capsys):
    out = tmp_path / "map.html"
    assert draw(out) == 0
    page = out.read_text(encoding="utf-8")
    assert "31% of the 15 nearest kept" in capsys.readouterr().out
    assert "connect-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page.partition("<script>")[0])
    held = re.search(r'id="map-data">(.*?)</script>', page, re.DOTALL)
    data = json.loads(held[1])
    assert data["ids"] == [f"ours:{number}" for number in range(1, 7)]
    assert data["texts"][1] == "Apical pneumothorax."
    assert "plotly.js v" in page


def test_a_file_is_written_whole_or_not_at_all(tmp_path, capsys):
    assert draw(tmp_path / "nowhere" / "map.html") == 2
    assert "Name another --out" in capsys.readouterr().err
    assert list(tmp_path.glob("*.html")) == []


def test_words_alone_have_no_map(tmp_path, capsys):
    assert main(["map", "--corpus", "ours", "--encoder", "bm25", "--out", str(tmp_path / "m.html")]) == 2
    assert "no map of bm25" in capsys.readouterr().err
