"""Data as `tune` finds it, for the audit of `diagnose`: a sample of what is trained on, in the splits of the training.

Tables and folders are shown as they were found, before anything is scaled or encoded; arrays as they are in the file.
What a training is given after the preprocessing is `sample_of`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diagnose.audit import data_arrays, data_streams, data_values
from diagnose.audit.data import sample
from diagnose.audit.data_reading import SECONDS, Limit, are_windows, spread
from diagnose.audit.quiet import import_tensorflow
from diagnose.readers.base import ReadError
from diagnose.run import Split
from diagnose.sample import DataSample, SplitSample
from recipes import data as loading
from recipes.config import Config, DataConfig
from recipes.data import arrays, assembling, image_folder, npz, splitting, user
from recipes.data.base import Data, Samples
from recipes.data.image_folder import ImageFiles
from recipes.data.source import SPLITS, Columns, Part, Source
from recipes.errors import DataError, RecipeError

#: Pictures are looked at no larger than this, and so many of a split.
MOST_SIDE = 128
MOST_PICTURES = 1000
#: Pictures that are decoded before the clock is looked at.
_BLOCK = 64
#: So many neighbours tell whether they are windows of one series.
_NEIGHBOURS = 64

Rows = NDArray[np.int64]


def open_data(source: str, settings: Mapping[str, Any] = MappingProxyType({})) -> DataSample:
    """Return a sample of the data that a command line names, as ``tune`` would find it.

    Parameters
    ----------
    source
        A built-in name, a CSV, a folder of images, an ``.npz``, or ``module:function``.
    settings
        Path -> value, as of `recipes.data.load_data`: ``{"data.target": "price"}``.

    Raises
    ------
    ReadError
        There is no such data or setting, or it cannot be read.

    Examples
    --------
    >>> found = open_data("iris")
    >>> found.classes, found.training.inputs["x"].shape
    (('setosa', 'versicolor', 'virginica'), (90, 4))
    """
    try:
        config = Config.model_validate({"data": {"source": source}}).replace(settings)
        return replace(_opened(source, config), source=source)
    except RecipeError as error:
        raise ReadError(str(error).removeprefix(f"{source}: ")) from None


def sample_of(data: Data) -> DataSample:
    """Return a sample of what a model is trained on: after the preprocessing, with targets as they are encoded.

    Raises
    ------
    DataError
        A sample can no longer be fetched.
    """
    splits = {}
    for name in SPLITS:
        split = getattr(data, name)
        if not len(split):
            continue
        rows = spread(len(split), _limit(split.x, split.y))
        splits[Split(name)] = _split_sample(split.inputs(rows), split.y[rows], rows, len(split))
    task = data.facts.task
    return DataSample(
        source=data.facts.name,
        splits=splits,
        classes=task.names if task.kind.is_classification else (),
        notes=data.facts.notes,
    )


def _opened(source: str, config: Config) -> DataSample:
    path = Path(source)
    if source == "scattered_digits":
        return sample_of(loading.load_data(config))
    if source in loading.BUILTIN:
        return _sampled(loading.find(source, config), config.data, is_raw=True)  # recipes scale them themselves
    if path.is_dir():
        loading.check_heeded(config, source, "target", "group", "ignore")
        side = min(config.data.image_size, MOST_SIDE)
        small = config.data.model_copy(update={"image_size": side})
        return _sampled(image_folder.find(path, small, MOST_PICTURES), config.data, is_raw=True)
    if path.suffix.lower() == ".npz":
        loading.check_heeded(config, source, "target", "ignore")
        return _sampled(_of_arrays(npz.read(path, config.data), config.data), config.data)
    if ":" in source and not path.exists():
        return _of_function(source, config)
    return _sampled(loading.find(source, config), config.data, is_raw=True)


def _of_function(name: str, config: Config) -> DataSample:
    """Return a sample of what the user's function returns, in one of the forms that `recipes.data.user` knows.

    Two data sets are for training and test there, and not, as `diagnose.audit.data.sample` has them, for training and
    validation.
    """
    import_tensorflow()  # before a module of the user's does, with TensorFlow's monologue
    found = user.call(name, config)
    if isinstance(found, Data):
        return sample_of(found)
    parts = found if isinstance(found, tuple | list) else (found,)
    if all(map(data_streams.is_container, parts)):
        names = {1: ("train",), 2: ("train", "test"), 3: SPLITS}.get(len(parts))
        if names is not None:
            return sample(dict(zip(names, parts, strict=True)))
    table = user.in_table(found, name, config)
    if table is not None:
        return _sampled(table, config.data, is_raw=True)
    return _sampled(_of_arrays(user.in_arrays(found, config), config.data), config.data)


def _of_arrays(found: arrays.Arrays, config: DataConfig) -> Source:
    """Return arrays as they are, whatever is wrong with their values.

    Raises
    ------
    DataError
        What is needed is not there.
    ReadError
        Inputs and targets do not fit together.
    """
    names = arrays.wanted(found, config.group)
    parts = {}
    for split, (x, y) in names.pairs.items():
        count = data_arrays.count(data_arrays.Pair(found[x], found[y]), split)
        groups = found[names.groups] if names.groups and split == "train" else None
        parts[split] = Part(found[x], found[y], np.arange(1, count + 1), groups)
    return Source("arrays", "vector", parts)


def _sampled(source: Source, config: DataConfig, *, is_raw: bool = False) -> DataSample:
    """Return a sample of each split, as the recipes split the data."""
    brought = set(source.parts)
    source, places, notes = _arranged(source, config)
    splits, features = {}, {}
    for name in SPLITS:
        if name not in places or not len(places[name][1]):
            continue
        origin, rows = places[name]
        part = source.parts[origin]
        if isinstance(part.x, ImageFiles):
            splits[Split(name)], more = _of_pictures(part, part.x, rows, name)
        else:
            splits[Split(name)], more = _of_rows(part, rows, name)
        notes += more
        if isinstance(part.x, Columns):
            features = _features(part.x)
    train = source.parts["train"].x
    return DataSample(
        source=source.name,
        splits=splits,
        features=features,
        classes=source.classes,
        is_raw=is_raw,
        is_sequence=_is_sequence(train),
        drawn=frozenset(splits).difference(map(Split, brought)),
        notes=(*source.notes, *notes),
    )


def _is_sequence(x: Columns | NDArray[Any] | Samples) -> bool:
    """Whether neighbours belong together: rows of a table in time, or windows of one series."""
    if isinstance(x, np.ndarray):
        return are_windows(np.asarray(x[:_NEIGHBOURS]))
    if not isinstance(x, Columns):
        return False
    dates = [x.numeric[:, at] for at, column in enumerate(x.columns) if column.kind == "date"]
    return any(bool(np.all(np.diff(days) >= 0) and days[0] < days[-1]) for days in dates)


def _arranged(source: Source, config: DataConfig) -> tuple[Source, assembling.Places, tuple[str, ...]]:
    """Return the parts, where the samples of each split are in them, and notes on how it was split."""
    given = set(source.parts)
    refused: tuple[str, ...] = ()
    try:
        source, _, places = assembling.arrange(source, config)
    except DataError as error:  # the audit is there to tell what is wrong, with more than a line
        places = _unstratified(source, config)
        refused = (f"tune refuses this data: {error}",)
    shares = {"validation": config.validation, "test": config.test}
    drawn = [f"{name} ({shares[name]:.0%})" for name in shares if name in places and name not in given]
    if not drawn:
        return source, places, refused
    were = "were" if len(drawn) > 1 else "was"
    note = f"{' and '.join(drawn)} {were} drawn from the samples, as tune does with data.split_seed={config.split_seed}"
    return source, places, (*refused, note)


def _unstratified(source: Source, config: DataConfig) -> assembling.Places:
    """Return places where nothing is known of the targets.

    Raises
    ------
    DataError
        There are too few samples.
    """
    given = {name: (name, np.arange(len(part))) for name, part in source.parts.items() if len(part)}
    if "train" not in given:
        raise DataError("there are no training samples")
    shares = {"validation": config.validation, "test": config.test}
    wanted = {name: share for name, share in shares.items() if name not in given}
    drawn = splitting.split(len(source.parts["train"]), wanted, config.split_seed)
    return given | {name: ("train", rows) for name, rows in drawn.items()}


def _limit(x: Columns | NDArray[Any] | Samples, y: NDArray[Any]) -> int:
    """Return how many samples are kept."""
    if isinstance(x, Columns):
        return Limit().rows(8 * len(x.columns))
    shape = x.shape[1:] if isinstance(x, np.ndarray) else x.shape
    row = int(np.prod(shape)) * x.dtype.itemsize + int(np.prod(y.shape[1:])) * y.dtype.itemsize
    return Limit().rows(row)


def _split_sample(x: Any, y: NDArray[Any], positions: Rows, count: int) -> SplitSample:
    inputs = x if isinstance(x, dict) else {"x": data_values.plain(x, "x")}
    return SplitSample(
        inputs=inputs,
        labels={"y": data_values.plain(y, "y")},
        count=count,
        is_whole=len(positions) == count,
        positions=positions,
    )


def _of_rows(part: Part, rows: Rows, split: str) -> tuple[SplitSample, tuple[str, ...]]:
    """Return a sample of a table, or of arrays."""
    positions = spread(len(rows), _limit(part.x, part.y))
    chosen = rows[positions]
    if isinstance(part.x, Columns):
        x: Any = _table(part.x, chosen)
    else:
        x = part.x[chosen] if isinstance(part.x, np.ndarray) else part.x.take(chosen)
    return _split_sample(x, part.y[chosen], positions, len(rows)), data_arrays.left_out(split, len(chosen), len(rows))


def _table(table: Columns, rows: Rows) -> dict[str, NDArray[Any]]:
    """Return rows of a table under the names that `data_values.columns` gives."""
    codes = table.codes[rows]
    words = [
        np.where(codes[:, column] < 0, "", known.astype(str)[np.maximum(codes[:, column], 0)])
        for column, known in enumerate(table.words)
    ]
    if not words:
        return {"x": np.asarray(table.numeric[rows])}
    categorical = np.stack(words, axis=1)
    if not table.numeric.shape[1]:
        return {"x": categorical}
    return {"numeric": np.asarray(table.numeric[rows]), "categorical": categorical}


def _features(table: Columns) -> dict[str, tuple[str, ...]]:
    """Return the names of the columns of each input."""
    names = tuple(column.name for column in table.columns)
    at = table.numeric.shape[1]
    if at in (0, len(names)):
        return {"x": names}
    return {"numeric": names[:at], "categorical": names[at:]}


def _of_pictures(part: Part, files: ImageFiles, rows: Rows, split: str) -> tuple[SplitSample, tuple[str, ...]]:
    """Return as many pictures, spread over the split, as can be decoded in the time; what is broken is left out."""
    positions = spread(len(rows), min(MOST_PICTURES, _limit(files, part.y)))
    pictures, broken = _decoded(files, rows, np.random.default_rng(0).permutation(positions))
    if not pictures:
        raise DataError(f"no picture of {split} can be decoded, among them {part.ids[rows[positions[0]]]}")
    found = np.array(sorted(pictures), np.int64)
    sampled = _split_sample(np.stack([pictures[at] for at in found]), part.y[rows[found]], found, len(rows))
    notes = data_arrays.left_out(split, len(found), len(rows) - len(broken))
    if broken:
        count = f"{len(broken)} file{'s' if len(broken) > 1 else ''}"
        notes += (f"{count} of {split} left out that cannot be decoded, such as {part.ids[rows[min(broken)]]}",)
    return sampled, notes


def _decoded(files: ImageFiles, rows: Rows, order: Rows) -> tuple[dict[int, NDArray[np.uint8]], list[int]]:
    """Decode pictures in an order: return position -> picture, and the positions of what cannot be decoded."""

    def decode(position: int) -> NDArray[np.uint8] | None:
        try:
            return files.take(rows[position : position + 1])[0]
        except DataError:
            return None

    pictures: dict[int, NDArray[np.uint8]] = {}
    broken: list[int] = []
    end = time.monotonic() + SECONDS
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for start in range(0, len(order), _BLOCK):
            block = order[start : start + _BLOCK].tolist()
            for position, picture in zip(block, pool.map(decode, block), strict=True):
                if picture is None:
                    broken.append(position)
                else:
                    pictures[position] = picture
            if time.monotonic() > end:
                break
    return pictures, broken
