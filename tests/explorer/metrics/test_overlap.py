from __future__ import annotations

import numpy as np
import pytest

from explorer.metrics.overlap import bag_f1, off_diagonal_mean


def test_bags_by_hand():
    one = np.array([[2, 1, 0], [0, 0, 0]])
    other = np.array([[1, 1, 1], [0, 0, 3], [0, 0, 0]])
    assert bag_f1(one, other) == pytest.approx(np.array([[2 * 2 / 6, 0, 0], [0, 0, 1]]))


def test_only_different_things_enter_the_chance():
    assert off_diagonal_mean(np.array([[9.0, 1.0, 2.0], [3.0, 9.0, 4.0], [5.0, 6.0, 9.0]])) == 3.5
    with pytest.raises(ValueError, match="at least two"):
        off_diagonal_mean(np.ones((1, 1)))
