from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.language import findings
from explorer.language.findings import DEVICES, FindingsReader, observation_of, observations
from explorer.language.labels import LABELS
from explorer.types import Finding, Status

READER = FindingsReader.open()
P: Status = "present"
A: Status = "absent"
U: Status = "uncertain"


def statuses(text: str) -> Mapping[str, Status]:
    return observations(READER.read(text, "findings"))


def only(text: str) -> Finding:
    (finding,) = READER.read(text, "findings")
    return finding


HEADED = [
    ("LINES: none.", {"Support Devices": A}),
    ("Lines: n/a", {"Support Devices": A}),
    ("Devices: Not applicable.", {"Support Devices": A}),
    ("Tubes: nil", {"Support Devices": A}),
    ("Lines and tubes: None.", {"Support Devices": A}),
    ("Monitoring/support devices: none", {"Support Devices": A}),
    ("LINES/TUBES: none present.", {"Support Devices": A}),
    ("Line(s): nil", {"Support Devices": A}),
    ("Lines/tubes: no lines", {"Support Devices": A}),
    ("LINES: right PICC, no ETT.", {"Support Devices": P}),
    ("LINES:\nnone", {}),
    ("Lines: unchanged.", {"Support Devices": P}),
    ("Lines: no change", {"Support Devices": P}),
    ("Pleural effusion: None. Pneumothorax: None.", {"Pleural Effusion": A, "Pneumothorax": A}),
    ("2. Right pneumothorax: no.", {"Pneumothorax": A}),
    ("Pneumothorax: no pneumothorax", {"Pneumothorax": A}),
    ("Fractures: not seen.", {"Fracture": A}),
    ("Pneumothorax: possible.", {"Pneumothorax": U}),
    ("Pleural effusion: small, right.", {"Pleural Effusion": P}),
    ("There is a right effusion: small.", {"Pleural Effusion": P}),
]

NAMED = [
    ("Small right pneumothorax.", {"Pneumothorax": P}),
    ("sm R PTX", {"Pneumothorax": P}),
    ("Layering pleural fluid.", {"Pleural Effusion": P}),
    ("Fluid in the minor fissure.", {"Pleural Effusion": P}),
    ("Hydropneumothorax on the left.", {"Pneumothorax": P, "Pleural Effusion": P}),
    ("Patchy airspace disease.", {"Lung Opacity": P}),
    ("Dense consolidation.", {"Consolidation": P}),
    ("Right lower lobe pneumonia.", {"Pneumonia": P}),
    ("Discoid atelectasis.", {"Atelectasis": P}),
    ("Collapse of the left lung.", {"Atelectasis": P}),
    ("Interstitial oedema.", {"Edema": P}),
    ("Findings of CHF.", {"Edema": P}),
    ("Spiculated nodule.", {"Lung Lesion": P}),
    ("Nodular left base opacity.", {"Lung Lesion": P}),
    ("Pleural plaques.", {"Pleural Other": P}),
    ("Biapical thickening.", {"Pleural Other": P}),
    ("Healed rib fractures.", {"Fracture": P}),
    ("T9 compression deformity.", {"Fracture": U}),
    ("Bullous emphysema.", {"Emphysema": P}),
    ("Interstitial fibrosis.", {"Fibrosis": P}),
    ("Sliding hiatus hernia.", {"Hernia": P}),
    ("Cardiomegaly.", {"Cardiomegaly": P}),
    ("Widened mediastinum.", {"Enlarged Cardiomediastinum": P}),
    ("Swan-Ganz catheter.", {"Support Devices": P}),
    ("VP shunt tubing is identified.", {"Support Devices": P}),
    ("Shunt catheter over the right chest.", {"Support Devices": P}),
    ("Normal chest.", {"No Finding": P}),
]

