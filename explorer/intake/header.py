"""What is read of a DICOM file: a short list of technical tags, checked before any pixel is touched.

The list is an allow-list. Names, dates, identifiers and private tags are skipped by the parser, and the pydicom
dataset is dropped as soon as the `Header` is made; no text of the file is copied into it, only numbers and
words that are on our own lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from pydicom.config import disable_value_validation
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from explorer.errors import Corrupt, NotAnImage, TooLarge, UnsupportedSyntax
from explorer.intake import tags
from explorer.intake.greyscale import Lookup, Window
from explorer.intake.sniff import HEAD
from explorer.settings import Limits

COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"
PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2", PALETTE, *COLOUR)
PRIMARIES = ("Red", "Green", "Blue")
MODALITIES = ("CR", "DX", "RG", "XA", "RF", "MG", "CT", "MR", "US", "NM", "PT")
VIEWS = ("PA", "AP", "LL", "RL", "LLD", "RLD", "LLO", "RLO")
CHEST = ("CHEST", "THORAX", "LUNG", "RIB", "STERNUM")

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
READABLE = (
    IMPLICIT,
    "1.2.840.10008.1.2.1",  # explicit little endian
    BIG_ENDIAN,
    RLE,
    JPEG_BASELINE,
    JPEG_EXTENDED,  # its 8-bit half
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, first-order prediction
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_2000_LOSSLESS,
    JPEG_2000,
)
REFUSED = {
    JPEG_EXTENDED: "JPEG Extended with 12 bits",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000, lossless",
    "1.2.840.10008.1.2.4.202": "High-Throughput JPEG 2000, lossless RPCL",
    "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
}
OWN_DEPTH = (JPEG_LS, JPEG_LS_NEAR, JPEG_2000_LOSSLESS, JPEG_2000)  # the code stream says how many bits count
LOSSY = (JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS_NEAR)
DICOMDIR = "1.2.840.10008.1.3.10"

PIXEL_DATA = 0x7FE00010
KEYWORDS = (
    *("Modality", "BodyPartExamined", "ViewPosition", "BurnedInAnnotation", "LossyImageCompression"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", *tags.SPACINGS),
    *("PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape"),
    *(f"{primary}PaletteColorLookupTable{part}" for primary in PRIMARIES for part in ("Descriptor", "Data")),
    "PixelData",
)
EXPORT = "Export the film as PNG."


@dataclass(frozen=True)
class Header:
    """The technical description of one DICOM image: PS3.3, C.7.6.3, C.11.1 and C.11.2."""

    syntax: str  # transfer syntax UID, one of READABLE
    modality: str  # one of MODALITIES, or ""
    view: str  # one of VIEWS, or ""
    chest: bool | None  # None: the file names no body part
    rows: int
    columns: int
    frames: int
    samples: int  # 1 | 3
    photometric: str  # one of PHOTOMETRIC
    planar: int  # 0 | 1, colour by pixel or by plane
    swapped: bool  # pixel data are 16-bit words, swapped in a big-endian file even where samples have 8 bits
    allocated: int  # bits per sample in the file: 8 | 16
    stored: int  # bits that count
    signed: bool  # two's complement
    slope: float
    intercept: float
    modality_lookup: Lookup | None
    palette: tuple[Lookup, ...]  # red, green, blue; empty unless PALETTE COLOR
    voi: Window | Lookup | None
    inverted: bool  # MONOCHROME1, or a presentation shape of INVERSE
    text_burnt_in: bool | None  # None: the file does not say
    lossy: bool
    spacing: tuple[float, float] | None  # between rows and between columns


def read_header(data: bytes, limits: Limits) -> tuple[Header, bytes]:
    """Return the header of a DICOM file and its still encoded pixel data.

    Raises `NotAnImage`, `UnsupportedSyntax`, `TooLarge`, `Corrupt`, or whatever pydicom raises on damaged bytes.
    """
    with disable_value_validation():  # its warnings quote what they find wrong
        dataset, syntax = _read_tags(BytesIO(data))
        encoded = dataset.get("PixelData")
        if not encoded or not isinstance(encoded, bytes):
            raise Corrupt("This DICOM file holds no picture. Choose the file of the film itself.")
        header = _header(dataset, syntax)
    _check_cost(header, limits)
    _check_support(header)
    return header, encoded


def _read_tags(stream: BytesIO) -> tuple[Dataset, str]:
    syntax = _transfer_syntax(stream)
    # One floor below `dcmread`, which inflates a deflated file without any limit.
    dataset = read_dataset(
        stream,
        is_implicit_VR=syntax == IMPLICIT,
        is_little_endian=syntax != BIG_ENDIAN,
        stop_when=lambda tag, _vr, _length: int(tag) > PIXEL_DATA,
        specific_tags=[BaseTag(tag) for word in KEYWORDS if (tag := tag_for_keyword(word)) is not None],
    )
    return dataset, syntax


def _transfer_syntax(stream: BytesIO) -> str:
    stream.seek(HEAD)
    meta = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: int(tag) >> 16 != 2,
    )
    if meta.get("MediaStorageSOPClassUID") == DICOMDIR:
        raise NotAnImage("This is the table of contents of a DICOM disc. Choose one of the films beside it.")
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if syntax not in READABLE:
        raise _unsupported(syntax)
    return syntax


def _unsupported(syntax: str) -> UnsupportedSyntax:
    name = REFUSED.get(syntax, "of a kind this program does not know")
    return UnsupportedSyntax(f"This DICOM file is compressed in a way that cannot be read here: {name}. {EXPORT}")


def _header(dataset: Dataset, syntax: str) -> Header:
    photometric, body = tags.word(dataset, "PhotometricInterpretation"), tags.word(dataset, "BodyPartExamined")
    signed, order = tags.whole(dataset, "PixelRepresentation", 0) == 1, ">" if syntax == BIG_ENDIAN else "<"
    prefixes = [f"{primary}PaletteColorLookupTable" for primary in PRIMARIES if photometric == PALETTE]
    return Header(
        syntax=syntax,
        modality=_known(tags.word(dataset, "Modality"), MODALITIES),
        view=_known(tags.word(dataset, "ViewPosition"), VIEWS),
        chest=body in CHEST if body else None,
        rows=tags.whole(dataset, "Rows"),
        columns=tags.whole(dataset, "Columns"),
        frames=max(tags.whole(dataset, "NumberOfFrames", 1), 1),
        samples=tags.whole(dataset, "SamplesPerPixel", 1),
        photometric=_known(photometric, PHOTOMETRIC),
        planar=tags.whole(dataset, "PlanarConfiguration", 0),
        swapped=dataset["PixelData"].VR == "OW",
        allocated=tags.whole(dataset, "BitsAllocated"),
        stored=tags.whole(dataset, "BitsStored"),
        signed=signed,
        slope=tags.number(dataset, "RescaleSlope", 1.0),
        intercept=tags.number(dataset, "RescaleIntercept", 0.0),
        modality_lookup=tags.first_lookup(dataset, "ModalityLUTSequence", signed, order),
        palette=tuple(tags.lookup(dataset, prefix, signed, order) for prefix in prefixes),
        voi=tags.first_lookup(dataset, "VOILUTSequence", signed, order) or tags.window(dataset),
        inverted=photometric == "MONOCHROME1"
        or (photometric == "MONOCHROME2" and tags.word(dataset, "PresentationLUTShape") == "INVERSE"),
        text_burnt_in={"YES": True, "NO": False}.get(tags.word(dataset, "BurnedInAnnotation")),
        lossy=syntax in LOSSY or tags.word(dataset, "LossyImageCompression") == "01",
        spacing=tags.spacing(dataset),
    )


def _known(word: str, words: tuple[str, ...]) -> str:
    return word if word in words else ""


def _check_cost(header: Header, limits: Limits) -> None:
    pixels = header.rows * header.columns
    if pixels < 1:
        raise Corrupt("The picture in this file has no pixels. Choose another film.")
    decoded = pixels * header.samples * header.frames * -(-header.allocated // 8)
    if pixels > limits.pixels or decoded > limits.decoded_bytes:
        raise TooLarge("The picture in this file is too large to be one radiograph. Export a smaller one.")


def _check_support(header: Header) -> None:
    if header.syntax == JPEG_EXTENDED and header.stored > 8:
        raise _unsupported(JPEG_EXTENDED)
    if header.allocated not in (8, 16) or not 1 <= header.stored <= header.allocated:
        raise UnsupportedSyntax(f"Only pixels of 8 to 16 bits can be read. {EXPORT}")
    samples = 3 if header.photometric in COLOUR else 1
    if not header.photometric or header.samples != samples or header.planar not in (0, 1):
        raise UnsupportedSyntax(f"The colours of this file are described in a way that cannot be read. {EXPORT}")
