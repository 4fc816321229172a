"""Prepared corpora with made-up films, for reviews that are asked with them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import made_trees

from explorer import preparing
from explorer.corpora.base import Place
from explorer.preparing import Order
from explorer.settings import Settings

REPORTED, LABELLED = "mimic-cxr", "nih-cxr14"
FIRST = 50000001  # number of the first study with a report


def prepare_films(settings: Settings, folder: Path, studies: int = 4) -> None:
    """Prepare a corpus of films with reports and one of films with labels; the film of the last study is broken."""
    root, films = folder / "mimic", []
    for number in range(studies):
        patient, study = 10000001 + number, FIRST + number
        made_trees.mimic_report(root, patient, study, f"FINDINGS: Effusion number {number}.\n")
        films.append((f"film-{number}", patient, study, "PA"))
        path = made_trees.mimic_film(root, patient, study, f"film-{number}")
        made_trees.film(path, b"broken" if number == studies - 1 else f"film {number}".encode())
    made_trees.mimic_tables(root, films, {10000001 + number: "train" for number in range(studies)})
    preparing.build(settings, Order(REPORTED, Place(root)))
    preparing.build(settings, Order(LABELLED, Place(made_trees.nih(folder / "nih"))))
