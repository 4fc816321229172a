"""The map: how long it takes to make for the corpus and for 400,000 texts, and how it moves in a browser.

`python -m tests.benchmarks.map layout` and `… frames`, some minutes each. The 400,000 are vectors as in
`tests.benchmarks.scale`; in the browser they are 400,000 made-up reports, drawn by density, dragged to and fro by a
mouse.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from explorer import projection
from explorer.compose import compose
from explorer.projection import MapKey, Maps, MapSettings
from explorer.settings import Settings
from tests.benchmarks.scale import Made, key_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "explorer" / "ui"))  # the made-up engine

from made_map import QUICK_MAP, MappedExplorer

MANY, MOVED = 400_000, 0.5
SECONDS = 5.0  # of dragging
LEFT_EDGE = "() => document.querySelector('.cloud .plot')._fullLayout.xaxis.range[0]"
COUNT_FRAMES = """() => {
    window.times = [];
    const note = (now) => { window.times.push(now); requestAnimationFrame(note); };
    requestAnimationFrame(note);
}"""


def layout(count: int) -> dict[str, float]:
    """Make a map of the corpus (count 0) or of so many vectors, and return what it took."""
    explorer = compose(Settings())
    real = np.array(explorer.vectors("pocket").vectors, np.float32)
    explorer.close()
    vectors = Made(real, MOVED, 0).rows(0, count) if count else real
    with tempfile.TemporaryDirectory() as folder:
        made = Maps(Path(folder)).make(MapKey(key_of(real.shape[1]), MapSettings()), vectors)
    return {"texts": len(vectors), "laid out by UMAP": made.fitted, "seconds": made.seconds}


def frames() -> dict[str, float]:
    """Drag a map of 400,000 made-up reports in a browser, and return how long its frames take."""
    from explorer.ui.launch import Door, closed_environment, serve

    projection._START = QUICK_MAP
    with closed_environment() as folder:
        from explorer.ui.blocks import build_blocks

        blocks = build_blocks(MappedExplorer(settings=Settings(cache=folder / "cache"), count=MANY))
        address = serve(blocks, Door(port=_free_port()), upload_bytes=10**6, blocked=())
        try:
            return _dragged(address)
        finally:
            blocks.close(verbose=False)


def _dragged(address: str) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    browser = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
    with sync_playwright() as player, player.chromium.launch(executable_path=browser, args=["--no-sandbox"]) as opened:
        page = opened.new_page(viewport={"width": 1_280, "height": 900})
        page.goto(f"{address}?show=map")
        page.wait_for_selector("body[data-ready=yes]", timeout=300_000)
        page.click("#map-draw")
        page.wait_for_selector("section.cloud[data-drawn]", timeout=600_000)
        page.wait_for_selector(".cloud .plot[data-drawn=density]", timeout=600_000)
        page.wait_for_timeout(2_000)
        box = page.locator(".cloud .plot").first.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        before = page.evaluate(LEFT_EDGE)
        page.evaluate(COUNT_FRAMES)
        begun = page.evaluate("() => performance.now()")
        step = 0
        while page.evaluate("() => performance.now()") - begun < SECONDS * 1e3:
            step += 1
            page.mouse.move(x + 120 * np.sin(step / 9), y + 80 * np.cos(step / 7))
        if page.evaluate(LEFT_EDGE) == before:
            raise SystemExit("The map did not move with the mouse.")
        times = np.diff(np.array(page.evaluate("() => window.times")))
        page.mouse.up()
    return {
        "points": MANY,
        "frames a second": round(float(1e3 / times.mean()), 1),
        "frame p50, ms": round(float(np.median(times)), 1),
        "frame p95, ms": round(float(np.quantile(times, 0.95)), 1),
        "n": len(times),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("layout", "frames"))
    parser.add_argument("--save", type=Path, help="add what is measured to a JSON file")
    asked = parser.parse_args()
    rows = [layout(0), layout(MANY)] if asked.part == "layout" else [frames()]
    sys.stdout.write("".join(f"{row}\n" for row in rows))
    if asked.save:
        kept = json.loads(asked.save.read_text(encoding="utf-8")) if asked.save.is_file() else {}
        kept |= {asked.part: rows, "date": datetime.now(UTC).date().isoformat()}
        asked.save.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
