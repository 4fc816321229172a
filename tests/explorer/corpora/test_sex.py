from __future__ import annotations

import pytest

from explorer.corpora.sex import sex_of, sex_said


@pytest.mark.parametrize(
    ("indication", "sex"),
    [
        ("31yof with cough", "F"),
        ("XXXX-year-old male, dyspnea.", "M"),
        ("___F with chest pain", "F"),
        ("65 y/o M s/p fall", "M"),
        ("Elderly WOMAN, preop", "F"),
        ("Mother of a male infant", "M"),
        ("Female donor, male recipient", None),
        ("Fever of 101 F", None),
        ("Chest pain", None),
        ("", None),
    ],
)
def test_an_indication_states_the_sex_or_does_not(indication, sex):
    assert sex_said(indication) == sex


@pytest.mark.parametrize(("written", "sex"), [("F", "F"), (" male ", "M"), ("O", None), ("", None)])
def test_a_column_gives_the_sex_or_does_not(written, sex):
    assert sex_of(written) == sex
