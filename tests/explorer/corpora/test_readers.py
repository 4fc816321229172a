"""Every reader on a small tree in the folders and files its owners publish, with texts of our own."""

from __future__ import annotations

import csv
import gzip

import made_trees
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.corpora import READERS, open_source
from explorer.corpora.base import LeftOut, Options, Place, Study
from explorer.corpora.rows import rows
from explorer.corpora.split import split_of_patient
from explorer.errors import CorpusError, CorpusMissing, UnknownCorpus

NO_TEXT = "no findings and no impression: kept, but not searched"
NO_FILM = "the film is missing or empty"


def read(reader, root, options=None, mapping=None):
    """Studies by the number in their id, and what was left out as (item, reason)."""
    items = list(open_source(reader, Place(root, mapping), options or Options()).items)
    studies = {item.report.id.partition(":")[2]: item for item in items if isinstance(item, Study)}
    return studies, {(item.item, item.reason) for item in items if isinstance(item, LeftOut)}


def film_names(study):
    return [film.path.name for film in study.films]


def test_mimic_reports_are_read_by_their_headings(mimic):
    studies, _ = read("mimic-cxr", mimic)
    report = studies["50000001"].report
    assert report.sections == {
        "indication": "___ year old with a cough  // pneumonia?",
        "comparison": "___.",
        "findings": "A patchy opacity lies in the left lower lobe.\nLINES: none.  The heart is not enlarged.",
        "impression": "Left lower lobe pneumonia.",
    }
    assert (report.id, report.source) == ("mimic-cxr:50000001", "mimic-cxr")
    assert "PhysioNet Credentialed" in report.licence


def test_mimic_tables_give_views_labels_and_the_published_split_of_a_patient(mimic):
    studies, _ = read("mimic-cxr", mimic)
    first, second, third = (studies[f"5000000{number}"] for number in (1, 2, 3))
    assert first.report.meta.views == ("PA", "LATERAL")
    assert first.report.meta.films == 2
    assert first.report.meta.codes == ("Edema (uncertain)", "Fracture (absent)", "Pneumonia")
    assert (first.split, second.split, third.split) == ("train", "train", "validation")
    assert third.report.meta.views == ("LATERAL",)


def test_what_of_mimic_is_missing_or_unreadable_is_listed_and_not_replaced(mimic):
    studies, left_out = read("mimic-cxr", mimic)
    assert left_out == {
        ("s50000004.txt", "the report is empty"),
        ("s50000005.txt", "the report is no text in UTF-8"),
        ("s50000009.txt", "films without a report"),
        ("mimic-cxr:50000002", NO_TEXT),
        ("aaaa-2.jpg", NO_FILM),
        ("bbbb-1.jpg", NO_FILM),
    }
    assert sorted(studies) == ["50000001", "50000002", "50000003"]
    assert film_names(studies["50000001"]) == ["aaaa-1.jpg"]
    assert studies["50000001"].films[0].path.is_file()


def test_a_mimic_tree_without_films_misses_none_of_them(tmp_path):
    made_trees.mimic_report(tmp_path, 10000001, 50000001, made_trees.NOTE)
    made_trees.mimic_tables(tmp_path, [("a", 10000001, 50000001, "PA")], {10000001: "test"})
    studies, left_out = read("mimic-cxr", tmp_path)
    assert left_out == set()
    assert studies["50000001"].films[0].path is None


def test_mimic_reports_alone_are_enough_and_all_studies_of_a_patient_share_a_split(tmp_path):
    for study in range(50000001, 50000009):
        made_trees.mimic_report(tmp_path / "mimic-cxr-reports", 10000001, study, made_trees.NOTE)
    studies, left_out = read("mimic-cxr", tmp_path)
    assert len(studies) == 8
    assert {study.split for study in studies.values()} == {split_of_patient("10000001")}
    assert left_out == set()


def test_frontal_films_are_taken_and_studies_without_one_listed(mimic):
    studies, left_out = read("mimic-cxr", mimic, Options(views="frontal"))
    assert sorted(studies) == ["50000001", "50000002"]
    assert film_names(studies["50000001"]) == ["aaaa-1.jpg"]
    assert ("mimic-cxr:50000003", "no frontal film") in left_out
    assert ("aaaa-2.jpg", NO_FILM) not in left_out  # the lateral film is not asked for


