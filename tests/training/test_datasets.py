from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from models.interfaces import CxrError
from training.datasets import film_split, films, fingerprint, images_folder, label_matrix


@pytest.mark.parametrize("patient", ["1", "nih-00000013", "Größe", ""])
def test_a_patients_split_follows_the_last_digit_of_the_digest(patient):
    last = hashlib.sha256(patient.encode()).hexdigest()[-1]
    assert film_split(patient) == {"0": "reporting", "1": "reporting", "2": "choosing"}.get(last, "train")


def test_an_eighth_of_the_patients_is_for_reporting_and_a_sixteenth_for_choosing():
    splits = [film_split(f"patient {number}") for number in range(4_000)]
    assert splits.count("reporting") / 4_000 == pytest.approx(2 / 16, abs=0.02)
    assert splits.count("choosing") / 4_000 == pytest.approx(1 / 16, abs=0.02)
    assert film_split("patient 7") == film_split("patient 7")


def patient_in(split):
    return next(name for name in map(str, range(1_000)) if film_split(name) == split)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    train, reporting = patient_in("train"), patient_in("reporting")
    (tmp_path / "manifest.csv").write_text(
        "image,source,patient,view,labels,note\n"
        f'a/1.png,nih_cxr14,{train},PA,Effusion|Mass,"a note, with\na newline"\n'
        f"a/2.png,nih_cxr14,{train},ap,No Finding,\n"
        f"a/3.png,nih_cxr14,{train},AP Supine,todo,\n"
        f"a/4.png,nih_cxr14,{train},,Pneumothorax,\n"
        f"a/5.png,nih_cxr14,{train},L,Pneumothorax,\n"
        f"a/6.png,nih_cxr14,{train},Lateral,Pneumothorax,\n"
        f"a/7.png,elsewhere,{train},PA,Edema,\n"
        f"a/8.png,nih_cxr14,{reporting},PA,Edema,\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("CXR_IMAGES", str(tmp_path))
    return tmp_path


def test_the_frontal_films_of_a_split_and_source_are_read_with_their_labels(folder):
    found = films(images_folder(), ("nih_cxr14",), "train")
    assert [film.file for film in found] == [folder / "a" / f"{number}.png" for number in (1, 2, 3, 4)]
    assert [film.view for film in found] == ["PA", "AP", "AP", ""]
    assert [film.labels for film in found] == [
        {"Pleural Effusion", "Lung Lesion"},
        {"No Finding"},
        frozenset(),
        {"Pneumothorax"},
    ]
    assert [film.file.name for film in films(folder, ("nih_cxr14", "elsewhere"), "reporting")] == ["8.png"]
    assert films(folder, ("nih_cxr14",), "choosing") == ()


def test_a_folder_of_radiographs_that_is_not_named_or_empty_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_IMAGES", str(tmp_path))
    with pytest.raises(CxrError, match=r"Set CXR_IMAGES to a folder of radiographs with a manifest\.csv"):
        images_folder()
    monkeypatch.delenv("CXR_IMAGES")
    with pytest.raises(CxrError, match="Set CXR_IMAGES"):
        images_folder()


@pytest.mark.images
@pytest.mark.skipif(not os.environ.get("CXR_IMAGES"), reason="set CXR_IMAGES to a folder of radiographs to run this")
def test_no_patient_of_the_real_films_is_in_two_splits():
    splits = [films(images_folder(), ("nih_cxr14",), split) for split in ("train", "choosing", "reporting")]
    patients = [{film.patient for film in split} for split in splits]
    assert all(patients)
    assert sum(map(len, patients)) == len(set.union(*patients))


def test_labels_become_a_matrix_with_named_columns():
    matrix = label_matrix([frozenset({"b"}), frozenset(), frozenset({"a", "c", "unknown"})], ("a", "b", "c"))
    assert matrix.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert matrix.dtype == np.float32
    assert label_matrix([], ("a", "b")).shape == (0, 2)


def test_a_fingerprint_follows_texts_and_their_borders():
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"]) != fingerprint(["bc", "a"])
    assert fingerprint(["a"]) == hashlib.sha256(b"a\0").hexdigest()
