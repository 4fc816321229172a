"""Vectors kept between measurements: a text or a film is encoded once by a revision of an encoder.

Files lie in the cache folder under `embeddings/`, one for each list of texts, and may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from models.checkpoint import digest_of, write_atomically
from models.interfaces import CxrError, EncoderInfo, TextEncoder, Vectors, cache_folder


class CachedEncoder:
    """A `TextEncoder` that remembers on disk what another one encoded.

    A file is named by the sha256 over the revision, the instruction and the distinct texts, so it never goes stale.
    """

    def __init__(self, encoder: TextEncoder, folder: Path | None = None) -> None:
        """Keep vectors in `folder`; by default in the cache folder."""
        self._encoder = encoder
        self._folder = folder or cache_folder() / "embeddings"
        self.info: EncoderInfo = encoder.info

    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        """Encode texts → [n, d] as the encoder does, equal texts once, in an order that does not depend on `texts`.

        Raises CxrError if the vectors cannot be written.
        """
        distinct = sorted(set(texts))
        row = {text: number for number, text in enumerate(distinct)}
        name = digest_of(self.info.revision, instruction, *distinct)
        shape = (len(distinct), self.info.dim)
        vectors = kept(name, shape, lambda: self._encoder.encode(distinct, instruction), self._folder)
        return vectors[[row[text] for text in texts]]


def kept(name: str, shape: tuple[int, int], make: Callable[[], Vectors], folder: Path | None = None) -> Vectors:
    """Return vectors [n, d] from disk, or make and keep them.

    Args:
        name: a digest of everything that decides them.
        shape: theirs; a file of another one is not what was kept.
        make: makes them.
        folder: where; by default in the cache folder.

    Raises CxrError if they cannot be written.
    """
    file = (folder or cache_folder() / "embeddings") / f"{name}.npy"
    vectors = _read(file, shape)
    if vectors is None:
        vectors = make()
        _write(file, vectors)
    return vectors


def _read(file: Path, shape: tuple[int, int]) -> Vectors | None:
    """Return the vectors of a file, None if there is none or it is not what this class wrote."""
    try:
        vectors = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return vectors if vectors.shape == shape and vectors.dtype == np.float32 else None


def _write(file: Path, vectors: Vectors) -> None:
    def fill(target: Path) -> None:
        with target.open("wb") as written:
            np.save(written, vectors, allow_pickle=False)

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, fill)
    except OSError as error:
        raise CxrError("The cache folder cannot be written. Free some space, or name another by CXR_CACHE.") from error