def test_frontal_films_cannot_be_told_without_the_table_of_views(tmp_path):
    made_trees.mimic_report(tmp_path, 10000001, 50000001, made_trees.NOTE)
    with pytest.raises(CorpusMissing, match="metadata"):
        read("mimic-cxr", tmp_path, Options(views="frontal"))


def test_one_split_is_read_alone(mimic):
    assert sorted(read("mimic-cxr", mimic, Options(split="validation"))[0]) == ["50000003"]
    assert sorted(read("mimic-cxr", mimic, Options(split="train"))[0]) == ["50000001", "50000002"]
    assert read("mimic-cxr", mimic, Options(split="test"))[0] == {}


@pytest.mark.parametrize(
    ("rule", "findings"),
    [
        ("source", None),
        ("last-paragraph", "No pneumothorax after the line was placed."),
        (
            "whole",
            "FINAL REPORT\nPORTABLE CHEST, ___\n\nA line ends in the right atrium.\n\n"
            "No pneumothorax after the line was placed.",
        ),
    ],
)
def test_a_section_rule_says_what_counts_where_nothing_is_marked(mimic, rule, findings):
    studies, _ = read("mimic-cxr", mimic, Options(sections=rule))
    assert studies["50000002"].report.sections.get("findings") == findings
    assert "patchy opacity" in studies["50000001"].report.sections["findings"]


def test_mimic_counts_its_reports_before_it_reads_them(mimic):
    assert open_source("mimic-cxr", Place(mimic), Options()).total == 5


def test_chexpert_rows_of_one_study_are_one_report_in_its_columns(tmp_path):
    studies, left_out = read("chexpert-plus", made_trees.chexpert(tmp_path))
    both = studies["patient00002-study1"]
    assert both.report.sections == {"findings": "Clear lungs.", "impression": "Normal chest.", "indication": "Cough."}
    assert both.report.meta.views == ("PA", "LATERAL")
    assert (both.report.meta.age, both.report.meta.sex) == (61, "F")
    assert studies["patient00001-study3"].report.sections == {"impression": "1. No change."}
    assert (both.split, studies["patient00009-study1"].split) == ("train", "validation")
    assert left_out == {
        ("row 5", "the row names no study"),
        ("chexpert-plus:patient00009-study1", NO_TEXT),
        ("train/patient00002/study1/view2_lateral.jpg", NO_FILM),
        ("valid/patient00009/study1/view1_lateral.jpg", NO_FILM),
    }


def test_chexpert_films_are_found_as_png_or_as_they_are_named(tmp_path):
    studies, _ = read("chexpert-plus", made_trees.chexpert(tmp_path), Options(views="frontal"))
    assert film_names(studies["patient00002-study1"]) == ["view1_frontal.png"]
    assert film_names(studies["patient00001-study3"]) == ["view1_frontal.jpg"]
    assert "patient00009-study1" not in studies


def test_a_section_rule_reads_the_whole_chexpert_report_where_no_column_has_text(tmp_path):
    studies, _ = read("chexpert-plus", made_trees.chexpert(tmp_path), Options(sections="last-paragraph"))
    assert studies["patient00009-study1"].report.sections == {"findings": "The tube ends above the carina."}
    assert studies["patient00001-study3"].report.sections == {"impression": "1. No change."}


def test_padchest_keeps_every_letter_of_its_spanish(tmp_path):
    studies, left_out = read("padchest", made_trees.padchest(tmp_path))
    report = studies["1"].report
    assert report.sections == {"findings": "engrosamient pleural apical . corazón y columna sin cambi, niñ ."}
    assert report.meta.codes == ("apical pleural thickening", "Chilaiditi's sign", "normal")
    assert report.meta.views == ("PA", "LATERAL")
    assert (report.meta.age, studies["2"].report.meta.age) == (64, None)
    assert (report.meta.sex, studies["2"].report.meta.sex) == ("M", None)
    assert left_out == {("padchest:2", NO_TEXT), ("2_a.png", NO_FILM)}
    assert studies["1"].split == split_of_patient("77")


def test_nih_films_have_labels_and_no_report_and_all_are_listed(tmp_path):
    studies, left_out = read("nih-cxr14", made_trees.nih(tmp_path))
    assert [study.report.meta.codes for study in studies.values()] == [
        ("Cardiomegaly", "Effusion"),
        ("No Finding",),
        ("Hernia",),
    ]
    assert [study.report.meta.age for study in studies.values()] == [58, 59, 58]
    assert [study.report.meta.sex for study in studies.values()] == ["F", None, "F"]
    assert all(study.report.sections == {} for study in studies.values())
    assert left_out == {(f"nih-cxr14:{name}", NO_TEXT) for name in studies} | {("00000001_001.png", NO_FILM)}
    assert studies["00000002_000"].split == "test"
    assert studies["00000001_000"].split == studies["00000001_001"].split != "test"
    assert film_names(studies["00000002_000"]) == ["00000002_000.png"]


