from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.corpora.base import Corpus, LeftOut, Source, Study
from explorer.corpora.sections import has_words
from explorer.errors import BadQuery, CorpusError, Damaged, Foreign, NotPrepared
from explorer.files import publish
from explorer.store import Neighbour, ReportStore, nearest
from explorer.types import Filters, Finding, FindingFilter, Report, StudyMeta

EFFUSION = Finding("Pleural Effusion", "present", "base", "left", "small", "findings", 0, 19)

DISK_FULL = """
import resource, sys
from pathlib import Path
from explorer.corpora.base import Corpus
from explorer.errors import StoreError
from explorer.store import ReportStore
from explorer.types import Report, StudyMeta
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
reports = tuple(Report(f"t:{n}", "t", {"findings": f"shadow {n} " * 50}, (), StudyMeta(), "") for n in range(500))
try:
    ReportStore.build(Path(sys.argv[1]), Corpus("t", "T", "", "", "00", reports))
except StoreError as error:
    sys.exit(str(error))
"""


def study(number, findings="", impression="", findings_marked=(), **meta):
    sections = {"findings": findings, "impression": impression, "indication": "Cough."}
    kept = {name: text for name, text in sections.items() if text}
    return Report(f"toy:{number}", "toy", kept, tuple(findings_marked), StudyMeta(**meta), "CC0")


REPORTS = (
    study(1, "Small left effusion at the base.", "Effusion.", [EFFUSION], age=70, views=("PA", "LATERAL"), films=2),
    study(2, "Lungs are clear.", "Nothing acute.", age=30, views=("AP",)),
    study(3, "Lungs  are\nclear.", "Nothing acute.", age=50, views=("PA",), codes=("normal",)),
    study(4, "Rib fracture seen on XXXX film.", age=None),
    study(5, impression="Lungs are clear."),
    study(6, findings="XXXX."),
    study(7),
    study(8, "Lungs are clear.", "Nodule in the right apex."),
)
CORPUS = Corpus("toy", "Toy reports", "CC0", "Nobody, 2024", "ab" * 32, REPORTS)


def said(number, *findings, **more):
    marked = tuple(Finding(name, status, "", side, "", "findings", 0, 1) for name, status, side in findings)
    return replace(study(number, f"Text {number}.", **more), findings=marked)


SAYING = (
    said(1, ("Pneumothorax", "present", "right"), ("Pneumothorax", "absent", "left"), sex="F"),
    said(2, ("Pneumothorax", "absent", ""), ("No Finding", "present", ""), sex="M"),
    said(3, ("Pneumothorax", "uncertain", ""), ("Chest Tube", "present", "right")),
    said(4, ("Pleural Effusion", "present", "left"), ("No Finding", "present", "")),
    replace(said(5), sections={"impression": "Text 5."}, source="other"),
)


@pytest.fixture(scope="module")
def saying(tmp_path_factory):
    return ReportStore.build(tmp_path_factory.mktemp("saying"), Corpus("toy", "Toy", "", "", "ab", SAYING))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ReportStore.build(tmp_path_factory.mktemp("store"), CORPUS)


def test_reports_come_back_unchanged_in_the_order_asked(store):
    assert store.get(["toy:8", "toy:1", "toy:7"]) == (REPORTS[7], REPORTS[0], REPORTS[6])
    assert store.get(["toy:2", "toy:2"]) == (REPORTS[1], REPORTS[1])
    assert store.get([]) == ()


def test_an_unknown_study_is_a_bad_query(store):
    with pytest.raises(BadQuery, match="No study of that id in Toy reports"):
        store.get(["toy:1", "toy:99"])
    with pytest.raises(BadQuery):
        store.get(["\ud800' OR 1=1 --"])


def test_the_description_counts_sections_and_what_can_be_searched(store):
    info = store.info
    assert (info.name, info.title, info.licence, info.attribution) == (
        "toy",
        "Toy reports",
        "CC0",
        "Nobody, 2024",
    )
    assert (info.sha256, info.studies) == ("ab" * 32, 8)
    assert info.sections == {"findings": 6, "impression": 5, "indication": 8}
    assert info.scopes == {"report": 6, "findings": 5, "impression": 5}


def test_passages_are_the_distinct_texts_as_encoders_see_them_with_every_study_that_has_them(store):
    assert list(store.passages("report")) == [
        ("Small left effusion at the base. Effusion.", ("toy:1",)),
        ("Lungs are clear. Nothing acute.", ("toy:2", "toy:3")),
        ("Rib fracture seen on film.", ("toy:4",)),
        ("Lungs are clear.", ("toy:5",)),
        ("Lungs are clear. Nodule in the right apex.", ("toy:8",)),
    ]
    assert store.passage_count("report") == 5
    assert [studies for _, studies in store.passages("impression")] == [
        *(("toy:1",), ("toy:2", "toy:3"), ("toy:5",), ("toy:8",))
    ]


