"""Goes with a model that takes text, into MLflow: ``mlflow.pyfunc`` finds here how to load it and how to predict.

`keras.Model.predict` refuses NumPy's text, and MLflow hands over nothing else. A copy of this file lies in the stored
model, so it imports nothing of this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


class TextModel:
    """A Keras model that takes NumPy's text.

    Parameters
    ----------
    model
        The model.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def predict(self, data: Mapping[str, NDArray[Any]] | NDArray[Any]) -> NDArray[Any]:
        """Return what the model predicts of arrays of its inputs."""
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, data)
        return np.asarray(self.model.predict(tensors, verbose=0))

    def get_raw_model(self) -> keras.Model:
        """Return the Keras model, as that of MLflow's own wrapper is got."""
        return self.model


def _load_pyfunc(path: str) -> TextModel:
    import mlflow.keras

    return TextModel(mlflow.keras.load_model(path))
