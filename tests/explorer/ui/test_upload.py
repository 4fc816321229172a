from __future__ import annotations

from explorer.ui import upload


def test_an_upload_is_gone_as_soon_as_it_is_read(tmp_path):
    file = tmp_path / "digest" / "DOE_JANE_19500101.dcm"
    file.parent.mkdir()
    file.write_bytes(b"film")
    assert upload.take({"path": str(file)}) == b"film"
    assert list(tmp_path.iterdir()) == []


def test_other_files_beside_an_upload_stay(tmp_path):
    file, other = tmp_path / "a.dcm", tmp_path / "b.dcm"
    file.write_bytes(b"film")
    other.write_bytes(b"another")
    assert upload.take({"path": str(file)}) == b"film"
    assert list(tmp_path.iterdir()) == [other]


def test_an_upload_that_is_gone_is_an_empty_file_and_no_error_with_a_name_in_it(tmp_path):
    assert upload.take({"path": str(tmp_path / "DOE_JANE.dcm")}) == b""


def test_nothing_dropped_is_an_empty_file():
    assert upload.take(None) == b""