DENIED = [
    ("No pneumothorax.", {"Pneumothorax": A}),
    ("No pneumothorax, effusion, or consolidation.", {"Pneumothorax": A, "Pleural Effusion": A, "Consolidation": A}),
    ("No nodules, masses or infiltrates.", {"Lung Lesion": A, "Lung Opacity": A}),
    ("No acute, displaced fracture.", {"Fracture": A}),
    ("Without edema.", {"Edema": A}),
    ("R eff w/o PTX", {"Pleural Effusion": P, "Pneumothorax": A}),
    ("Free of consolidation.", {"Consolidation": A}),
    ("Negative for pneumonia.", {"Pneumonia": A}),
    ("Neither effusion nor pneumothorax is seen.", {"Pleural Effusion": A, "Pneumothorax": A}),
    ("The pneumothorax has resolved.", {"Pneumothorax": A}),
    ("Resolved effusion.", {"Pleural Effusion": A}),
    ("The effusion is no longer seen.", {"Pleural Effusion": A}),
    ("A pneumothorax is not identified.", {"Pneumothorax": A}),
    ("The chest tube was removed.", {"Support Devices": A}),
    ("Interval removal of the PICC.", {"Support Devices": A}),
    ("No opacity to suggest pneumonia.", {"Lung Opacity": A, "Pneumonia": A}),
    ("No acute bony abnormality.", {"Fracture": A}),
    ("No acute cardiopulmonary abnormality.", {"No Finding": P}),
    ("No active disease.", {"No Finding": P}),
]

ENDED = [
    ("No pneumothorax, small left effusion.", {"Pneumothorax": A, "Pleural Effusion": P}),
    ("No effusion; stable cardiomegaly.", {"Pleural Effusion": A, "Cardiomegaly": P}),
    ("No effusion but atelectasis persists.", {"Pleural Effusion": A, "Atelectasis": P}),
    ("Effusion without pneumothorax.", {"Pleural Effusion": P, "Pneumothorax": A}),
    ("No pneumothorax with persistent effusion.", {"Pneumothorax": A, "Pleural Effusion": P}),
    ("Persistent effusion, the pneumothorax has resolved.", {"Pleural Effusion": P, "Pneumothorax": A}),
    ("No edema. Mild atelectasis.", {"Edema": A, "Atelectasis": P}),
    ("No change in the right effusion.", {"Pleural Effusion": P}),
    ("No significant interval change in the consolidation.", {"Consolidation": P}),
    ("Improved edema.", {"Edema": P}),
]

DOUBTED = [
    ("Possible left lower lobe pneumonia.", {"Pneumonia": U}),
    ("Opacity may represent pneumonia.", {"Lung Opacity": P, "Pneumonia": U}),
    ("Base opacity, likely atelectasis.", {"Lung Opacity": P, "Atelectasis": U}),
    ("Atelectasis is likely.", {"Atelectasis": U}),
    ("Cannot exclude a small effusion.", {"Pleural Effusion": U}),
    ("A small effusion cannot be excluded.", {"Pleural Effusion": U}),
    ("Rule out pneumonia.", {"Pneumonia": U}),
    ("?PTX", {"Pneumothorax": U}),
    ("Suspicious for malignancy.", {"Lung Lesion": U}),
    ("Follow-up to exclude an underlying mass.", {"Lung Lesion": U}),
    ("Atelectasis versus pneumonia.", {"Atelectasis": U, "Pneumonia": U}),
    ("Opacity: atelectasis or scarring.", {"Lung Opacity": P, "Atelectasis": U}),
    ("Atelectasis/infiltrate.", {"Atelectasis": U, "Lung Opacity": U}),
    ("Opacity consistent with pneumonia.", {"Lung Opacity": P, "Pneumonia": P}),
    ("No pneumothorax, possible effusion.", {"Pneumothorax": A, "Pleural Effusion": U}),
    ("Age-indeterminate rib fractures.", {"Fracture": P}),
    ("Opacity XXXX representing pneumonia.", {"Lung Opacity": P, "Pneumonia": U}),
]

ORGANS = [
    ("Heart size is normal.", {"Cardiomegaly": A}),
    ("The heart is not enlarged.", {"Cardiomegaly": A}),
    ("The heart is mildly enlarged.", {"Cardiomegaly": P}),
    ("Heart size is at the upper limits of normal.", {"Cardiomegaly": U}),
    ("Borderline cardiomegaly.", {"Cardiomegaly": U}),
    ("Stable cardiac silhouette.", {}),
    ("Cardiomediastinal silhouette is unremarkable.", {"Cardiomegaly": A, "Enlarged Cardiomediastinum": A}),
    ("Normal heart size and mediastinal contours.", {"Cardiomegaly": A, "Enlarged Cardiomediastinum": A}),
    ("Normal and stable cardiomediastinal contours.", {"Cardiomegaly": A, "Enlarged Cardiomediastinum": A}),
    ("Heart size stable, mediastinal contours normal.", {"Enlarged Cardiomediastinum": A}),
    ("Normal aorta and enlarged heart.", {"Cardiomegaly": P}),
    ("The aorta is enlarged and the heart is normal.", {"Cardiomegaly": A}),
    ("Large hiatal hernia behind the heart.", {"Hernia": P}),
    ("No mediastinal widening.", {"Enlarged Cardiomediastinum": A}),
    ("Lungs are clear.", {"Lung Opacity": A}),
    ("Lungs are clear of consolidation.", {"Consolidation": A}),
    ("Lung volumes are normal.", {}),
    ("Costophrenic angles are sharp.", {"Pleural Effusion": A}),
    ("Blunting of the left costophrenic angle.", {"Pleural Effusion": U}),
    ("Pulmonary vascularity is normal.", {"Edema": A}),
    ("Prominent pulmonary vasculature.", {"Edema": P}),
    ("Ribs are intact.", {"Fracture": A}),
    ("Osseous structures are without acute abnormality.", {"Fracture": A}),
    ("The chest is unremarkable.", {"No Finding": P}),
]

