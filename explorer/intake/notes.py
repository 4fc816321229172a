"""What the screen says about a DICOM film: whole sentences, made of our own words and of numbers."""

from __future__ import annotations

from explorer.intake.header import Header

MODALITIES = {
    "CR": "Computed radiography",
    "DX": "Digital radiography",
    "RG": "Radiography",
    "XA": "Angiography",
    "RF": "Fluoroscopy",
    "MG": "Mammography",
    "CT": "Computed tomography",
    "MR": "Magnetic resonance",
    "US": "Ultrasound",
    "NM": "Nuclear medicine",
    "PT": "Positron emission tomography",
    "": "Modality not named",
}
CHEST_MODALITIES = ("CR", "DX", "RG", "")
SQUARE = 0.01  # row and column spacing that differ by less are called equal
BURNT_IN = {
    True: "The file says that text is burnt into the pixels: it may name the patient.",
    False: "The file says that no text is burnt into the pixels; a side marker may be there all the same.",
    None: "The file does not say that no text is burnt into the pixels.",
}


def describe(header: Header, contrast: str, *, stray_bits: bool) -> tuple[str, ...]:
    """Return the notes of a film: what it is, what was done to its pixels, what was left unread.

    `contrast` is the sentence on its window; `stray_bits` says that pixels use bits above the stored depth.
    """
    said = (
        _summary(header),
        _subject(header),
        _polarity(header),
        contrast,
        f"Bits above the lowest {header.stored} were ignored." if stray_bits else "",
        "The file was compressed with loss." if header.lossy else "",
        f"The first of {header.frames} frames is shown." if header.frames > 1 else "",
        _stretch(header.spacing),
        "Names, dates and identifiers were not read.",
        BURNT_IN[header.text_burnt_in],
    )
    return tuple(sentence for sentence in said if sentence)


def _summary(header: Header) -> str:
    view = f", {header.view}" if header.view else ""
    return f"{MODALITIES[header.modality]}{view}, {header.rows}×{header.columns}, {header.stored} bit."


def _subject(header: Header) -> str:
    if header.modality not in CHEST_MODALITIES:
        return "This is not a plain radiograph: what it finds will mean little."
    if header.chest is False:
        return "The file names another part of the body than the chest: what it finds will mean little."
    return "" if header.chest else "The file does not say that it shows a chest."


def _polarity(header: Header) -> str:
    if not header.inverted:
        return ""
    cause = "MONOCHROME1" if header.photometric == "MONOCHROME1" else "Presentation shape INVERSE"
    return f"{cause}: inverted, so that dense is bright."


def _stretch(spacing: tuple[float, float] | None) -> str:
    if spacing is None or abs(spacing[0] / spacing[1] - 1) <= SQUARE:
        return ""
    return f"Pixels are not square ({spacing[0]:.3g} by {spacing[1]:.3g}): shown as stored, not stretched."
