from __future__ import annotations

import numpy as np
import pytest
from toys import WordCounts

from models.interfaces import CxrError
from training.embeddings import CachedEncoder

TEXTS = ["b", "a", "b"]


def test_vectors_are_those_of_the_encoder_in_the_order_asked(tmp_path):
    cached = CachedEncoder(WordCounts(), tmp_path)
    np.testing.assert_array_equal(cached.encode(TEXTS, "Find"), WordCounts().encode(TEXTS, "Find"))
    assert cached.info == WordCounts().info


def test_equal_texts_are_encoded_once_and_kept_for_another_process(tmp_path):
    first, second = WordCounts(), WordCounts()
    made = CachedEncoder(first, tmp_path).encode(TEXTS)
    assert first.asked == [(("a", "b"), "")]
    np.testing.assert_array_equal(CachedEncoder(second, tmp_path).encode(["a", "b"])[[1, 0, 1]], made)
    assert second.asked == []


@pytest.mark.parametrize(
    ("revision", "texts", "instruction"), [("r2", TEXTS, ""), ("r1", ["a"], ""), ("r1", TEXTS, "Find")]
)
def test_another_revision_instruction_or_text_is_encoded_anew(tmp_path, revision, texts, instruction):
    CachedEncoder(WordCounts(), tmp_path).encode(TEXTS)
    other = WordCounts(revision=revision)
    CachedEncoder(other, tmp_path).encode(texts, instruction)
    assert len(other.asked) == 1


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00", b"no vectors"])
def test_a_damaged_file_is_replaced(tmp_path, damage):
    CachedEncoder(WordCounts(), tmp_path).encode(TEXTS)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    again = WordCounts()
    made = CachedEncoder(again, tmp_path).encode(TEXTS)
    assert len(again.asked) == 1
    np.testing.assert_array_equal(np.load(file, allow_pickle=False)[[1, 0, 1]], made)


def test_a_file_of_objects_is_never_read(tmp_path):
    CachedEncoder(WordCounts(), tmp_path).encode(TEXTS)
    (file,) = tmp_path.iterdir()
    with file.open("wb") as written:
        np.save(written, np.array([{}, {}], dtype=object), allow_pickle=True)
    again = WordCounts()
    CachedEncoder(again, tmp_path).encode(TEXTS)
    assert len(again.asked) == 1


def test_a_folder_that_cannot_be_written_is_said_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CxrError, match="cannot be written"):
        CachedEncoder(WordCounts(), tmp_path / "file").encode(TEXTS)


def test_by_default_vectors_lie_in_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_CACHE", str(tmp_path))
    CachedEncoder(WordCounts()).encode(TEXTS)
    assert len(list((tmp_path / "embeddings").iterdir())) == 1
