"""Types a comment letter by letter into a review's store, and says after each how many letters are saved."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from made_review import said

from explorer.review.store import TYPING, ReviewStore

if __name__ == "__main__":
    store = ReviewStore.open(Path(sys.argv[1]))
    seat = store.sit("r1", "AB")
    for letters in range(1, 1_900):
        store.save(seat, 1, letters, TYPING, said(comment="x" * letters))
        os.write(1, f"{letters}\n".encode())