def test_a_table_is_read_by_its_mapping(tmp_path):
    studies, left_out = read("table", *made_trees.table(tmp_path)[:1], mapping=tmp_path / "mapping.toml")
    first = studies["A1"]
    assert first.report.id == "our-hospital:A1"
    assert first.report.licence == "internal use"
    assert first.report.sections["impression"] == "Left lower lobe pneumonia."
    assert (first.report.meta.age, first.report.meta.views) == (70, ("PA", "LATERAL"))
    assert first.report.meta.sex == "M"
    assert first.split == split_of_patient("p1")
    assert film_names(first) == ["a1.png"]
    assert left_out == {("row 4", "the row names no study"), ("a2.png", NO_FILM), ("our-hospital:B2", NO_TEXT)}


def test_a_whole_report_without_headings_can_count_as_findings(tmp_path):
    root, mapping = made_trees.table(tmp_path)
    studies, _ = read("table", root, Options(sections="whole"), mapping)
    assert studies["B2"].report.sections == {"findings": "Clear lungs."}


def test_columns_of_their_own_a_published_split_and_tabs_between_them_are_read(tmp_path):
    written = [
        {"id": "1", "f": "Clear.", "i": "Normal.", "s": "test"},
        {"id": "2", "f": "Nodule.", "i": "", "s": "fold 7"},
    ]
    with gzip.open(tmp_path / "t.tsv.gz", "wt", newline="") as file:
        table = csv.DictWriter(file, ("id", "f", "i", "s"), delimiter="\t")
        table.writeheader()
        table.writerows(written)
    (tmp_path / "m.toml").write_text(
        'title = "T"\nlicence = "L"\nattribution = "A"\nfile = "t.tsv.gz"\n'
        '[columns]\nstudy = "id"\nfindings = "f"\nimpression = "i"\nsplit = "s"\n'
    )
    studies, left_out = read("table", tmp_path, mapping=tmp_path / "m.toml")
    assert studies["1"].report.sections == {"findings": "Clear.", "impression": "Normal."}
    assert studies["1"].split == "test"
    assert left_out == {("2", "in a split that is none of train, validation, test")}


def parquet_of(root, columns):
    """The table of `made_trees.table` as Parquet, with the types a data frame gives it."""
    mapping = made_trees.table(root, made_trees.MAPPING.replace("reports.csv", "reports.parquet"))[1]
    pq.write_table(pa.table(columns), root / "reports.parquet")
    return mapping


def test_parquet_is_read_like_the_same_table_of_text(tmp_path):
    root, mapping = made_trees.table(tmp_path)
    as_text, _ = read("table", root, mapping=mapping)
    written = list(csv.DictReader((tmp_path / "reports.csv").open()))
    columns = {name: [row[name] or None for row in written] for name in written[0]}
    columns["years"] = [float(years) if years else None for years in columns["years"]]
    as_parquet, _ = read("table", tmp_path, mapping=parquet_of(tmp_path, columns))
    assert {name: study.report for name, study in as_parquet.items()} == {
        name: study.report for name, study in as_text.items()
    }


def test_numbers_of_a_data_frame_keep_their_names_and_gaps_stay_gaps(tmp_path):
    pq.write_table(
        pa.table({"id": [7.0, 8.0], "note": ["Clear.", None], "n": [float("nan"), 1.5]}), tmp_path / "t.parquet"
    )
    assert list(rows(tmp_path / "t.parquet", ("id", "note", "n"), "The table")) == [
        {"id": "7", "note": "Clear.", "n": ""},
        {"id": "8", "note": "", "n": "1.5"},
    ]


@pytest.mark.parametrize("harm", [b"PAR1", b"", b"id,note\n1,Clear.\n"])
def test_a_damaged_parquet_is_told_kindly(tmp_path, harm):
    (tmp_path / "t.parquet").write_bytes(harm)
    with pytest.raises(CorpusError, match="damaged") as error:
        list(rows(tmp_path / "t.parquet", ("id",), "The table"))
    assert str(tmp_path) not in str(error.value)