NOT_MEANT = [
    ("Pericardial effusion.", {}),
    ("Subcutaneous emphysema.", {}),
    ("Calcified granuloma.", {}),
    ("Degenerative spine.", {}),
    ("Hyperinflation.", {}),
    ("Mass effect on the trachea.", {}),
    ("No evidence of left-to-right shunt.", {}),
    ("Shunt vascularity.", {}),
    ("Intracardiac shunting.", {}),
    ("Fractured pacemaker lead.", {"Support Devices": P}),
    ("Collapse of the T8 vertebra.", {}),
    ("History of breast cancer.", {}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "expected"), HEADED)
def test_what_a_heading_names_is_there_as_far_as_what_follows_says(text, expected):
    assert statuses(text) == expected


@pytest.mark.parametrize(("text", "expected"), NAMED)
def test_a_finding_named_is_present(text: str, expected: Mapping[str, Status]):
    assert statuses(text) == expected


@pytest.mark.parametrize(("text", "expected"), DENIED)
def test_a_finding_denied_before_or_after_is_absent(text: str, expected: Mapping[str, Status]):
    assert statuses(text) == expected


@pytest.mark.parametrize(("text", "expected"), ENDED)
def test_a_denial_ends_where_a_new_statement_starts(text: str, expected: Mapping[str, Status]):
    assert statuses(text) == expected


@pytest.mark.parametrize(("text", "expected"), DOUBTED)
def test_a_finding_hedged_is_uncertain(text: str, expected: Mapping[str, Status]):
    assert statuses(text) == expected


@pytest.mark.parametrize(("text", "expected"), ORGANS)
def test_what_is_said_of_an_organ_decides_its_finding(text: str, expected: Mapping[str, Status]):
    assert statuses(text) == expected


@pytest.mark.parametrize(("text", "expected"), NOT_MEANT)
def test_words_that_only_look_like_a_finding_are_none(text: str, expected: Mapping[str, Status]):
    assert statuses(text) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Right-sided chest tube.", "Chest Tube"),
        ("ETT in place.", "Endotracheal Tube"),
        ("Tracheostomy.", "Tracheostomy Tube"),
        ("Left IJ line.", "Central Line"),
        ("Left PICC.", "PICC"),
        ("Right chest port.", "Port"),
        ("Dual lead pacemaker.", "Pacemaker or ICD"),
        ("Nasogastric tube.", "Enteric Tube"),
        ("Median sternotomy wires.", "Sternal Wires"),
        ("Cholecystectomy clips.", "Surgical Clips"),
        ("Prosthetic mitral valve.", "Valve Prosthesis"),
        ("Aortic stent graft.", "Stent"),
        ("Spinal fusion hardware.", "Support Devices"),
    ],
)
def test_a_device_has_its_own_name_and_counts_as_support_device(text: str, name: str):
    assert only(text).name == name
    assert observation_of(name) == "Support Devices"


def test_names_are_labels_or_devices():
    assert observation_of("Pneumothorax") == "Pneumothorax"
    assert DEVICES.isdisjoint(set(LABELS) - {"Support Devices"})


