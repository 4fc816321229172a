"""The command line: search, expand, index, doctor. Errors are one line on stderr and exit status 2."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from explorer.errors import BadQuery, CxrError
from explorer.progress import terminal_progress
from explorer.settings import Settings
from explorer.types import SCOPES, SearchResult


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], None] = parsed.command
    try:
        command(parsed, Settings(corpus=parsed.corpus, encoder=parsed.encoder))
    except CxrError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m explorer", description="Search chest X-ray reports.")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--corpus", default=defaults.corpus)
    shared.add_argument("--encoder", default=defaults.encoder)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    search = commands.add_parser("search", parents=[shared], help="studies that say the same as a text or a film")
    asked = search.add_mutually_exclusive_group(required=True)
    asked.add_argument("--text", help="a report, a sentence, a note in shorthand")
    asked.add_argument("--image", type=Path, metavar="FILE", help="a DICOM, PNG or JPEG")
    search.add_argument("-k", type=int, default=defaults.k, help="number of hits")
    search.add_argument("--section", choices=SCOPES, default="report")
    search.add_argument("--json", action="store_true", help="machine-readable output")
    search.set_defaults(command=_search)

    expand = commands.add_parser("expand", parents=[shared], help="abbreviations in context")
    expand.add_argument("text")
    expand.add_argument("--json", action="store_true", help="machine-readable output")
    expand.set_defaults(command=_expand)

    index = commands.add_parser("index", help="what is prepared on this machine")
    actions = index.add_subparsers(required=True, metavar="ACTION")
    build = actions.add_parser("build", parents=[shared], help="make reports and vectors anew")
    build.add_argument("--section", choices=SCOPES, default="report")
    build.set_defaults(command=_index_build)
    actions.add_parser("info", parents=[shared], help="count what is there").set_defaults(command=_index_info)

    doctor = commands.add_parser("doctor", parents=[shared], help="what is installed, loaded, missing, and what to do")
    doctor.set_defaults(command=_doctor)
    return parser


def _search(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.compose import compose

    data = _file_content(parsed.image, settings.limits.upload_bytes) if parsed.image else b""
    explorer = compose(settings)
    try:
        progress = terminal_progress(sys.stderr)
        if parsed.image:
            image = explorer.read_image(data)
            result = explorer.by_image(
                image, encoder=settings.encoder, scope=parsed.section, k=parsed.k, progress=progress
            )
        else:
            result = explorer.by_text(
                parsed.text, encoder=settings.encoder, scope=parsed.section, k=parsed.k, progress=progress
            )
    finally:
        explorer.close()
    print(json.dumps(as_json(result), ensure_ascii=False, indent=2) if parsed.json else as_text(result))


def _expand(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.language.abbreviations import Expander

    if len(parsed.text) > settings.limits.query_characters:
        raise BadQuery(f"The text has more than {settings.limits.query_characters:,} characters. Shorten it.")
    expansion = Expander.open().expand(parsed.text)
    if not parsed.json:
        print(expansion.expanded)
        return
    spans = [
        {
            "start": span.start,
            "end": span.end,
            "short": span.short,
            "long": span.long,
            "alternatives": [{"long": other.long, "score": round(other.score, 4)} for other in span.alternatives],
        }
        for span in expansion.spans
    ]
    unknown = [{"start": start, "end": end, "short": short} for start, end, short in expansion.unknown]
    whole = {"expanded": expansion.expanded, "spans": spans, "unknown": unknown}
    print(json.dumps(whole, ensure_ascii=False, indent=2))


def _index_build(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.compose import compose, rebuild_store

    rebuild_store(settings)
    explorer = compose(settings)
    try:
        explorer.rebuild(settings.encoder, parsed.section, terminal_progress(sys.stderr))
    finally:
        explorer.close()
    _index_info(parsed, settings)


def _index_info(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.compose import compose

    explorer = compose(settings)
    explorer.close()
    info = explorer.corpus
    print(f"{info.title}: {info.studies:,} studies ({info.licence})")
    for name, count in {**info.sections, **info.scopes}.items():
        print(f"  {name:<12} {count:>6,}")
    folders = settings.cache / "indexes"
    for folder in sorted(folders.iterdir()) if folders.is_dir() else ():
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"  vectors {folder.name}  {size / 1e6:.1f} MB")


def _doctor(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.doctor import examine

    healthy = True
    for line in examine(settings):
        healthy = healthy and line.fine
        print(
            f"{'ok  ' if line.fine else 'MISS'}  {line.what}: {line.state}"
            + (f"  → {line.remedy}" if line.remedy else "")
        )
    if not healthy:
        raise CxrError("Something is missing; the arrows above say what to do.")


def _file_content(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadQuery(f"The image file cannot be opened: {error.strerror}.") from error
    return data


def as_json(result: SearchResult) -> dict[str, object]:
    """Return a result in the documented JSON shape."""
    image = result.query.image
    hits = [
        {
            "rank": hit.rank,
            "score": round(hit.score, 6),
            "id": hit.report.id,
            "source": hit.report.source,
            "licence": hit.report.licence,
            "sections": dict(hit.report.sections),
            "findings": [vars(finding) for finding in hit.report.findings],
            "identical": list(hit.identical),
        }
        for hit in result.hits
    ]
    return {
        "query": {
            "kind": result.query.kind,
            "text": result.query.text,
            "notes": [*(image.notes if image else ()), *result.notes],
        },
        "encoder": result.encoder,
        "space": result.space,
        "score_name": result.score_name,
        "corpus": result.corpus,
        "scope": result.scope,
        "seconds": result.seconds,
        "hits": hits,
    }


def as_text(result: SearchResult) -> str:
    """Return a result for a terminal."""
    lines = [*(result.query.image.notes if result.query.image else ()), *result.notes]
    for hit in result.hits:
        same = f"  ×{len(hit.identical) + 1} identical" if hit.identical else ""
        lines.append(f"\n{hit.rank:>2}  {hit.score:.3f} {result.score_name}  {hit.report.id}{same}")
        lines.extend(f"    {name}: {text}" for name, text in hit.report.sections.items())
    lines.append(f"\nNot for clinical use: other patients' reports. {result.encoder}, {result.seconds:.2f} s.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