def test_a_parquet_that_is_not_there_or_lacks_a_column_says_so(tmp_path):
    with pytest.raises(CorpusMissing, match="--root"):
        list(rows(tmp_path / "t.parquet", ("id",), "The table"))
    pq.write_table(pa.table({"id": [1]}), tmp_path / "t.parquet")
    with pytest.raises(CorpusError, match="no column note"):
        list(rows(tmp_path / "t.parquet", ("id", "note"), "The table"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('name = "our-hospital"', 'name = "../elsewhere"'), "small letters"),
        (('name = "our-hospital"', 'name = "mimic-cxr"'), "taken by the reader"),
        (('study = "accession"', ""), "needs `study`"),
        (('report = "text"', ""), "`findings` or `impression`"),
        (('age = "years"', 'weight = "years"'), "no column weight"),
        (('licence = "internal use"', ""), "does not say licence"),
        (('file = "reports.csv"', 'file = "reports.xlsx"'), "save spreadsheets"),
        (('age = "years"', "age = 5"), "table [columns] of names"),
        (('title = "Our hospital"', 'title = "'), "is no TOML"),
        (('age = "years"', 'age = "AGE"'), "no column AGE"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told_why(tmp_path, change, says):
    root, mapping = made_trees.table(tmp_path, made_trees.MAPPING.replace(*change))
    with pytest.raises(CorpusError) as error:
        read("table", root, mapping=mapping)
    assert says in str(error.value)
    assert str(tmp_path) not in str(error.value)


def test_frontal_films_of_a_table_need_a_column_of_views(tmp_path):
    root, mapping = made_trees.table(tmp_path, made_trees.MAPPING.replace('view = "projection"', ""))
    with pytest.raises(CorpusError, match="view"):
        read("table", root, Options(views="frontal"), mapping)


def test_openi_films_are_found_as_png_and_as_dicom(tmp_path):
    made_trees.film(tmp_path / "NLMCXR_png" / "CXR1000_IM-0003-2001.png")
    made_trees.film(tmp_path / "1000" / "1000_IM-0003-3001.dcm")
    studies, left_out = read("openi", tmp_path)
    assert len(studies) == 3955
    assert film_names(studies["1000"]) == ["CXR1000_IM-0003-2001.png", "1000_IM-0003-3001.dcm"]
    assert sum(reason == NO_FILM for _, reason in left_out) > 7_000
    assert studies["1000"].split == "test"


def test_openi_alone_misses_no_film():
    _, left_out = read("openi", None)
    assert {reason for _, reason in left_out} == {NO_TEXT}


@pytest.mark.parametrize("reader", [reader for reader in READERS if reader not in ("openi", "table")])
def test_a_folder_that_is_not_named_or_holds_nothing_of_it_is_told_kindly(tmp_path, reader):
    for root in (None, tmp_path / "absent", tmp_path):
        with pytest.raises(CorpusMissing) as error:
            read(reader, root)
        assert "--root" in str(error.value)
        assert str(tmp_path) not in str(error.value)


def test_an_unknown_reader_is_answered_with_the_known_ones():
    with pytest.raises(UnknownCorpus, match="openi, mimic-cxr, chexpert-plus, padchest, nih-cxr14, table"):
        open_source("nowhere", Place(), Options())


@pytest.mark.parametrize("harm", [b"\x1f\x8bnot gzip", b"", b"a,b\n1,2\n"])
def test_a_damaged_table_is_told_kindly_and_nothing_of_it_is_repeated(tmp_path, harm):
    made_trees.padchest(tmp_path)
    next(tmp_path.glob("*.csv.gz")).write_bytes(harm)
    with pytest.raises(CorpusError) as error:
        read("padchest", tmp_path)
    assert str(tmp_path) not in str(error.value)


@pytest.mark.slow
def test_the_published_tables_of_padchest_and_nih_read_whole(tmp_path):
    """torchxrayvision carries both tables; nothing of them is kept."""
    from explorer.corpora.openi import _package_data

    for name in ("PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz", "Data_Entry_2017_v2020.csv.gz"):
        (tmp_path / name).symlink_to(_package_data() / name)
    counts = {}
    for reader in ("padchest", "nih-cxr14"):
        source = open_source(reader, Place(tmp_path), Options())
        studies = sum(isinstance(item, Study) for item in source.items)
        counts[reader] = (source.total, studies)
    assert counts == {"padchest": (109_931, 109_931), "nih-cxr14": (112_120, 112_120)}
