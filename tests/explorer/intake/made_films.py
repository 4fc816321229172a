"""Small films made on the spot: wedges with known values, in any DICOM dress."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmwrite
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, SecondaryCaptureImageStorage

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"

TEXTS = ("PN", "LO", "SH", "LT", "ST", "UT", "UC", "CS", "AE")
KEPT_AS_THEY_ARE = ("SpecificCharacterSet", "PhotometricInterpretation")
MARK = "ZQX"  # begins every planted text
SIDE = 32  # the wedge rises along its columns and is equal along its rows


def wedge(bits: int, signed: bool) -> NDArray[np.int64]:
    """Stored values from the lowest to the highest that `bits` hold → [SIDE, SIDE]."""
    lowest = -(2 ** (bits - 1)) if signed else 0
    steps = np.rint(np.linspace(lowest, lowest + 2**bits - 1, SIDE)).astype(np.int64)
    return np.tile(steps, (SIDE, 1))


def dataset(stored: NDArray[Any], bits: int, signed: bool = False, syntax: str = EXPLICIT) -> Dataset:
    """A grey DICOM image, uncompressed, MONOCHROME2 until told otherwise."""
    allocated = 8 if bits <= 8 else 16
    order = ">" if syntax == BIG_ENDIAN else "<"
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, UID("1.2.3.4")
    made.Modality = "DX"
    made.Rows, made.Columns = stored.shape[:2]
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = allocated, bits, bits - 1
    made.PixelRepresentation = int(signed)
    made.PixelData = stored.astype(f"{order}{'i' if signed else 'u'}{allocated // 8}").tobytes()
    made["PixelData"].VR = "OB" if allocated == 8 and syntax != IMPLICIT else "OW"
    return made


def tagged(made: Dataset, **tags: Any) -> Dataset:
    """Set tags by keyword."""
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def lookup_item(first: int, entries: NDArray[np.int64], bits: int = 16, *, signed: bool = False) -> Dataset:
    """One item of a LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 65_536, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return item


def file_of(made: Dataset) -> bytes:
    """The dataset as the bytes of a DICOM file."""
    stream = BytesIO()
    dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


def encapsulated(made: Dataset, syntax: str, *frames: bytes) -> Dataset:
    """Replace the pixels by compressed frames."""
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.PixelData = encapsulate(list(frames))
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return made


def compressed(made: Dataset, syntax: str, folder: Path) -> bytes:
    """The dataset as a DICOM file in a lossless compression: RLE by pydicom, the others by gdcm."""
    if syntax == RLE:
        made.compress(UID(RLE), generate_instance_uid=False)
        return file_of(made)
    import gdcm

    before, after = folder / "before.dcm", folder / "after.dcm"
    before.write_bytes(file_of(made))
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(before))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(after))
    assert writer.Write()
    return after.read_bytes()


def png_of(pixels: NDArray[Any], **options: Any) -> bytes:
    """The pixels as a PNG file."""
    return picture_of(Image.fromarray(pixels), "PNG", **options)


def picture_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a PNG or JPEG file."""
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def planted() -> Dataset:
    """A film with a unique text in every text element of its first groups, in private and nested ones too."""
    made = tagged(dataset(wedge(12, False), 12), WindowCenter=2_000, WindowWidth=3_000)
    for tag, entry in DicomDictionary.items():
        keyword = keyword_for_tag(tag)
        if entry[0] in TEXTS and 0x0008_0000 <= tag < 0x0060_0000 and keyword and keyword not in KEPT_AS_THEY_ARE:
            made.add_new(tag, entry[0], f"{MARK}{tag:08X}")
    private = made.private_block(0x0011, f"{MARK} MAKER", create=True)
    private.add_new(0x01, "LO", f"{MARK}PRIVATE")
    private.add_new(0x02, "OB", f"{MARK}BYTES ".encode())
    nested = tagged(Dataset(), PatientName=f"{MARK}^NESTED", InstitutionName=f"{MARK}NESTED")
    made.ReferencedImageSequence = [nested]
    table = tagged(lookup_item(0, np.arange(4_096)), LUTExplanation=f"{MARK}TABLE", PatientID=f"{MARK}TABLE")
    made.VOILUTSequence = [table]
    made.file_meta.SourceApplicationEntityTitle = f"{MARK}TITLE"
    return made
