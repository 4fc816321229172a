"""A real chest film to try: the one that comes with the pydicom-data package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from explorer.errors import CorpusMissing

PACKAGE = "data_store"  # the module that the pydicom-data distribution installs
FILM = Path("data", "RG1_UNCR.dcm")  # computed radiography, PA, 1955×1841; lung masses


def example_film() -> bytes:
    """Return the example film as the bytes of a DICOM file.

    Raises `CorpusMissing` where pydicom-data is not installed. Nothing is imported to find it.
    """
    package = find_spec(PACKAGE)
    folders = package.submodule_search_locations if package is not None else None
    for folder in folders or ():
        film = Path(folder) / FILM
        if film.is_file():
            return film.read_bytes()
    raise CorpusMissing("The example film is in the package pydicom-data. Install it: pip install pydicom-data.")
