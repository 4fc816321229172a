from __future__ import annotations

import torch

from training.augment import jittered

FILMS = torch.zeros(64, 1, 32, 32)
FILMS[:, :, :, :12] = 1.0  # the left is marked
FILMS[:, :, :6] += 0.5  # and so is the top


def test_shape_and_kind_are_kept():
    torch.manual_seed(0)
    films = jittered(FILMS)
    assert films.shape == FILMS.shape
    assert films.dtype == FILMS.dtype
    assert films.isfinite().all()


def test_no_film_is_ever_flipped():
    torch.manual_seed(1)
    for _ in range(20):
        films = jittered(FILMS)
        left, right = films[:, 0, :, :8].mean(dim=(1, 2)), films[:, 0, :, 24:].mean(dim=(1, 2))
        top, bottom = films[:, 0, :4, 20:].mean(dim=(1, 2)), films[:, 0, 28:, 20:].mean(dim=(1, 2))
        assert (left > right + 0.5).all()
        assert (top > bottom).all()


def test_each_film_is_changed_on_its_own_and_only_a_little():
    torch.manual_seed(2)
    films = jittered(FILMS)
    assert len({film.sum().item() for film in films}) == len(films)
    assert (films - FILMS).abs().mean() < 0.25


def test_the_same_seed_gives_the_same_films():
    torch.manual_seed(3)
    first = jittered(FILMS)
    torch.manual_seed(3)
    assert torch.equal(first, jittered(FILMS))


def test_the_films_given_are_left_as_they_are():
    before = FILMS.clone()
    jittered(FILMS)
    assert torch.equal(FILMS, before)
