"""From data as it was found to `Data`: encoded, split, and preprocessed as the training samples tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recipes.config import DataConfig
from recipes.data import storage, targets
from recipes.data.base import Column, Data, Samples, Split
from recipes.data.images import resize_all
from recipes.data.moments import Moments
from recipes.data.source import SPLITS, Columns, Part, Source
from recipes.data.splitting import fold, split
from recipes.data.targets import Targets
from recipes.errors import DataError
from recipes.task import Facts, Inputs, Kind, Task

if TYPE_CHECKING:
    import keras

#: Statistics of images are of so many training images, evenly spread.
MOST_IMAGES = 2000

Rows = NDArray[np.int64]
#: Split -> where its samples are: the part, and the numbers in it.
Places = Mapping[str, tuple[str, Rows]]


def assemble(source: Source, config: DataConfig) -> Data:
    """Return the data, ready for training.

    Parameters
    ----------
    source
        What a loader has found.
    config
        How it is to be split and preprocessed.

    Raises
    ------
    DataError
        Targets that make no task, too few samples, values that are not finite.
    """
    try:
        return _assemble(source, config)
    except DataError as error:
        raise DataError(f"{source.name}: {error}") from None


def _assemble(source: Source, config: DataConfig) -> Data:
    source, labels, places = arrange(source, config)
    task = labels["train"].task(places["train"][1])
    prepared = (_images if source.kind == "image" else _vectors)(source, places, config)
    splits = {
        name: Split(prepared.x[name], labels[part].values[rows], source.parts[part].ids[rows])
        for name, (part, rows) in places.items()
    }
    splits.setdefault("validation", none_of(splits["train"]))
    facts = Facts(
        name=source.name,
        inputs=prepared.inputs,
        task=task,
        samples={name: len(splits[name]) for name in SPLITS},
        notes=(*source.notes, *_notes(task, labels, places)),
    )
    train, validation, test = (splits[name] for name in SPLITS)
    return Data(facts, train, validation, test, prepared.preprocessing, prepared.columns)


def arrange(source: Source, config: DataConfig) -> tuple[Source, dict[str, Targets], Places]:
    """Return the parts of the data, their targets encoded, and where the samples of each split are in them.

    Parameters
    ----------
    source, config
        As of `assemble`.

    Raises
    ------
    DataError
        Targets that make no task, or too few samples.
    """
    drawn = len(source.parts["train"]) if "train" in source.parts else 0  # the test is drawn of these alone
    if not config.validation or config.folds > 1:
        source = _with_validation_in_training(source)
    labels = _encode(source, config)
    return source, labels, _places(source, labels, config, drawn)


def _with_validation_in_training(source: Source) -> Source:
    """Return the source with validation samples of its own, if it has such, among those for training."""
    parts = dict(source.parts)
    own = parts.pop("validation", None)
    if own is None or not len(own):
        return replace(source, parts=parts)
    train = parts["train"]
    if isinstance(train.x, Columns) or isinstance(own.x, Columns):
        x: Any = train.x.joined(own.x)  # type: ignore[union-attr, arg-type]
    else:
        x = storage.joined(train.x, own.x)
    groups = None
    if train.groups is not None:
        groups = _joined_groups(train.groups, own.groups, len(own))
    joined = Part(x, np.concatenate([train.y, own.y]), np.concatenate([train.ids, own.ids]), groups)
    return replace(source, parts={**parts, "train": joined})


def _joined_groups(first: NDArray[Any], second: NDArray[Any] | None, count: int) -> NDArray[np.int64]:
    """Return numbers of groups: those of the first are what they are without the second.

    A row of the second, of which there are `count`, may be of a group of the first; without one it is its own.
    """
    numbers = _numbered(first)
    known = dict(zip(first.astype(str).tolist(), numbers.tolist(), strict=True))
    names = second.astype(str).tolist() if second is not None else [("row", row) for row in range(count)]
    for name in names:
        known.setdefault(name, len(known))
    return np.concatenate([numbers, np.array([known[name] for name in names], np.int64)])


def none_of(split: Split) -> Split:
    """Return a split without samples, of the form of another one."""
    nothing = np.empty(0, np.int64)
    return Split(storage.select(split.x, nothing), split.y[nothing], split.ids[nothing])


def _encode(source: Source, config: DataConfig) -> dict[str, Targets]:
    """Return the targets of each part; what they are is told by all of them together."""
    parts = {name: part for name, part in source.parts.items() if len(part)}
    if "train" not in parts:
        raise DataError("there are no training samples")
    shapes = {part.y.shape[1:] for part in parts.values()}
    if len(shapes) > 1:
        raise DataError(f"the targets of the splits differ in shape: {', '.join(map(str, sorted(shapes)))}")
    found = np.concatenate([part.y for part in parts.values()])
    encoded = targets.encode(found, config.task, source.classes, source.targets)
    ends = np.cumsum([len(part) for part in parts.values()])[:-1]
    return {
        name: Targets(encoded.kind, encoded.names, values)
        for name, values in zip(parts, np.split(encoded.values, ends), strict=True)
    }


def _places(source: Source, labels: Mapping[str, Targets], config: DataConfig, drawn: int) -> Places:
    """Return where the samples of each split are: those that are given stay, the others are taken from training.

    Of the training samples only the first `drawn` may become others; what follows them was given for the validation.
    """
    is_folded = config.folds > 1
    shares = {"validation": 0.0 if is_folded else config.validation, "test": config.test}
    wanted = {name: share for name, share in shares.items() if name not in labels}
    train, found = source.parts["train"], labels["train"]
    groups = None if train.groups is None else _numbered(train.groups)
    strata = replace(found, values=found.values[:drawn]).strata()
    taken = split(drawn, wanted, config.split_seed, strata, None if groups is None else groups[:drawn])
    taken["train"] = np.concatenate([taken["train"], np.arange(drawn, len(train))])
    if is_folded:
        rest = taken["train"]
        strata = replace(found, values=found.values[rest]).strata()
        of_rest = None if groups is None else groups[rest]
        chosen = fold((config.fold, config.folds), len(rest), config.split_seed, strata, of_rest)
        taken |= {"validation": rest[chosen], "train": np.delete(rest, chosen)}
    given = {name: (name, np.arange(len(labels[name].values))) for name in SPLITS if name in labels}
    return given | {name: ("train", rows) for name, rows in taken.items()}


def _numbered(groups: NDArray[Any]) -> NDArray[np.int64]:
    values = groups.astype(str) if groups.dtype == object else groups
    return np.asarray(np.unique(values, return_inverse=True)[1].ravel(), np.int64)


@dataclass(frozen=True)
class _Prepared:
    """Inputs of each split, ready for training, and what else of `Data` goes with them."""

    x: Mapping[str, NDArray[Any] | Samples]
    inputs: Inputs
    preprocessing: keras.Model | None = None
    columns: tuple[Column, ...] = ()


def _images(source: Source, places: Places, config: DataConfig) -> _Prepared:
    images = {name: _sized(part.x, config) for name, part in source.parts.items()}
    x = {name: storage.select(images[part], rows) for name, (part, rows) in places.items()}
    return _Prepared(x, image_facts(x["train"]))


def _sized(images: Columns | NDArray[Any] | Samples, config: DataConfig) -> NDArray[Any] | Samples:
    """Return images at the size that is wished for; those that are fetched from files have it already."""
    assert not isinstance(images, Columns)
    side = config.image_size
    if not side or not isinstance(images, np.ndarray) or images.shape[1:3] == (side, side):
        return images
    return resize_all(images, side, config.cache)


def _vectors(source: Source, places: Places, config: DataConfig) -> _Prepared:
    from recipes.data import columns as preprocessing  # Keras

    tables = {name: part.x for name, part in source.parts.items() if isinstance(part.x, Columns)}
    train, rows = places["train"]
    statistics = preprocessing.fit(tables[train], rows)
    # Rows of a table that are predicted later may lack a number, even if none did so far; only tables name targets.
    may_lack = bool(source.targets) or any(preprocessing.lacks_numbers(table) for table in tables.values())
    model = preprocessing.model(tables[train], statistics, standardize=config.standardize, may_lack=may_lack)
    x = {
        name: preprocessing.transform(model, tables[part], rows, config.cache) for name, (part, rows) in places.items()
    }
    return _Prepared(x, _vector_facts(x["train"]), model, tables["train"].columns)


def _vector_facts(features: Any) -> Inputs:
    moments = Moments(features.shape[1])
    for block in storage.blocks(len(features), 8 * features.shape[1]):
        moments.update(features[block])
    return Inputs(
        "vector",
        (features.shape[1],),
        float(moments.low.min()),
        float(moments.high.max()),
        tuple(moments.means.tolist()),
        tuple(moments.variances.tolist()),
    )


def image_facts(images: NDArray[Any] | Samples) -> Inputs:
    """Return the facts about training images, (n, height, width, channels) or `Samples` of them."""
    count = len(images)
    shape: tuple[int, ...] = images.shape[1:] if isinstance(images, np.ndarray) else images.shape
    rows = np.unique(np.linspace(0, count - 1, min(count, MOST_IMAGES)).astype(np.int64))
    moments = Moments(shape[-1])
    for block in storage.blocks(len(rows), 8 * int(np.prod(shape))):
        chosen = images[rows[block]] if isinstance(images, np.ndarray) else images.take(rows[block])
        moments.update(chosen.reshape(-1, shape[-1]))
    low, high = _range(images.dtype, float(moments.low.min()), float(moments.high.max()))
    return Inputs("image", shape, low, high, tuple(moments.means.tolist()), tuple(moments.variances.tolist()))


def _range(dtype: np.dtype[Any], low: float, high: float) -> tuple[float, float]:
    """Return the range that image values have by their type, or where it does not tell, by what is seen."""
    if dtype == np.uint8:
        return 0.0, 255.0
    for usual in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
        if usual[0] <= low and high <= usual[1]:
            return usual
    return low, high


def _notes(task: Task, labels: Mapping[str, Targets], places: Places) -> tuple[str, ...]:
    """Return what is to be said about classes that a split lacks.

    Raises
    ------
    DataError
        Validation or test has one class only.
    """
    if task.kind not in (Kind.BINARY, Kind.MULTICLASS, Kind.MULTILABEL):
        return ()
    notes = []
    for name in sorted({"validation", "test"} & places.keys(), reverse=True):
        part, rows = places[name]
        values = labels[part].values[rows]
        if task.kind is Kind.MULTILABEL:
            present = set(np.flatnonzero(values.any(axis=0)).tolist())
        else:
            present = set(np.unique(values.astype(np.int64)).tolist())
        absent = [title for number, title in enumerate(task.names) if number not in present]
        if absent and len(present) < 2 and task.kind.is_classification:
            raise DataError(f"{name} has samples of one class only; add samples of {absent[0]!r}, or raise data.{name}")
        if absent:
            listed = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
            notes.append(f"{name} has no sample of {len(absent)} of {len(task.names)} classes: {listed}")
    return tuple(notes)
