"""Small corpora with texts of our own, laid out in the folders and files their owners publish."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from explorer.corpora.chexpert_plus import _COLUMNS as CHEXPERT_COLUMNS
from explorer.corpora.mimic_cxr import LABELS

# As their owners publish them, but for columns about devices that nobody reads
METADATA = (
    *("dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns"),
    *("StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning"),
    "PatientOrientationCodeSequence_CodeMeaning",
)
PADCHEST = (
    *("", "ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth", "PatientSex_DICOM"),
    *("ViewPosition_DICOM", "Projection", "MethodProjection", "Pediatric", "Modality_DICOM", "ReportID", "Report"),
    *("MethodLabel", "Labels", "Localizations", "LabelsLocalizationsBySentence", "labelCUIS", "LocalizationsCUIS"),
)
NIH = (
    *("Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position"),
    *("OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]"),
)
NOTE = """\
                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old with a cough  // pneumonia?

 COMPARISON:  ___.

 FINDINGS:

 A patchy opacity lies in the left lower lobe.
 LINES: none.  The heart is not enlarged.

 IMPRESSION:

 Left lower lobe pneumonia.
"""
PARAGRAPHS = """\
                                 FINAL REPORT
 PORTABLE CHEST, ___

 A line ends in the right atrium.

 No pneumothorax after the line was placed.
