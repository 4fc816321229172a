"""An uploaded file becomes bytes, and is gone from the disk before anything looks at them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def take(record: Mapping[str, object] | None) -> bytes:
    """Read the upload that Gradio describes in `record`, delete it, and return its bytes.

    Gradio has checked that `record["path"]` lies in its folder of uploads. Returns no bytes if there is no file
    any more, which intake then refuses; the path, which can hold a patient's name, goes nowhere.
    """
    if record is None:
        return b""
    upload = Path(str(record["path"]))
    try:
        return upload.read_bytes()
    except OSError:
        return b""
    finally:
        with suppress(OSError):
            upload.unlink()
            upload.parent.rmdir()  # Gradio makes a folder for each upload
