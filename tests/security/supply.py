"""What this product is made of: packages, weights, corpus files; their licences, their hashes, their known holes.

python tests/security/supply.py sbom [FILE]     CycloneDX 1.5, the same bytes for the same environment
python tests/security/supply.py licences        one line a package; status 1 if one is under the GPL
python tests/security/supply.py check           status 1 if a file of weights or reports is not the expected one
python tests/security/supply.py audit           known vulnerabilities; status 3 if they could not be looked up
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets"
SOURCES = ASSETS / "sources.json"
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-weights.txt")
AUDITOR = ROOT / ".venv-audit" / "bin" / "pip-audit"
CANARY = "jinja2==2.4.1"  # has known vulnerabilities: an auditor that finds none in it has no data
QUIETLY = ("--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json")
SERVICES = ("pypi", "osv")  # where known vulnerabilities are asked for; the first that has data is used
FOUND, NOTHING_LOOKED_UP = 1, 3
LONGEST_LICENCE = 60  # characters; what is longer is the text of one, not its name
NO_DATA = (
    f"not looked up: neither {' nor '.join(SERVICES)} told from here of a version that is known to be vulnerable. "
    "This says nothing about the packages."
)


@dataclass(frozen=True)
class SourceFile:
    """A file of an installed package that holds weights, reports or a film this product reads."""

    package: str
    version: str
    file: str
    sha256: str
    kind: str  # "weights" | "reports" | "film" | "tokenizer"
    licence: str


def main(words: list[str]) -> int:
    """Run one command; return the exit status."""
    command, *rest = words or ["help"]
    if command == "sbom":
        text = json.dumps(sbom(), indent=2, ensure_ascii=False) + "\n"
        Path(rest[0]).write_text(text, encoding="utf-8") if rest else sys.stdout.write(text)
        return 0
    if command == "licences":
        return _print_licences()
    if command == "check":
        wrong = [*wrong_sources(), *wrong_assets()]
        sys.stdout.write(
            "\n".join(wrong) + "\n" if wrong else "Every file of weights and reports is the expected one.\n"
        )
        return FOUND if wrong else 0
    if command == "audit":
        return audit(AUDITOR)
    sys.stdout.write(str(__doc__))
    return 2


def required() -> list[Distribution]:
    """Return what the requirements name and, in turn, what that needs; sorted by name."""
    found: dict[str, Distribution] = {}
    waiting = [name for file in REQUIREMENTS for name in _names(file)]
    alone = set(_names(REQUIREMENTS[1]))  # installed without what they say they need
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of another platform
            continue
        needs = [] if name in alone else [Requirement(line) for line in found[name].requires or ()]
        waiting += [canonicalize_name(need.name) for need in needs if need.marker is None or need.marker.evaluate()]
    return [found[name] for name in sorted(found)]


def _names(file: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [canonicalize_name(Requirement(line).name) for line in lines if line]


def licence_of(package: Distribution) -> str:
    """Return the name of a package's licence as it says itself, "not stated" where it says nothing short."""
    about = package.metadata
    classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License")]
    said = (about.get("License-Expression"), ", ".join(one for one in classified if one != "OSI Approved"))
    known = {source.package: source.licence for source in sources()}
    written = (about.get("License") or "").strip()
    short = (
        written if written != "UNKNOWN" and len(written.splitlines()) == 1 and len(written) < LONGEST_LICENCE else ""
    )
    return next(
        filter(None, (*said, short, known.get(canonicalize_name(about["Name"])), _licence_file(package))), "not stated"
    )


def _licence_file(package: Distribution) -> str:
    """Name a licence by the first words of its file."""
    for path in package.files or ():
        if "licen" in path.name.lower() or "copying" in path.name.lower():
            head = Path(str(package.locate_file(path))).read_text(encoding="utf-8", errors="replace")[:2_000]
            for words, name in (
                ("Apache License", "Apache-2.0"),
                ("MIT License", "MIT"),
                ("BSD", "BSD"),
                ("Permission is hereby granted, free", "MIT"),
            ):
                if words in head:
                    return name
    return ""


def is_gpl(licence: str) -> bool:
    """Say whether a licence is the GPL or the AGPL; the LGPL is neither."""
    spoken = licence.replace("Lesser General Public License", "LGPL").replace("General Public License", "GPL").upper()
    return "GPL" in spoken.replace("LGPL", "") and " OR " not in spoken


def sources() -> list[SourceFile]:
    """Return the files of other people that are read, with what they must be."""
    return [SourceFile(**one) for one in json.loads(SOURCES.read_text(encoding="utf-8"))]


