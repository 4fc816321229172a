"""Every limit and every default of the app, in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from models.interfaces import cache_folder

MEGABYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """What a query or an uploaded file may cost. Measured dangers behind each: see explorer/intake."""

    query_characters: int = 4_000
    hits: int = 100
    upload_bytes: int = 64 * MEGABYTE
    pixels: int = 40_000_000  # the largest real chest films have 18 million
    decoded_bytes: int = 256 * MEGABYTE
    sandbox_memory_bytes: int = 1_536 * MEGABYTE
    sandbox_cpu_seconds: int = 20
    sandbox_wall_seconds: float = 30.0
    sandbox_files_per_worker: int = 50


def data_folder() -> Path:
    """Return the one folder for what people made here, which is not safe to delete: `CXR_DATA`, else the user's own."""
    if named := os.environ.get("CXR_DATA"):
        return Path(named).expanduser()
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "cxr-report-explorer"


@dataclass(frozen=True)
class Settings:
    """Where things are and what is chosen when nothing is said."""

    corpus: str = "openi"
    encoder: str = "pocket"
    k: int = 10
    cache: Path = field(default_factory=cache_folder)  # everything prepared; safe to delete
    data: Path = field(
        default_factory=data_folder
    )  # reviews, and results measured by hand: kept until a person deletes
    cluster: str = field(default_factory=lambda: os.environ.get("CXR_CLUSTER", ""))  # Milvus, see explorer.cluster
    shared: bool = False  # other machines reach the app, so what a reader may have it do is less
    limits: Limits = field(default_factory=Limits)
