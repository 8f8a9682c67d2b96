"""Predictions for the test set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from diagnose import Monitor
from recipes.building import build
from recipes.catalog import find
from recipes.config import Config
from recipes.data import load_data
from recipes.errors import DataError
from tuners import judging
from tuners.checkpoint import Counters
from tuners.trial import Trial

pytestmark = pytest.mark.keras


class Gone:
    """Samples that can no longer be read."""

    def __init__(self, x: Any) -> None:
        self.shape, self.dtype = x.shape[1:], x.dtype

    def take(self, indices: Any) -> Any:
        raise DataError(f"7.png: is gone, with {len(indices)} others")

    def __len__(self) -> int:
        return 1


def test_samples_are_predicted_in_their_order_and_told_of_where_they_are_gone() -> None:
    config, iris = Config.of("mlp", {"data.source": "iris", "data.batch_size": 4}), load_data("iris")
    done = Trial(build(config, iris), Monitor(), Counters(), find("mlp"), "CPU")
    expected = done.model(iris.test.inputs(np.arange(len(iris.test))))
    np.testing.assert_allclose(judging.predictions(done, config, iris), expected, atol=1e-6)
    gone = replace(iris, test=replace(iris.test, x=Gone(iris.test.x)))
    with pytest.raises(DataError, match=r"^7\.png: is gone, with 4 others$"):
        judging.predictions(done, config, gone)
