"""The README's quickstart without a server runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_engine import made_engine

from explorer import compose as composing

README = Path(__file__).parents[3] / "README.md"
BLOCK = re.compile(r"<!-- quickstart: begin -->\n```python\n(.*?)```\n<!-- quickstart: end -->", re.DOTALL)


@pytest.fixture
def quickstart():
    found = BLOCK.search(README.read_text(encoding="utf-8"))
    assert found is not None, "the README has no quickstart block"
    return compile(found[1], "README.md", "exec")


def test_it_prints_hits_the_note_in_full_and_closes(quickstart, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(composing, "compose", lambda settings: made_engine(tmp_path))
    scope: dict[str, object] = {}
    exec(quickstart, scope)  # noqa: S102 - our own text
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[:3]] == ["1", "2", "3"]
    assert all(" cosine ours:" in line for line in said[:3])
    assert "reticular" in said[3]
    assert all(hit.report.id != scope["answer"].hits[0].report.id for hit in scope["near"].hits)


@pytest.mark.slow
@pytest.mark.timeout(1_200)  # 3,955 reports, on a processor without bf16 too
def test_it_runs_on_the_packaged_corpus_with_the_default_encoder(quickstart, capsys):
    exec(quickstart, {})  # noqa: S102 - our own text
    said = capsys.readouterr().out.splitlines()
    assert all(" cosine openi:" in line for line in said[:3])
