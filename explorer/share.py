"""One machine's share of the vectors of a large corpus: `torchrun … -m explorer.share --corpus NAME --encoder NAME`.

Every worker reads the same prepared corpus and encodes every so-many-th chunk of it into the cache, which all of them
see (a shared folder named by CXR_CACHE). RANK and WORLD_SIZE say which share, as `torchrun` and `accelerate launch` set
them; a worker that is started again skips what it has. When all are done, `python -m explorer index build` finds every
chunk there, encodes nothing, and writes the index.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import get_args

from explorer.compose import compose
from explorer.errors import BadQuery, CxrError
from explorer.index_cache import key_for
from explorer.index_writing import encode_share
from explorer.indexes import Indexes
from explorer.progress import terminal_progress
from explorer.settings import Settings
from explorer.types import SCOPES, Scope


def main(arguments: Sequence[str] | None = None) -> int:
    """Encode this worker's share; return 0, or 2 if it cannot."""
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default=default.corpus)
    parser.add_argument("--encoder", default=default.encoder)
    parser.add_argument("--section", default=SCOPES[0], choices=get_args(Scope), help="text that is encoded")
    asked = parser.parse_args(arguments)
    try:
        worker, workers = rank_and_size(os.environ)
        share(Settings(corpus=asked.corpus, encoder=asked.encoder), asked.section, worker, workers)
    except (CxrError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def rank_and_size(environment: dict[str, str] | os._Environ[str]) -> tuple[int, int]:
    """Return which worker this is, from 0, and of how many; one alone where nothing is said. Raises BadQuery."""
    try:
        worker, workers = int(environment.get("RANK", "0")), int(environment.get("WORLD_SIZE", "1"))
    except ValueError:
        worker, workers = -1, 0
    if not 0 <= worker < workers:
        raise BadQuery("RANK and WORLD_SIZE do not say which share this is. Start it with torchrun.")
    return worker, workers


def share(settings: Settings, scope: Scope, worker: int, workers: int) -> None:
    """Encode one worker's share of a corpus in the report space of an encoder. Raises CxrError, OSError."""
    explorer = compose(settings)
    try:
        store, tower = explorer.store(settings.corpus), explorer.tower(settings.encoder)
        key = key_for(store, tower.info, scope)
        tell = terminal_progress(sys.stderr)
        encode_share(
            key,
            store.passages(scope),
            tower.encode,
            Indexes(settings.cache).unfinished(key),
            (worker, workers),
            lambda done: tell(f"Share {worker + 1} of {workers}", done / max(1, store.passage_count(scope))),
        )
    finally:
        explorer.close()


if __name__ == "__main__":
    sys.exit(main())
