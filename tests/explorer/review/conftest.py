from __future__ import annotations

import pytest
from made_review import made_cases, made_review

from explorer.review.store import ReviewStore


@pytest.fixture
def store(tmp_path):
    store = ReviewStore.open(tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def review(store):
    review = made_review()
    store.create(review, made_cases())
    return review
