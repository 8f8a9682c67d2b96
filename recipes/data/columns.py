"""The preprocessing of columns: a Keras model from raw columns to features, fitted on the training rows.

It is made of Keras' own layers and operations alone, so that a saved model loads in safe mode and without this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from recipes.data import storage
from recipes.data.moments import Moments
from recipes.data.source import Columns

#: Most words of a category that get a feature each, the most frequent ones; the others share one.
MOST_WORDS = 64
#: What stands for a missing category.
MISSING = ""
#: Deviations that 32-bit arithmetic and the smallest deviation of keras.layers.Normalization (1e-7) can do with.
_EASY_DEVIATIONS = (1e-5, 1e15)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """What the training rows say about columns.

    Parameters
    ----------
    means, deviations
        Of the numeric columns; 0 and 1 where there is nothing to tell.
    has_missing
        Of the numeric columns, whether a training row lacks a value.
    words
        Of each categorical column, the words that get a feature, the most frequent first; `MISSING` is one of them
        where training rows lack a word.
    has_others
        Of each categorical column, whether there are words beyond these.
    """

    means: FloatArray
    deviations: FloatArray
    has_missing: NDArray[np.bool_]
    words: tuple[tuple[str, ...], ...]
    has_others: tuple[bool, ...]


def fit(columns: Columns, rows: NDArray[np.int64]) -> Statistics:
    """Return the statistics of the training rows."""
    moments = Moments(columns.numeric.shape[1])
    counts = [np.zeros(len(words) + 1, np.int64) for words in columns.words]
    for block in storage.blocks(len(rows), _row_bytes(columns)):
        chosen = rows[block]
        moments.update(columns.numeric[chosen])
        codes = columns.codes[chosen]
        for number, count in enumerate(counts):
            count += np.bincount(codes[:, number] + 1, minlength=len(count))
    deviations = np.sqrt(moments.variances)
    chosen_words = [_words(words, count) for words, count in zip(columns.words, counts, strict=True)]
    return Statistics(
        means=moments.means,
        deviations=np.where(deviations > 0, deviations, 1.0),
        has_missing=moments.missing > 0,
        words=tuple(words for words, _ in chosen_words),
        has_others=tuple(others for _, others in chosen_words),
    )


def _words(words: NDArray[Any], counts: NDArray[np.int64]) -> tuple[tuple[str, ...], bool]:
    """Return the words that get a feature, and whether there are others; `counts` begins with what is missing."""
    seen = [(-int(count), str(word)) for word, count in zip(words, counts[1:], strict=True) if count]
    if counts[0]:
        seen.append((-int(counts[0]), MISSING))
    return tuple(word for _, word in sorted(seen)[:MOST_WORDS]), len(seen) > MOST_WORDS


def lacks_numbers(columns: Columns) -> bool:
    """Whether a row lacks a number."""
    blocks = storage.blocks(len(columns), 4 * columns.numeric.shape[1])
    return any(bool(np.isnan(columns.numeric[block]).any()) for block in blocks)


def model(columns: Columns, statistics: Statistics, *, standardize: bool, may_lack: bool) -> keras.Model | None:
    """Return the preprocessing.

    Parameters
    ----------
    columns
        Which columns there are.
    statistics
        Of the training rows.
    standardize
        Whether numbers get mean 0 and deviation 1.
    may_lack
        Whether rows may lack numbers, rows beyond those for training too.

    Returns
    -------
    keras.Model or None
        From (batch, numeric columns) float32, NaN for what is missing, or where there are categories from
        ``{"numeric": that, "categorical": (batch, categorical columns) text, "" for what is missing}``, to
        (batch, features) float32: the numbers, missing ones replaced by the mean; 1 or 0 for each column that lacks
        values in training, whether it does here; one feature for each word of a category. A word that training has not
        seen has 0 in all of its column. None where numbers stay as they are, and none may be missing.
    """
    numbers, categories = columns.numeric.shape[1], columns.codes.shape[1]
    if not categories and not standardize and not may_lack:
        return None
    inputs, features = {}, []
    if numbers:
        inputs["numeric"] = keras.Input((numbers,), dtype="float32", name="numeric")
        features += _numeric(inputs["numeric"], statistics, standardize=standardize)
    if categories:
        inputs["categorical"] = keras.Input((categories,), dtype="string", name="categorical")
        for number in range(categories):
            words = inputs["categorical"][:, number : number + 1]
            features.append(_one_hot(words, number, statistics.words[number], statistics.has_others[number]))
    joined = layers.Concatenate(dtype="float32", name="features")(features) if len(features) > 1 else features[0]
    return keras.Model(inputs if categories else inputs["numeric"], joined, name="preprocessing")


def _numeric(numeric: Any, statistics: Statistics, *, standardize: bool) -> list[Any]:
    missing = ops.isnan(numeric)
    values = ops.where(missing, statistics.means.astype(np.float32), numeric)
    if standardize:
        low, high = _EASY_DEVIATIONS
        hard = (statistics.deviations < low) | (statistics.deviations > high)
        scale = np.where(hard, 1 / statistics.deviations, 1.0)
        if hard.any():
            values = ops.multiply(values, scale.astype(np.float32))
        mean, variance = statistics.means * scale, (statistics.deviations * scale) ** 2
        standardization = layers.Normalization(
            mean=mean.tolist(), variance=variance.tolist(), dtype="float32", name="standardization"
        )
        values = standardization(values)
    features = [values]
    if statistics.has_missing.any():
        lacking = ops.take(missing, np.flatnonzero(statistics.has_missing), axis=1)
        features.append(ops.cast(lacking, "float32"))
    return features


def _one_hot(words: Any, number: int, known: tuple[str, ...], has_others: bool) -> Any:
    """Return a feature for each known word, and a first one for all others where training has any."""
    lookup = layers.StringLookup(vocabulary=list(known), output_mode="one_hot", name=f"category_{number}")
    encoded = lookup(words)
    # A feature that is 0 in all of training would have weights that nothing has trained.
    return ops.cast(encoded if has_others else encoded[:, 1:], "float32")


def transform(
    preprocessing: keras.Model | None, columns: Columns, rows: NDArray[np.int64], cache: str
) -> NDArray[np.float32]:
    """Return the features (len(rows), features) of some rows, in memory or mapped, see `storage.empty`."""
    width = columns.numeric.shape[1] if preprocessing is None else int(preprocessing.output.shape[-1])
    features = storage.empty((len(rows), width), np.float32, cache)
    for block in storage.blocks(len(rows), 4 * width + _row_bytes(columns)):
        chosen = rows[block]
        if preprocessing is None:
            features[block] = columns.numeric[chosen]
        else:
            with keras.device("cpu"):  # text lives there only, and so results do not depend on the machine
                features[block] = ops.convert_to_numpy(preprocessing(_tensors(columns, chosen)))
    return features


def tensors(numeric: NDArray[np.float32], categorical: NDArray[Any] | None) -> Any:
    """Return raw columns as the preprocessing, and a saved model with it in front, takes them.

    Parameters
    ----------
    numeric
        (n, numeric columns), NaN: missing.
    categorical
        (n, categorical columns) text, "": missing; None or no column: there are only numbers.
    """
    if categorical is None or not categorical.shape[1]:
        return ops.convert_to_tensor(numeric, dtype="float32")
    given: Mapping[str, Any] = {"numeric": numeric, "categorical": categorical}
    return {name: ops.convert_to_tensor(values) for name, values in given.items() if values.shape[1]}


def _tensors(columns: Columns, rows: NDArray[np.int64]) -> Any:
    if not columns.words:
        return tensors(columns.numeric[rows], None)
    codes = columns.codes[rows]
    texts = [np.append(words, MISSING)[codes[:, number]] for number, words in enumerate(columns.words)]
    return tensors(columns.numeric[rows], np.stack(texts, axis=1))


def _row_bytes(columns: Columns) -> int:
    return 8 * (columns.numeric.shape[1] + columns.codes.shape[1])
