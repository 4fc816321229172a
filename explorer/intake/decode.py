"""One door for all three formats. The app opens it in the sandbox only; training, on its own files, in-process.

A process of one's own is no luxury: gdcm, which decodes the compressed syntaxes, aborts on some damaged streams,
and no `except` catches that.
"""

from __future__ import annotations

from PIL import Image

from explorer.errors import Corrupt, IntakeError, TooLarge
from explorer.intake.dicom import read_dicom
from explorer.intake.raster import read_raster
from explorer.intake.sniff import sniff
from explorer.settings import Limits
from explorer.types import QueryImage

DAMAGED = "The file is damaged and cannot be read. Export the film again, or as PNG."
BOMBS = (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning)


def decode(data: bytes, limits: Limits) -> QueryImage:
    """Return the radiograph in a DICOM, PNG or JPEG file.

    Raises an `IntakeError` and nothing else, whatever the bytes are. Its message never repeats a library's: that
    could quote the file.
    """
    kind = sniff(data, limits)
    try:
        return read_dicom(data, limits) if kind == "DICOM" else read_raster(data, kind, limits)
    except (IntakeError, KeyboardInterrupt):
        raise
    except BOMBS:
        raise TooLarge("The picture in this file needs more memory than allowed. Export a smaller one.") from None
    except BaseException:  # noqa: BLE001 - codecs in Rust panic outside Exception
        raise Corrupt(DAMAGED) from None
