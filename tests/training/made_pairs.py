"""Made-up films with their own reports: a bright square in one of four places, and words that say where."""

from __future__ import annotations

import numpy as np
from PIL import Image

WHERE = {"upper left": (6, 6), "upper right": (6, 38), "lower left": (38, 6), "lower right": (38, 38)}
SIZE, SIDE = 64, 20
MAPPING = """
name = "made-up"
title = "Made-up pairs"
licence = "CC0"
attribution = "nobody"
file = "reports.csv"

[columns]
study = "study"
patient = "patient"
split = "split"
findings = "findings"
impression = "impression"
view = "view"
film = "film"
"""


def film_of(where: str, seed: int) -> np.ndarray:
    """A grey film [64, 64] with noise and the square."""
    pixels = np.random.default_rng(seed).integers(0, 60, (SIZE, SIZE)).astype(np.uint8)
    top, left = WHERE[where]
    pixels[top : top + SIDE, left : left + SIDE] = 230
    return pixels


def write_pairs(folder, count=48):
    """Write films, their table and its mapping; half of the studies are for training, a quarter each for the rest."""
    lines = ["study,patient,split,findings,impression,view,film"]
    for number in range(count):
        where = list(WHERE)[number % 4]
        split = ("train", "train", "validation", "test")[number // 4 % 4]
        Image.fromarray(film_of(where, number)).save(folder / f"{number}.png")
        findings = f"There is large pleural effusion on the left at the base. Study {number}. Seen {where}."
        lines.append(f"{number},p{number},{split},{findings},Effusion {where}.,PA,{number}.png")
    lines += ["900,p900,train,Clear.,Clear.,LATERAL,0.png", "901,p901,train,,,PA,1.png"]  # a lateral, and no words
    (folder / "reports.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "map.toml").write_text(MAPPING, encoding="utf-8")
    return folder