def test_passages_come_whole_however_many_pages_they_fill(tmp_path):
    reports = tuple(study(number, f"nodule {number // 2}") for number in range(2_100))
    found = list(ReportStore.build(tmp_path, Corpus("toy", "Toy", "", "", "", reports)).passages("findings"))
    assert [text for text, _ in found] == [f"nodule {number}" for number in range(1_050)]
    assert sorted(name for _, studies in found for name in studies) == sorted(report.id for report in reports)


def test_a_store_opens_as_it_was_built(tmp_path):
    built = ReportStore.build(tmp_path, CORPUS)
    opened = ReportStore.open(tmp_path)
    assert opened.info == built.info
    assert opened.get([report.id for report in REPORTS]) == REPORTS


def test_a_folder_whose_name_means_something_in_an_address_works(tmp_path):
    folder = tmp_path / "a?mode=rw#b %20"
    ReportStore.build(folder, CORPUS)
    assert ReportStore.open(folder).info.studies == 8


def test_an_empty_corpus_is_searchable_and_empty(tmp_path):
    store = ReportStore.build(tmp_path, Corpus("none", "None", "", "", "", ()))
    assert list(store.passages("report")) == []
    assert store.passage_count("report") == 0
    assert store.bm25("effusion", "report", 5, None) == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(min_age=50), {1, 3}),
        (Filters(max_age=50), {2, 3}),
        (Filters(min_age=40, max_age=60), {3}),
        (Filters(view="PA"), {1, 3}),
        (Filters(view="LATERAL", max_age=69), set()),
        (Filters(view="' OR 1=1 --"), set()),
        (Filters(min_age=0), {1, 2, 3}),
    ],
)
def test_filters_keep_the_studies_they_describe(store, filters, expected):
    assert store.matching(filters) == {f"toy:{number}" for number in expected}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(findings=(FindingFilter("Pneumothorax", "present"),)), {1}),
        (Filters(findings=(FindingFilter("Pneumothorax", "uncertain"),)), {3}),
        (Filters(findings=(FindingFilter("Pneumothorax", "absent"),)), {2}),  # not 1, absent on one side only
        (Filters(findings=(FindingFilter("Pneumothorax"),)), {1, 2, 3}),
        (Filters(findings=(FindingFilter("Chest Tube", "present"),)), {3}),
        (Filters(findings=(FindingFilter("Support Devices", "present"),)), {3}),
        (Filters(findings=(FindingFilter("No Finding"),)), {2}),  # not 4, where an effusion is there
        (Filters(findings=(FindingFilter("Pneumothorax"), FindingFilter("Support Devices"))), {3}),
        (Filters(findings=(FindingFilter("' OR 1=1 --"),)), set()),
        (Filters(without=("Pneumothorax",)), {2, 4, 5}),
        (Filters(without=("Pneumothorax", "Pleural Effusion")), {2, 5}),
        (Filters(without=("Pleural Effusion",), sex="F"), {1}),
        (Filters(sex="M"), {2}),
        (Filters(section="impression"), {5}),
        (Filters(section="findings", source="toy"), {1, 2, 3, 4}),
        (Filters(source="other"), {5}),
    ],
)
def test_filters_by_findings_take_the_status_of_the_study(saying, filters, expected):
    assert saying.matching(filters) == {f"toy:{number}" for number in expected}


def test_both_ways_to_rank_answer_from_what_passes_the_filters_alone(saying):
    allowed = saying.matching(Filters(without=("Pneumothorax",)))
    assert {near.id for near in saying.bm25("text", "report", 9, allowed)} == {"toy:2", "toy:4", "toy:5"}


def test_the_facets_count_studies_by_the_status_they_have(saying):
    facets = saying.facets
    assert facets.findings == {
        "Pneumothorax": {"present": 1, "uncertain": 1, "absent": 1},
        "No Finding": {"present": 1},
        "Chest Tube": {"present": 1},
        "Support Devices": {"present": 1},
        "Pleural Effusion": {"present": 1},
    }
    assert (facets.sexes, facets.sources) == ({"F": 1, "M": 1}, {"toy": 4, "other": 1})


def test_all_reports_come_with_findings_and_meta(saying):
    assert tuple(saying.reports()) == SAYING


def test_findings_read_by_other_rules_make_no_other_corpus(tmp_path):
    first, again = (
        ReportStore.write(tmp_path, source(Study(one)), read_by=rules)
        for one, rules in ((SAYING[0], "old"), (replace(SAYING[0], findings=()), "new"))
    )
    assert first.info.sha256 == again.info.sha256
    assert (first.read_by, again.read_by) == ("old", "new")


def test_the_studies_of_the_very_same_text_are_told(store):
    assert store.same_text("toy:2", "report") == {"toy:2", "toy:3"}
    assert store.same_text("toy:7", "report") == frozenset()