"""


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV, gzipped if its name says so, with "" for what a row does not give."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, restval="", extrasaction="raise")
    table.writeheader()
    table.writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def film(path: Path, content: bytes = b"film") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def mimic_report(root: Path, patient: int, study: int, text: str | bytes) -> Path:
    path = root / "files" / f"p{str(patient)[:2]}" / f"p{patient}" / f"s{study}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def mimic_tables(root: Path, films: Sequence[tuple[str, int, int, str]], splits: Mapping[int, str]) -> None:
    """films: dicom, patient, study, view. splits: patient → "train", "validate", "test"."""
    named = [dict(zip(("dicom_id", "subject_id", "study_id", "ViewPosition"), one, strict=True)) for one in films]
    write_table(root / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA, named)
    rows = [
        {"dicom_id": dicom, "study_id": study, "subject_id": patient, "split": splits[patient]}
        for dicom, patient, study, _ in films
    ]
    write_table(root / "mimic-cxr-2.0.0-split.csv.gz", ("dicom_id", "study_id", "subject_id", "split"), rows)


def mimic_film(root: Path, patient: int, study: int, dicom: str) -> Path:
    return root / "files" / f"p{str(patient)[:2]}" / f"p{patient}" / f"s{study}" / f"{dicom}.jpg"


def mimic(root: Path) -> Path:
    """Three patients: a whole study, one without headings, and every way in which something can be missing."""
    mimic_report(root, 10000001, 50000001, NOTE)
    mimic_report(root, 10000001, 50000002, PARAGRAPHS)
    mimic_report(root, 10000002, 50000003, NOTE.replace("Left", "Right").replace("left", "right"))
    mimic_report(root, 11000003, 50000004, " \n")
    mimic_report(root, 11000003, 50000005, b"caf\xe9")
    films = [
        ("aaaa-1", 10000001, 50000001, "PA"),
        ("aaaa-2", 10000001, 50000001, "LATERAL"),
        ("bbbb-1", 10000001, 50000002, "AP"),
        ("cccc-1", 10000002, 50000003, "LL"),
        ("dddd-1", 11000003, 50000009, "PA"),
    ]
    mimic_tables(root, films, {10000001: "train", 10000002: "validate", 11000003: "test"})
    labels = {"subject_id": 10000001, "study_id": 50000001, "Pneumonia": "1.0", "Edema": "-1.0", "Fracture": "0.0"}
    write_table(root / "mimic-cxr-2.0.0-chexpert.csv.gz", ("subject_id", "study_id", *LABELS), [labels])
    film(mimic_film(root, 10000001, 50000001, "aaaa-1"))
    film(mimic_film(root, 10000001, 50000001, "aaaa-2"), b"")
    film(mimic_film(root, 10000002, 50000003, "cccc-1"))
    return root


def chexpert(root: Path) -> Path:
    """One study of two films, one with the impression alone, one without sections, and a row that names no study."""

    def row(path: str, view: str, ap_pa: str = "", **more: object) -> dict[str, object]:
        sides = {"frontal_lateral": view, "ap_pa": ap_pa, "path_to_dcm": path.replace(".jpg", ".dcm")}
        return {"path_to_image": path, **sides, "split": path.partition("/")[0], "age": "61.0", **more}

    both = {
        "report": "NARRATIVE: two views",
        "section_findings": "\nClear lungs.\n",
        "section_impression": "Normal chest.",
        "section_history": "Cough.",
        "sex": "Female",
    }
    whole = {"report": "Chest, one view.\n\nThe tube ends above the carina."}
    rows = [
        row("train/patient00002/study1/view1_frontal.jpg", "Frontal", "PA", **both),
        row("train/patient00001/study3/view1_frontal.jpg", "Frontal", "AP", section_impression="1. No change."),
        row("train/patient00002/study1/view2_lateral.jpg", "Lateral", **both),
        row("valid/patient00009/study1/view1_lateral.jpg", "Lateral", **whole),
        row("elsewhere.jpg", "Frontal", "AP", **both),
    ]
    columns = dict.fromkeys((*CHEXPERT_COLUMNS, "deid_patient_id", "sex", "section_summary"))
    write_table(root / "df_chexpert_plus_240401.csv", tuple(columns), rows)
    film(root / "PNG" / "train/patient00002/study1/view1_frontal.png")
    film(root / "train/patient00001/study3/view1_frontal.jpg")
    return root


def padchest(root: Path) -> Path:
    """Two studies, one of two films; stems as the owners publish them, with letters of Spanish."""
    rows = [
        {
            "ImageID": "1_a.png",
            "ImageDir": "0",
            "StudyDate_DICOM": "20140915",
            "StudyID": "1",
            "PatientID": "77",
            "PatientBirth": "1950.0",
            "PatientSex_DICOM": "M",
            "Projection": "PA",
            "Report": " engrosamient pleural apical . corazón y columna sin cambi, niñ .",
            "Labels": "['apical pleural thickening', \"Chilaiditi's sign\", '']",
        },
        {
            "ImageID": "2_a.png",
            "ImageDir": "3",
            "StudyDate_DICOM": "nan",
            "StudyID": "2",
            "PatientID": "78",
            "PatientBirth": "None",
            "Projection": "AP_horizontal",
            "Report": "",
            "Labels": "nan",
        },
    ]
    rows.append({**rows[0], "ImageID": "1_b.png", "Projection": "L", "Labels": "[ 'normal']"})
    write_table(root / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz", PADCHEST, rows)
    film(root / "0" / "1_a.png")
    film(root / "0" / "1_b.png")
    return root


def nih(root: Path) -> Path:
    """Three films of two patients in the first layout of two folders, one of them not there."""
    rows = [
        {"Image Index": "00000001_000.png", "Finding Labels": "Cardiomegaly|Effusion", "Patient ID": "1"},
        {"Image Index": "00000001_001.png", "Finding Labels": "No Finding", "Patient ID": "1"},
        {"Image Index": "00000002_000.png", "Finding Labels": "Hernia", "Patient ID": "2"},
    ]
    ages = [
        {"Patient Age": "058Y", "Patient Gender": "F", "View Position": "PA"},
        {"Patient Age": "59", "View Position": "AP"},
    ]
    write_table(root / "Data_Entry_2017_v2020.csv", NIH, [{**row, **ages[n % 2]} for n, row in enumerate(rows)])
    (root / "test_list.txt").write_text("00000002_000.png\n")
    film(root / "images_001" / "images" / "00000001_000.png")
    film(root / "images_002" / "images" / "00000002_000.png")
    return root


MAPPING = """
name = "our-hospital"
title = "Our hospital"
licence = "internal use"
attribution = "Radiology"
file = "reports.csv"
[columns]
study = "accession"
report = "text"
patient = "pid"
age = "years"
sex = "gender"
view = "projection"
film = "png"
"""


def table(root: Path, mapping: str = MAPPING) -> tuple[Path, Path]:
    """Two films of one study, a study in other words, and a row without a study; with the file that maps them."""
    rows = [
        {
            "accession": "A1",
            "text": NOTE,
            "pid": "p1",
            "years": "70",
            "gender": "Male",
            "projection": "pa",
            "png": "a1.png",
        },
        {
            "accession": "B2",
            "text": "Clear lungs.",
            "pid": "p2",
            "years": "",
            "gender": "",
            "projection": "ap",
            "png": "",
        },
        {
            "accession": "A1",
            "text": NOTE,
            "pid": "p1",
            "years": "70",
            "gender": "Male",
            "projection": "Lateral",
            "png": "a2.png",
        },
        {
            "accession": "",
            "text": "Nobody's report.",
            "pid": "p3",
            "years": "5",
            "gender": "",
            "projection": "",
            "png": "",
        },
    ]
    write_table(root / "reports.csv", tuple(rows[0]), rows)
    film(root / "a1.png")
    (root / "mapping.toml").write_text(mapping)
    return root, root / "mapping.toml"