@pytest.mark.parametrize(
    ("text", "location", "laterality", "severity"),
    [
        ("Small left pleural effusion.", "", "left", "mild"),
        ("Moderate to large right pleural effusion.", "", "right", "severe"),
        ("Effusions, right greater than left.", "", "bilateral", ""),
        ("Minimal bibasilar atelectasis.", "base", "bilateral", "minimal"),
        ("RLL pneumonia.", "lower lobe", "right", ""),
        ("Reticular opacity in BLLF.", "lower lung", "bilateral", ""),
        ("Nodule in the left upper lobe.", "upper lobe", "left", ""),
        ("Lingular consolidation.", "lingula", "left", ""),
        ("Opacity in the right base and the left apex.", "base, apex", "bilateral", ""),
        ("Severe cardiomegaly.", "", "", "severe"),
        ("PICC tip at the cavoatrial junction.", "cavoatrial junction", "", ""),
        ("No large left effusion.", "", "left", ""),
    ],
)
def test_location_side_and_severity_come_from_the_words_beside(
    text: str, location: str, laterality: str, severity: str
):
    finding = only(text)
    assert (finding.location, finding.laterality, finding.severity) == (location, laterality, severity)


def test_findings_side_by_side_keep_their_own_anatomy():
    effusion, collapse = READER.read("Small left effusion and marked right upper lobe atelectasis.", "findings")
    assert (effusion.laterality, effusion.severity, effusion.location) == ("left", "mild", "")
    assert (collapse.laterality, collapse.severity, collapse.location) == ("right", "severe", "upper lobe")


def test_spans_are_the_words_of_the_section_as_given():
    text = "  Heart size is normal.\n2. No pleural effusions; left IJ line."
    found = {finding.name: text[finding.start : finding.end] for finding in READER.read(text, "impression")}
    assert found == {
        "Cardiomegaly": "Heart size is normal",
        "Pleural Effusion": "pleural effusions",
        "Central Line": "IJ line",
    }


def test_a_span_covers_its_modifiers_only_where_they_make_the_finding():
    text = "Nodular right lower lobe opacity"
    finding = only(text)
    assert text[finding.start : finding.end] == text


def test_a_report_is_its_findings_then_its_impression():
    sections = {"impression": "Pneumonia.", "indication": "Rule out effusion.", "findings": "Left base opacity."}
    read = READER.read_report(sections)
    assert [(finding.name, finding.section) for finding in read] == [
        ("Lung Opacity", "findings"),
        ("Pneumonia", "impression"),
    ]


def test_one_status_a_label_present_before_uncertain_before_absent():
    assert statuses("No left effusion. Possible right effusion.") == {"Pleural Effusion": U}
    assert statuses("Possible right effusion. Left effusion.") == {"Pleural Effusion": P}


def test_no_finding_gives_way_to_any_finding_but_a_device():
    assert statuses("Small effusion. No acute disease.") == {"Pleural Effusion": P}
    assert statuses("Left PICC. No acute disease.") == {"Support Devices": P, "No Finding": P}
    assert statuses("No effusion. No acute disease.") == {"Pleural Effusion": A, "No Finding": P}


SIGNS = [",", ";", ".", "/", "?", "~", "*", "XXXX"]
CUES = ["no", "without", "or", "and", "but", "possible", "versus", "has resolved", "acute"]
NOUNS = ["effusion", "pneumothorax", "opacity", "nodular", "abnormality", "heart", "size", "lungs", "costophrenic"]
STATES = ["normal", "enlarged", "clear", "blunted", "left", "right", "base"]
WORDS = st.sampled_from([*SIGNS, *CUES, *NOUNS, *STATES])


@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=60).map(" ".join)))
def test_any_text_is_read_with_spans_inside_it(text: str):
    for finding in READER.read(text, "findings"):
        assert 0 <= finding.start < finding.end <= len(text)
        assert text[finding.start : finding.end].strip() == text[finding.start : finding.end]
        assert finding.name in LABELS or finding.name in DEVICES
        assert finding.status in ("present", "absent", "uncertain")


def test_a_hostile_note_of_the_longest_length_is_read_in_seconds():
    started = time.process_time()
    for piece in ("no effusion, ", "nodular ", "effusion or ", "heart and ", "possible "):
        READER.read(piece * (4_000 // len(piece)), "findings")
    assert time.process_time() - started < 10


def test_the_revision_covers_every_table_and_module_that_decides_what_is_read():
    folder = Path(findings.__file__).parent
    sources = {name: (folder / name).read_text(encoding="utf-8") for name in findings.MODULES}
    imported = set(re.findall(r"from explorer\.language\.(\w+) import", "".join(sources.values())))
    assert {f"{name}.py" for name in imported} - {"labels.py"} == set(findings.MODULES) - {"findings.py"}
    assert set(re.findall(r"\w+\.tsv", "".join(sources.values()))) == set(findings.TABLES)
    assert findings.revision() == findings.revision() != ""