def wrong_sources() -> Iterator[str]:
    """Say which of them is not what it must be."""
    for source in sources():
        try:
            package = distribution(source.package)
        except PackageNotFoundError:
            yield f"{source.package} is not installed"
            continue
        path = Path(str(package.locate_file(source.file)))
        if package.version != source.version:
            yield f"{source.package} is {package.version}, expected {source.version}"
        elif not path.is_file() or _sha256(path) != source.sha256:
            yield f"{source.file} of {source.package} is not the expected file"


def wrong_assets(assets: Path = ASSETS) -> Iterator[str]:
    """Say which of our own weights is not what its manifest says."""
    for manifest in sorted(assets.rglob("manifest.json")):
        for name, digest in json.loads(manifest.read_text(encoding="utf-8")).get("files", {}).items():
            path = manifest.parent / name
            if not path.is_file() or _sha256(path) != digest:
                yield f"{path.relative_to(assets)} is not the file of its manifest"


def sbom() -> dict[str, object]:
    """Return the bill of materials in the form of CycloneDX 1.5, https://cyclonedx.org/docs/1.5/json/."""
    project = {"type": "application", "name": "cxr-report-explorer", "version": "0.1.0", "bom-ref": "self"}
    libraries = [_library(package) for package in required()]
    files = [_file(source) for source in sources()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**project, "licenses": [{"license": {"name": "Apache-2.0"}}]}},
        "components": [*libraries, *files, *_own_weights()],
    }


def _library(package: Distribution) -> dict[str, object]:
    name, version = canonicalize_name(package.metadata["Name"]), package.version
    address = f"pkg:pypi/{name}@{version}"
    licences = [{"license": {"name": licence_of(package)}}]
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        "licenses": licences,
    }


def _file(source: SourceFile) -> dict[str, object]:
    return {
        "type": "machine-learning-model" if source.kind == "weights" else "data",
        "bom-ref": f"{source.package}/{source.file}",
        "name": source.file,
        "version": source.version,
        "description": f"{source.kind}, in the package {source.package}",
        "hashes": [{"alg": "SHA-256", "content": source.sha256}],
        "licenses": [{"license": {"name": source.licence}}],
    }


def _own_weights() -> Iterator[dict[str, object]]:
    for manifest in sorted(ASSETS.rglob("manifest.json")):
        about = json.loads(manifest.read_text(encoding="utf-8"))
        for name, digest in about.get("files", {}).items():
            place = (manifest.parent / name).relative_to(ROOT).as_posix()
            yield {
                "type": "machine-learning-model",
                "bom-ref": place,
                "name": place,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"license": {"name": about.get("licence", "CC BY-NC 4.0")}}],
            }


def audit(auditor: Path) -> int:
    """Look up known vulnerabilities of every installed package; say plainly where that was not possible."""
    if not auditor.is_file():
        sys.stdout.write("Known vulnerabilities: not looked up: pip-audit is not installed. Run `make audit`.\n")
        return NOTHING_LOOKED_UP
    service = next((one for one in SERVICES if _holes(_audited(auditor, one, [CANARY]))), None)
    pinned = sorted({f"{canonicalize_name(one.metadata['Name'])}=={one.version}" for one in distributions()})
    told = _audited(auditor, service, pinned) if service else None
    if told is None:
        sys.stdout.write(f"Known vulnerabilities: {NO_DATA}\n")
        return NOTHING_LOOKED_UP
    found, unknown = _holes(told), [one["name"] for one in told if "vulns" not in one]
    sys.stdout.write(f"Asked {service} about {len(pinned)} packages; {len(unknown)} unknown there: {unknown}.\n")
    sys.stdout.write("".join(f"{line}\n" for line in found) or "No known vulnerabilities.\n")
    return FOUND if found else 0


def _audited(auditor: Path, service: str, pinned: list[str]) -> list[dict[str, Any]] | None:
    """Return what a service says of each package; None where it could not be asked, which exits like a finding."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pinned))
        file.flush()
        words = [str(auditor), "--vulnerability-service", service, *QUIETLY, "-r", file.name]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        return None
    return packages


def _holes(packages: list[dict[str, Any]] | None) -> list[str]:
    return [
        f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version'}"
        for one in packages or ()
        for hole in one.get("vulns", ())
    ]


def _print_licences() -> int:
    packages = [(package.metadata["Name"], package.version, licence_of(package)) for package in required()]
    for name, version, licence in packages:
        sys.stdout.write(f"{name:<36} {version:<16} {licence}{'   <- GPL' if is_gpl(licence) else ''}\n")
    return FOUND if any(is_gpl(licence) for *_, licence in packages) else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
