"""The errors that training puts into impressions: made in many wordings, none of them one that an evaluation puts in.

`errors.tsv` keeps its rows for choosing and testing. An error told in a score of sentences is learned as these
sentences; what is put in here is composed anew (`made_reports.py`).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from explorer.language.error_injection import Injector
from explorer.language.findings import DEVICES, FindingsReader
from explorer.language.phrases import table
from training.made_reports import DENIED, KINDS, ReportMaker

SEED = 4096
TOLD = 80  # statements of each kind, before those that the rules read otherwise are left out
NEGATIONS = (
    "No {what}{where}.", "No sign of {what}{where}.", "Negative for {what}{where}.", "No {what} {is} seen{where}.",
    "There {is} no visible {what}{where}.", "Without {what}{where}.", "The study shows no {what}{where}.",
)  # fmt: skip
NORMAL = ("{organ} {is} unremarkable.", "{organ} {is} within normal limits.", "{organ} {is} not enlarged.")
DEVICE_NAMES = {
    "Endotracheal Tube": ("chest tube", "tracheostomy tube", "enteric tube"),
    "Enteric Tube": ("tracheostomy tube", "chest tube", "PICC line"),
    "Chest Tube": ("feeding tube", "endotracheal tube", "port catheter"),
    "Central Line": ("chest tube", "enteric tube", "pacemaker"),
    "PICC": ("port catheter", "chest tube", "internal jugular catheter"),
    "Port": ("PICC line", "cardiac defibrillator", "chest tube"),
    "Pacemaker or ICD": ("port catheter", "PICC line", "prosthetic valve"),
    "Sternal Wires": ("spinal hardware", "pacemaker leads", "surgical clips"),
    "Surgical Clips": ("pacemaker leads", "coronary stent"),
    "Valve Prosthesis": ("pacemaker", "surgical clip"),
    "Stent": ("surgical clip", "pacemaker"),
}
POSITIONS = {
    "cavo-?atrial junction|caval atrial junction": ("brachiocephalic vein", "subclavian vein", "azygos vein"),
    "superior vena cava|svc": ("right ventricle", "brachiocephalic vein", "internal jugular vein"),
    "right atrium|right ventricle": ("left atrium", "pulmonary artery"),
    "above the carina": ("in the right mainstem bronchus", "at the carina"),
    "stomach": ("right mainstem bronchus", "mid esophagus"),
    "(?:good|stable|satisfactory|expected|appropriate|standard|unchanged) position": (
        "poor position",
        "wrong position",
    ),
}


def training_injector(reserved: frozenset[str]) -> Injector:
    """Return an injector of made errors, without the reserved sentences. Reads the tables in `assets/lexicons/`."""
    reader = FindingsReader.open()
    rows: dict[str, dict[str, tuple[str, ...]]] = {
        **_statements(reader, reserved),
        "denial": {"": tuple(form.format(n="{finding}") for form in DENIED if "{n}" in form)},
        "noun": _nouns(),
        "negation": {"": NEGATIONS},
        "normal": {"": NORMAL},
        "device name": DEVICE_NAMES,
        "position": POSITIONS,
    }
    return Injector(reader, rows)


def reserved_sentences() -> frozenset[str]:
    """Return the sentences and forms that evaluations put in."""
    return frozenset(row["text"] for row in table("errors.tsv") if row["use"] != "any")


def _nouns() -> dict[str, tuple[str, ...]]:
    return {row["key"]: (row["text"],) for row in table("errors.tsv") if row["category"] == "noun"}


def _statements(reader: FindingsReader, reserved: frozenset[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return made sentences by the one thing that the rules read in them, findings apart from devices."""
    maker, draw = ReportMaker(reserved), np.random.default_rng(SEED)
    told: dict[str, dict[str, None]] = defaultdict(dict)
    for kind in np.repeat(np.arange(len(KINDS)), TOLD):
        sentence = maker.stated(int(kind), draw)
        read = {(one.name, one.status) for one in reader.read(sentence, "")}
        if len(read) == 1 and next(iter(read))[1] == "present":
            told[next(iter(read))[0]][sentence] = None
    return {
        category: {name: tuple(texts) for name, texts in told.items() if (name in DEVICES) is device}
        for category, device in (("statement", False), ("device", True))
    }