def test_no_filter_lets_every_study_through(store):
    assert store.matching(Filters()) is None


def test_the_report_that_shares_the_rare_word_comes_first(store):
    hits = store.bm25("is there a fracture of the left rib", "report", 3, None)
    assert hits[0].id == "toy:4"
    assert hits[0].score > hits[1].score > 0


def test_words_match_in_any_inflection_and_case(store):
    assert [hit.id for hit in store.bm25("EFFUSIONS", "findings", 5, None)] == ["toy:1"]


def test_identical_texts_are_one_neighbour_named_by_the_first_id(store):
    (hit,) = store.bm25("clear lungs", "findings", 5, None)
    assert (hit.id, hit.identical) == ("toy:2", ("toy:3", "toy:8"))


def test_only_allowed_studies_answer_and_name_their_text(store):
    (hit,) = store.bm25("clear", "findings", 5, frozenset({"toy:8", "toy:3", "toy:1"}))
    assert (hit.id, hit.identical) == ("toy:3", ("toy:8",))
    assert store.bm25("clear", "findings", 5, frozenset()) == []


def test_a_scope_is_searched_alone(store):
    assert [hit.id for hit in store.bm25("nodule", "impression", 5, None)] == ["toy:8"]
    assert store.bm25("nodule", "findings", 5, None) == []


def test_ties_are_in_order_of_id_also_at_the_last_place(tmp_path):
    reports = tuple(study(number, f"nodule {chr(97 + number)}") for number in (5, 3, 9, 1, 7))
    store = ReportStore.build(tmp_path, Corpus("toy", "Toy", "", "", "", reports))
    hits = store.bm25("nodule", "findings", 3, None)
    assert [hit.id for hit in hits] == ["toy:1", "toy:3", "toy:5"]
    assert len({hit.score for hit in hits}) == 1


def test_redactions_are_not_words(store):
    assert store.bm25("XXXX", "report", 5, None) == []
    assert [hit.id for hit in store.bm25("XXXX film", "report", 5, None)] == ["toy:4"]


def test_nothing_asked_or_nothing_typed_finds_nothing(store):
    assert store.bm25("clear", "report", 0, None) == []
    assert store.bm25("", "report", 5, None) == []
    assert store.bm25("?! --", "report", 5, None) == []


def test_a_very_long_query_is_answered(store):
    text = " ".join(f"word{number}" for number in range(5_000)) + " fracture"
    assert [hit.id for hit in store.bm25(text, "report", 5, None)] == ["toy:4"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("clear AND fracture", "clear fracture and"),
        ("NOT clear", "clear not"),
        ('clear" OR "effusion', "clear or effusion"),
        ("NEAR(clear fracture)", "near clear fracture"),
        ("text : clear", "text clear"),
        ("{text} ^clear", "text clear"),
        ("clea* + fracture", "clea fracture"),
    ],
)
def test_nothing_typed_is_an_operator(store, typed, words):
    assert store.bm25(typed, "report", 9, None) == store.bm25(words, "report", 9, None)


anything = st.characters(exclude_categories=[])
typed = st.lists(st.sampled_from(['"', "'", "*", "^", ":", "(", ")", "{", "}", "AND", "OR", "NOT", "NEAR", "clear"]))


@given(st.text(anything) | typed.map(" ".join) | typed.map("".join))
def test_no_query_at_all_is_an_error_of_the_database(store, text):
    hits = store.bm25(text, "report", 3, frozenset({"toy:1", "toy:2"}))
    assert all(hit.id in {"toy:1", "toy:2"} and hit.score > 0 for hit in hits)


def test_many_threads_get_what_one_gets(store):
    words = ["clear", "effusion", "fracture", "nodule", "acute"] * 40
    alone = [store.bm25(word, "report", 5, None) for word in words]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda word: store.bm25(word, "report", 5, None), words))
    assert together == alone


def test_an_open_store_outlives_its_replacement(tmp_path):
    old = ReportStore.build(tmp_path, CORPUS)
    ReportStore.build(tmp_path, Corpus("toy", "Newer", "", "", "cd" * 32, REPORTS[:1]))
    assert len(old.get([report.id for report in REPORTS])) == 8
    assert ReportStore.open(tmp_path).info.studies == 1


def test_two_studies_of_one_id_are_refused_before_anything_is_written(tmp_path):
    twice = Corpus("toy", "Toy", "", "", "", (REPORTS[0], REPORTS[0]))
    with pytest.raises(CorpusError, match="same id"):
        ReportStore.build(tmp_path / "store", twice)
    assert not (tmp_path / "store").exists()


def test_nothing_built_is_not_prepared(tmp_path):
    with pytest.raises(NotPrepared, match="The reports have not been prepared yet"):
        ReportStore.open(tmp_path)


