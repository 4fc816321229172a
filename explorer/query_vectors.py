"""Queries as vectors of the space that films and reports share."""

from __future__ import annotations

import numpy as np

from explorer.errors import BadQuery
from explorer.types import Query
from explorer.vector_index import VectorIndex
from models.interfaces import SECTION_PROMPTS, Dual, Vectors

_TINY = float(np.finfo(np.float32).eps)  # keeps a vector of nothing from being divided by nothing


def film_vector(dual: Dual, query: Query) -> Vectors:
    """Return [1, dim]: the film of a query in the shared space. Raises BadQuery if it has none."""
    if query.image is None:
        raise BadQuery("This search needs a radiograph. Drop a DICOM, PNG or JPEG.")
    return dual.image.encode([query.image.pixels])


def mixed_vector(dual: Dual, index: VectorIndex, query: Query) -> Vectors:
    """Return [1, dim]: text and film, each divided by the spread of its scores over the corpus, then weighed.

    Of a very large corpus the spread is that over 20,000 of its texts.
    """
    prompt = SECTION_PROMPTS[index.key.scope]
    parts = (dual.text.encode([query.text or ""], prompt), film_vector(dual, query))
    spread = [float((index.sample @ part[0]).std()) + _TINY for part in parts]
    mixed = (1 - query.weight) * parts[0] / spread[0] + query.weight * parts[1] / spread[1]
    return np.asarray(mixed / (float(np.linalg.norm(mixed)) + _TINY), np.float32)
