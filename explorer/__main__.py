"""The command line: search, expand, index, map, fetch, doctor. Errors are one line on stderr and exit status 2.

Ctrl-C ends a command with exit status 130; what it made so far is kept, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import get_args

from explorer import preparing
from explorer.corpora.base import Options, Place, Views
from explorer.corpora.sections import SECTION_RULES
from explorer.corpora.split import Split
from explorer.errors import BadQuery, CxrError
from explorer.export import expansion_json, json_text
from explorer.files import write_atomically
from explorer.indexes import Indexes
from explorer.preparing import Order
from explorer.progress import terminal_progress
from explorer.projection import CLUSTERS, FILMS, NEIGHBOURS, SPREADS, MapSettings
from explorer.settings import Settings
from explorer.types import SCOPES, SearchResult


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here asks the hub; no library shall either
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], None] = parsed.command
    try:
        command(parsed, Settings(corpus=parsed.corpus, encoder=parsed.encoder))
    except CxrError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. Nothing is half-written; the same command goes on where it was.", file=sys.stderr)
        return 130
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

    _add_index(commands.add_parser("index", help="reports and vectors prepared on this machine"), shared)

    chart = commands.add_parser("map", parents=[shared], help="the corpus as a picture, one file that opens anywhere")
    chart.add_argument("--out", type=Path, required=True, metavar="FILE", help="such as map.html; it holds the reports")
    chart.add_argument("--beside", metavar="ENCODER", help="a second encoder side by side")
    chart.add_argument("--section", choices=SCOPES, default="report")
    chart.add_argument("--films", choices=FILMS, default=FILMS[0], help="films of the corpus among the reports")
    chart.add_argument("--neighbours", type=int, choices=NEIGHBOURS, default=MapSettings.neighbours)
    chart.add_argument("--spread", type=float, choices=SPREADS, default=MapSettings.spread)
    chart.add_argument("--clusters", type=int, choices=CLUSTERS, default=MapSettings.clusters)
    chart.set_defaults(command=_map)

    fetch = commands.add_parser("fetch", help="bring published weights here; the one command that connects out")
    fetch.add_argument("name", help="of the encoder, as `doctor` lists it")
    fetch.add_argument("--from", dest="given", type=Path, metavar="FILE|FOLDER", help="take them from here instead")
    fetch.set_defaults(command=_fetch, corpus=defaults.corpus, encoder=defaults.encoder)

    doctor = commands.add_parser("doctor", parents=[shared], help="what is installed, loaded, missing, and what to do")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_index(index: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    actions = index.add_subparsers(required=True, metavar="ACTION")
    read = argparse.ArgumentParser(add_help=False)
    read.add_argument("--root", type=Path, metavar="DIR", help="where the corpus lies")
    read.add_argument("--mapping", type=Path, metavar="FILE", help="for the corpus `table`: which column is which")
    read.add_argument("--views", choices=get_args(Views), help="frontal: only studies with a frontal film")
    read.add_argument("--section-rule", choices=SECTION_RULES, help="what counts as findings where none are marked")
    read.add_argument("--split", choices=get_args(Split), help="only the patients of one split")
    read.add_argument("--section", choices=SCOPES, default="report", help="section whose vectors are made")
    build = actions.add_parser("build", parents=[shared, read], help="make reports and vectors anew")
    build.set_defaults(command=_index_build)
    add = actions.add_parser("add", parents=[shared, read], help="take in new and changed studies")
    add.set_defaults(command=_index_add)
    remove = actions.add_parser("remove", help="remove a corpus, or some of its studies")
    remove.add_argument("--corpus", required=True)
    remove.add_argument("--study", nargs="+", metavar="ID", help="as a hit names it, such as mimic-cxr:50414267")
    remove.set_defaults(command=_index_remove, encoder=Settings().encoder)
    info = actions.add_parser("info", parents=[shared], help="count what is there")
    info.add_argument("--left-out", action="store_true", help="list what is missing or could not be read")
    info.set_defaults(command=_index_info)


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
    print(json_text(result) if parsed.json else as_text(result))


def _expand(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.language.abbreviations import Expander

    if len(parsed.text) > settings.limits.query_characters:
        raise BadQuery(f"The text has more than {settings.limits.query_characters:,} characters. Shorten it.")
    expansion = Expander.open().expand(parsed.text)
    whole = json.dumps(expansion_json(expansion), ensure_ascii=False, indent=2)
    print(whole if parsed.json else expansion.expanded)


def _map(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.compose import compose
    from explorer.mapping import Cartographer, MapOrder
    from explorer.ui.map_file import written

    encoders = (settings.encoder, parsed.beside) if parsed.beside else (settings.encoder,)
    chosen = MapSettings(parsed.neighbours, parsed.spread, parsed.clusters)
    order = MapOrder(encoders, settings.corpus, parsed.section, chosen, parsed.films)
    progress = terminal_progress(sys.stderr)
    with closing(compose(settings, progress)) as explorer:
        maps = Cartographer(explorer)
        cloud = maps.draw(order, progress)
        page = written(cloud, maps.indexes(order), explorer.corpus)
    try:
        write_atomically(parsed.out, lambda file: file.write(page.encode()))
    except OSError as error:
        raise BadQuery(f"The map cannot be written there: {error.strerror}. Name another --out.") from error
    for panel in cloud.panels:
        kept = panel.projection.preservation
        print(f"{panel.encoder}: {kept.kept:.0%} of the {kept.nearest} nearest kept (chance {kept.chance:.1%})")
    print(f"{len(cloud.studies):,} studies, {len(page) / 1e6:.1f} MB. It holds the reports: {explorer.corpus.licence}.")


def _index_build(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.compose import check_encoder, compose

    check_encoder(settings.encoder)
    show = terminal_progress(sys.stderr)
    known = preparing.remembered(settings, parsed.corpus)
    asked = Order(known.reader, known.place) if known else Order(parsed.corpus)
    store = preparing.build(settings, _order(parsed, asked), show)
    settings = replace(settings, corpus=store.info.name)
    with closing(compose(settings)) as explorer:
        explorer.rebuild(settings.encoder, parsed.section, show)
    _index_info(argparse.Namespace(left_out=False), settings)


def _index_add(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.compose import check_encoder, compose

    check_encoder(settings.encoder)
    show = terminal_progress(sys.stderr)
    known = preparing.remembered(settings, parsed.corpus) or Order(parsed.corpus)
    store, counts = preparing.add(settings, _order(parsed, known), show)
    settings = replace(settings, corpus=store.info.name)
    with closing(compose(settings)) as explorer:
        explorer.catch_up(settings.encoder, parsed.section, show)
    print(", ".join(f"{counts[what]:,} {what}" for what in ("new", "changed", "unchanged")))
    _index_info(argparse.Namespace(left_out=False), settings)


def _index_remove(parsed: argparse.Namespace, settings: Settings) -> None:
    if parsed.study:
        preparing.remove_studies(settings, settings.corpus, parsed.study)
        _index_info(argparse.Namespace(left_out=False), settings)
    else:
        preparing.remove(settings, settings.corpus)
        print(f"Removed {settings.corpus} and its vectors.")


def _index_info(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.compose import compose

    if settings.corpus == Settings().corpus:
        compose(settings).close()  # the packaged one is read without being asked for
    store = preparing.opened(settings, settings.corpus)
    info = store.info
    print(f"{info.title}: {info.studies:,} studies ({info.licence})")
    for name, count in {**info.sections, **info.scopes}.items():
        print(f"  {name:<12} {count:>6,}")
    for reason, count in info.left_out.items():
        print(f"  left out: {reason}  {count:,}")
    for item in store.left_out() if parsed.left_out else ():
        print(f"    {item.study}  {item.item}  {item.reason}")
    for folder in Indexes(settings.cache).of(info.name):
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"  vectors {folder.name}  {size / 1e6:.1f} MB")
    others = [other.info.name for other in preparing.prepared_beside(settings, info.name)]
    if others:
        print(f"  also prepared: {', '.join(others)}")


def _order(parsed: argparse.Namespace, known: Order) -> Order:
    """Return what was known, with what is said now in its place."""
    place, options = known.place, known.options
    return Order(
        known.reader,
        Place(parsed.root or place.root, parsed.mapping or place.mapping),
        Options(parsed.views or options.views, parsed.section_rule or options.sections, parsed.split or options.split),
    )


def _fetch(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.compose import fetch_weights

    still = fetch_weights(settings, parsed.name, parsed.given, print, terminal_progress(sys.stderr))
    print(still or f"Ready: `python app.py --encoder {parsed.name}`.")


def _doctor(parsed: argparse.Namespace, settings: Settings) -> None:
    from explorer.doctor import examine

    healthy = True
    for line in examine(settings):
        healthy = healthy and line.fine
        print(f"{line.mark:<4}  {line.what}: {line.state}" + (f"  → {line.remedy}" if line.remedy else ""))
    if not healthy:
        raise CxrError("Something is missing; the arrows above say what to do.")


def _file_content(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadQuery(f"The image file cannot be opened: {error.strerror}.") from error
    return data


def as_text(result: SearchResult) -> str:
    """Return a result for a terminal."""
    lines = [*(result.query.image.notes if result.query.image else ()), *result.notes]
    lines += [f"Caution: {result.caution}"] if result.caution else []
    for hit in result.hits:
        same = f"  ×{len(hit.identical) + 1} identical" if hit.identical else ""
        lines.append(f"\n{hit.rank:>2}  {hit.score:.3f} {result.score_name}  {hit.report.id}{same}")
        lines.extend(f"    {name}: {text}" for name, text in hit.report.sections.items())
    lines.append(f"\nNot for clinical use: other patients' reports. {result.encoder}, {result.seconds:.2f} s.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
