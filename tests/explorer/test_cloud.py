from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from explorer.cloud import Cloud, grouped, panel, studies_of
from explorer.errors import BadQuery
from explorer.index import IndexKey, ReportIndex
from explorer.neighbourhoods import Preservation
from explorer.projection import MapKey, MapSettings, Projection
from explorer.types import Finding, Report, StudyMeta

KEY = IndexKey("made-up", "0" * 64, "findings", "toy", "report", "cosine", "r1", 2)
TEXTS = {"a": "Left effusion.", "b": "No effusion.", "c": "Clear lungs.", "d": "Left effusion.", "e": "Not indexed."}
STATUS = {"a": "present", "b": "absent", "d": "present"}


def report(study: str) -> Report:
    status = STATUS.get(study)
    findings = (Finding("Pleural Effusion", status, "", "", "", "findings", 0, 4),) if status else ()
    meta = StudyMeta(age={"a": 19, "b": 20, "c": 85}.get(study), views=("PA",), sex="female" if study == "a" else None)
    return Report(study, "made-up", {"findings": TEXTS[study]}, findings, meta, "CC BY 4.0")


@pytest.fixture
def cloud() -> Cloud:
    index = ReportIndex(KEY, np.eye(3, 2, dtype=np.float32), [["a", "d"], ["b"], ["c"]], np.empty(0), np.empty((0, 16)))
    places = np.array([[0, 1], [2, 3], [4, 5]], np.float32)
    groups = np.array([0, 1, 1], np.int16)
    kept = Preservation(0.5, 0.1, 0.9, 1, 3, 3)
    studies = studies_of(map(report, "abcde"), frozenset("abcd"), "made-up", "Made-up reports", "findings")
    return Cloud(
        studies, (panel(studies, index, Projection(MapKey(KEY, MapSettings()), places, groups, kept, 3, 1.0)),)
    )


def colouring(cloud: Cloud, name: str) -> list[str]:
    [found] = [one for one in cloud.studies.colourings if one.name == name]
    return [found.labels[code] for code in found.codes]


def test_every_study_with_a_vector_is_on_the_map_and_twins_lie_in_one_place(cloud):
    assert cloud.studies.ids == ["a", "b", "c", "d"]
    assert cloud.panels[0].places.tolist() == [[0, 1], [2, 3], [4, 5], [0, 1]]


def test_studies_are_coloured_by_status_age_sex_view_section_and_source(cloud):
    assert colouring(cloud, "Pleural Effusion") == ["present", "absent", "not mentioned", "present"]
    assert colouring(cloud, "age") == ["0–19", "20–39", "80 and over", "unknown"]
    assert colouring(cloud, "sex") == ["female", "unknown", "unknown", "unknown"]
    assert colouring(cloud, "view") == ["PA"] * 4
    assert colouring(cloud, "section") == ["findings"] * 4
    assert colouring(cloud, "source") == ["made-up"] * 4


def test_clusters_are_named_by_their_own_words(cloud):
    named = cloud.panels[0].clusters
    assert named.codes.tolist() == [0, 1, 1, 0]
    assert named.labels[0] == "left effusion"


def test_beyond_twenty_groups_the_small_ones_are_one():
    few = grouped("source", [f"s{number}" for number in range(30) for _ in range(30 - number)])
    assert len(few.labels) == 20
    assert few.labels[0] == "s0"
    assert few.labels[-1] == "other"
    assert (few.codes == 19).sum() == sum(30 - number for number in range(19, 30))


def test_a_selection_is_counted_against_all(cloud):
    told = cloud.picked(np.array([0, 1]))
    assert told["findings"] == [{"finding": "Pleural Effusion", "selected": 1, "all": 2}]
    assert (told["count"], told["of"]) == (2, 4)
    assert [one["id"] for one in told["studies"]] == ["a", "b"]


def test_words_are_found_in_any_case_and_all_of_them_count(cloud):
    assert cloud.studies.matching("EFFUSION left").tolist() == [0, 3]
    assert cloud.studies.matching("effusion").tolist() == [0, 1, 3]
    assert cloud.studies.matching("  ").tolist() == []


def test_a_selection_is_read_as_bits_the_lowest_first(cloud):
    assert cloud.rows_in(base64.b64encode(bytes([0b1001])).decode()).tolist() == [0, 3]


@pytest.mark.parametrize("sent", ["", "!!", "AAAA", base64.b64encode(b"\1\1").decode()])
def test_a_selection_of_another_map_is_refused(cloud, sent):
    with pytest.raises(BadQuery):
        cloud.rows_in(sent)


def test_the_table_of_a_selection_begins_as_embedding_viewers_expect(cloud):
    table = cloud.columns(np.array([3, 1]))
    assert list(table)[:4] == ["id", "text", "x", "y"]
    assert (table["id"], table["x"], table["y"]) == (["d", "b"], [0.0, 2.0], [1.0, 3.0])
    assert table["Pleural Effusion"] == ["present", "absent"]
    assert table["age"] == [None, 20]


def test_what_the_browser_gets_is_json_and_little_endian(cloud):
    sent = json.loads(json.dumps(cloud.payload()))
    [drawn] = sent["panels"]
    assert np.frombuffer(base64.b64decode(drawn["x"]), "<f4").tolist() == [0, 2, 4, 0]
    assert sent["texts"][1] == "No effusion."
    assert drawn["kept"]["kept"] == 0.5


def test_a_point_is_told_with_its_neighbours(cloud):
    told = cloud.point(0, [(1, 0.25)], 0)
    assert told["id"] == "a"
    assert told["facts"] == ["19 y", "female", "PA", "made-up", "CC BY 4.0"]
    assert told["near"] == [{"row": 1, "id": "b", "text": "No effusion.", "score": 0.25}]


def test_hits_that_are_not_on_the_map_are_left_out(cloud):
    assert cloud.located({"c": 0.9, "e": 0.8, "a": 0.7}) == [(2, 0.9), (0, 0.7)]