def test_a_folder_of_something_else_is_foreign(tmp_path):
    publish(tmp_path, "vectors", {}, lambda generation: (generation / "x").touch())
    with pytest.raises(Foreign):
        ReportStore.open(tmp_path)


def test_a_file_that_is_no_database_is_damage_even_where_its_sha256_is_right(tmp_path):
    publish(tmp_path, "reports", {}, lambda generation: (generation / "reports.sqlite").write_bytes(b"?" * 5_000))
    with pytest.raises(Damaged):
        ReportStore.open(tmp_path)


def test_damage_anywhere_in_the_database_is_noticed(tmp_path):
    ReportStore.build(tmp_path, CORPUS)
    path = next(tmp_path.rglob("reports.sqlite"))
    whole = path.read_bytes()
    dice = random.Random(0)
    for _ in range(200):
        at = dice.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ dice.randint(1, 255)]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            ReportStore.open(tmp_path)
    for size in range(0, len(whole), len(whole) // 50):
        path.write_bytes(whole[:size])
        with pytest.raises(Damaged):
            ReportStore.open(tmp_path)
    path.unlink()
    with pytest.raises(Damaged, match="python -m explorer index build"):
        ReportStore.open(tmp_path)
    assert ReportStore.build(tmp_path, CORPUS).info.studies == 8


def test_a_disk_that_fills_while_building_leaves_the_old_reports(tmp_path):
    ReportStore.build(tmp_path, CORPUS)
    child = subprocess.run([sys.executable, "-c", DISK_FULL, tmp_path], capture_output=True, text=True)
    assert child.returncode == 1
    assert "disk is full" in child.stderr
    assert ReportStore.open(tmp_path).info.title == "Toy reports"
    assert len(list(tmp_path.glob("generation-*"))) == 1


def source(*items, sha256=""):
    return Source("toy", "Toy", "CC0", "Nobody", len(items), iter(items), sha256)


def test_what_was_left_out_is_counted_by_reason_and_listed(tmp_path):
    absent = [LeftOut(f"toy:{number}", f"s{number}.txt", "the report is empty") for number in (8, 9)]
    store = ReportStore.write(tmp_path, source(Study(REPORTS[0]), *absent))
    assert store.info.left_out == {"the report is empty": 2}
    assert list(store.left_out()) == absent
    assert list(store.items()) == [Study(REPORTS[0]), *absent]
    assert list(ReportStore.open(tmp_path).left_out()) == absent


def test_a_second_study_of_an_id_is_listed_and_the_first_kept(tmp_path):
    store = ReportStore.write(tmp_path, source(Study(study(1, "First.")), Study(study(1, "Second."))))
    assert store.get(["toy:1"])[0].sections["findings"] == "First."
    assert store.info.left_out == {"another study has this id": 1}
    assert store.bm25("second", "report", 5, None) == []


def test_the_sha256_of_reports_changes_with_a_letter_but_not_with_their_order(tmp_path):
    def sha256(*reports):
        return ReportStore.write(tmp_path, source(*map(Study, reports))).info.sha256

    one, two, other = study(1, "Clear."), study(2, "Nodule."), study(2, "Nodule!")
    assert sha256(one, two) == sha256(two, one)
    assert len({sha256(one, two), sha256(one, other), sha256(one), sha256(one, replace(two, id="toy:3"))}) == 4
    assert ReportStore.write(tmp_path, source(Study(one), sha256="ab")).info.sha256 == "ab"


def test_a_source_that_fails_half_way_leaves_the_old_reports(tmp_path):
    def breaks():
        yield Study(study(1, "New."))
        raise CorpusError("The table is damaged.")

    ReportStore.build(tmp_path, CORPUS)
    with pytest.raises(CorpusError):
        ReportStore.write(tmp_path, Source("toy", "Toy", "", "", 2, breaks()))
    assert ReportStore.open(tmp_path).info.studies == 8
    assert len(list(tmp_path.glob("generation-*"))) == 1


def test_how_a_corpus_was_asked_for_is_remembered(tmp_path):
    origin = {"reader": "table", "root": None}
    ReportStore.write(tmp_path, source(), origin=origin)
    assert ReportStore.open(tmp_path).origin == origin


@pytest.mark.parametrize(("text", "expected"), [("XXXX.", False), (" .", False), ("", False), ("a XXXX", True)])
def test_a_text_of_redactions_alone_has_no_words(text, expected):
    assert has_words(text) is expected


def test_the_nearest_are_in_order_of_score_then_id():
    scored = [(0.5, ["b", "d"]), (0.9, ["z"]), (0.5, ["a"])]
    assert nearest(scored, 2) == [Neighbour("z", 0.9, ()), Neighbour("a", 0.5, ())]
    assert nearest(scored, 9)[2] == Neighbour("b", 0.5, ("d",))
