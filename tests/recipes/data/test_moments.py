"""Statistics over blocks are those of all rows at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recipes.data.moments import Moments


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.floats(-1e6, 1e6))
def test_blocks_add_up(sizes: list[int], offset: float):
    rng = np.random.default_rng(len(sizes))
    rows = rng.normal(offset, 1, (sum(sizes), 3))
    rows[::3, 1] = np.nan
    moments = Moments(3)
    for block in np.split(rows, np.cumsum(sizes)[:-1]):
        moments.update(block)
    present = ~np.isnan(rows)
    assert moments.missing.tolist() == (~present).sum(axis=0).tolist()
    for column in range(3):
        values = rows[present[:, column], column]
        if len(values):
            assert np.isclose(moments.means[column], values.mean())
            assert np.isclose(moments.variances[column], values.var(), atol=1e-8)
            assert (moments.low[column], moments.high[column]) == (values.min(), values.max())


def test_a_small_deviation_around_a_large_mean_is_seen():
    moments = Moments(1)
    for value in (1e9, 1e9 + 2):
        moments.update(np.array([[value]]))
    assert moments.variances[0] == 1.0
