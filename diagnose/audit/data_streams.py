"""Data that comes in batches - ``tf.data``, ``PyDataset``, loaders, functions that make generators - read for a while.

A container is read in a thread: one that hangs would hang the audit too. What can be indexed gives batches from all
over the split. Of a stream each sample that comes by in the time has the same chance to be kept. Endless ones repeat
themselves: of them the first samples are kept, each once.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diagnose.audit import data_values as values
from diagnose.audit.data_again import again, row_keys
from diagnose.audit.data_reading import Limit, Reading, are_windows, one_line, spread
from diagnose.deadline import within
from diagnose.readers.base import ReadError
from diagnose.sample import Array, SplitSample

#: Seconds until the first batch must have come: a shuffling data set fills its buffer before.
PATIENCE = 30.0
#: From this rank on samples of different size are pictures, which zeros would distort.
_RANK_OF_PICTURES = 4
_INFINITE = -1  # tf.data.INFINITE_CARDINALITY


@dataclass(frozen=True)
class Batch:
    """Samples that came together."""

    inputs: Mapping[str, Array]
    labels: Mapping[str, Array]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def rows(self, chosen: Array) -> Batch:
        """Return some of the samples."""
        return Batch(*({name: array[chosen] for name, array in of.items()} for of in (self.inputs, self.labels)))

    @property
    def row_bytes(self) -> int:
        """Bytes of a sample."""
        return sum(array.nbytes for array in (*self.inputs.values(), *self.labels.values())) // max(1, len(self))

    @property
    def picture_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes that samples must share."""
        arrays = (*self.inputs.values(), *self.labels.values())
        return tuple(array.shape[1:] for array in arrays if array.ndim >= _RANK_OF_PICTURES)


@dataclass(frozen=True)
class Feed:
    """A container of batches, as all of them are read.

    Parameters
    ----------
    elements
        Starts a new reading.
    is_batched
        Whether an element is a batch; else it is one sample.
    count
        How many elements there are; None where that is not known.
    is_endless
        Whether it never ends.
    get
        Returns the batch of a number, where that can be asked for; `elements` is not used then.
    classes, batch_size
        As of `diagnose.sample.DataSample`; the size as the container has it.
    random_operations
        As of `diagnose.sample.SplitSample`.
    """

    elements: Callable[[], Iterable[Any]] = tuple
    is_batched: bool = True
    count: int | None = None
    is_endless: bool = False
    get: Callable[[int], Any] | None = None
    classes: tuple[str, ...] = ()
    batch_size: int | None = None
    random_operations: tuple[str, ...] = ()


def is_container(data: Any) -> bool:
    """Whether this is a data set that gives batches, by its class."""
    return is_tf_data(data) or _is_py_dataset(data) or _is_loader(data)


def feed_of(data: Any) -> Feed | None:
    """Return how to read a container, or None where it is not known to give batches.

    Raises
    ------
    ReadError
        It can be read once only.
    """
    if is_tf_data(data):
        return _of_tf_data(data)
    if _is_py_dataset(data):
        return _of_py_dataset(data)
    if _is_loader(data):
        return _of_loader(data)
    if callable(data) and not isinstance(data, type):
        return Feed(lambda: _made(data))
    if isinstance(data, Iterator):
        raise ReadError(
            f"a {type(data).__name__} can be read once, and reading it here would take its samples from the training",
            "give the function that makes it, a PyDataset, or a tf.data.Dataset",
        )
    if isinstance(data, Iterable) and not isinstance(data, str | bytes | Mapping):
        return Feed(lambda: data, count=len(data) if isinstance(data, Sized) else None)
    return None


def _made(make: Callable[[], Any]) -> Iterable[Any]:
    found = make()
    if not isinstance(found, Iterable):
        raise ReadError(f"the function returns {type(found).__name__}", "let it return a generator of batches (x, y)")
    return found


def is_tf_data(data: Any) -> bool:
    """Whether this is a ``tf.data.Dataset``."""
    return hasattr(data, "element_spec") and hasattr(data, "cardinality")


def _is_loader(data: Any) -> bool:
    return hasattr(data, "dataset") and hasattr(data, "collate_fn")


def _is_py_dataset(data: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(data, keras.utils.PyDataset)


def _of_py_dataset(data: Any) -> Feed:
    try:
        count = data.num_batches
    except NotImplementedError:
        count = None
    size = getattr(data, "batch_size", None)
    return Feed(
        lambda: (data[number] for number in itertools.count()),
        count=count,
        is_endless=count is None,
        get=None if count is None else data.__getitem__,
        batch_size=size if isinstance(size, int) else None,
    )


def _of_loader(loader: Any) -> Feed:
    """Return a feed of PyTorch's ``DataLoader``, past its workers: what its data set has, batch by batch."""
    data, size = loader.dataset, getattr(loader, "batch_size", None)
    if not size or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        if getattr(loader, "num_workers", 0):
            raise ReadError("the loader starts processes of its own", "give it with num_workers=0")
        return Feed(lambda: loader, batch_size=size)

    def get(number: int) -> Any:
        return loader.collate_fn([data[row] for row in range(number * size, min((number + 1) * size, len(data)))])

    return Feed(get=get, count=math.ceil(len(data) / size), batch_size=size)


def _of_tf_data(data: Any) -> Feed:
    cardinality = int(data.cardinality())
    shapes = [spec.shape for spec in _specs(data.element_spec)]
    is_batched, size = _batching(shapes)
    return Feed(
        lambda: data,
        is_batched=is_batched,
        count=cardinality if cardinality >= 0 else None,
        is_endless=cardinality == _INFINITE,
        classes=tuple(map(str, getattr(data, "class_names", None) or ())),
        batch_size=size,
        random_operations=_random_operations(data),
    )


def _random_operations(data: Any) -> tuple[str, ...]:
    """Return what the functions mapped over a data set draw at random; orders that are shuffled are no such thing.

    TensorFlow has no public way to see into a pipeline: where its own is gone, nothing is known.
    """
    found: dict[str, None] = {}
    with suppress(Exception):
        upstream = [data]
        while upstream:
            each = upstream.pop()
            upstream += each._inputs()
            for function in each._functions():
                graph = function.function.graph
                graphs = [graph, *(inner.graph for inner in getattr(graph, "_functions", {}).values())]
                for operation in (operation for one in graphs for operation in one.get_operations()):
                    if "Random" in operation.type:
                        found[operation.type] = None
    return tuple(found)


def _specs(spec: Any) -> list[Any]:
    """Return the specifications of the tensors in an element."""
    if isinstance(spec, Mapping):
        return [leaf for inner in spec.values() for leaf in _specs(inner)]
    if isinstance(spec, list | tuple):
        return [leaf for inner in spec for leaf in _specs(inner)]
    return [spec] if hasattr(spec, "shape") else []


def _batching(shapes: list[Any]) -> tuple[bool, int | None]:
    """Return whether elements are batches, and of what size if that is fixed.

    The first axis of all parts of a batch is that of the samples, of open length unless the last batch was dropped.
    """
    if any(shape.rank is None for shape in shapes):
        return True, None
    if any(shape.rank == 0 for shape in shapes):
        return False, None
    first = {shape[0] for shape in shapes}
    return len(first) == 1, next(iter(first)) if len(first) == 1 else None


def read(feed: Feed, split: str, limit: Limit, *, is_read_twice: bool = False) -> Reading:
    """Return a sample of what a container gives.

    Parameters
    ----------
    feed
        The container.
    split
        Its name, for messages.
    limit
        How much may be kept, and how long may be read.
    is_read_twice
        Whether to look at the same samples again, for something random in them.

    Raises
    ------
    ReadError
        It is empty, fails, gives nothing in time, or gives what are no samples.
    """
    reader = _Reader(feed, split, limit)
    samples, positions, notes = reader.run()
    is_whole = reader.total == len(samples) and reader.is_over
    second: Mapping[str, Array] = {}
    if is_read_twice:
        repeated = _Reader(feed, split, replace(limit, seconds=2 * limit.seconds), positions).run().samples
        expected = len(samples) ** 2 / reader.total if reader.total else 0.0
        second, note = again(samples, repeated, is_whole=is_whole, expected=expected)
        notes = (*notes, *([f"{split}: {note}"] if note else []))
    split_sample = SplitSample(
        inputs=samples.inputs,
        labels=samples.labels,
        count=reader.total,
        is_whole=is_whole,
        again=second,
        random_operations=feed.random_operations,
        positions=positions if reader.is_regular else None,
    )
    return Reading(
        split_sample,
        classes=feed.classes,
        batch_size=feed.batch_size or (reader.size if feed.is_batched else None),
        is_sequence=reader.is_sequence,
        notes=notes,
    )


class _Read(NamedTuple):
    """What a reading has kept: samples in their order, their numbers in the split, and what is to be said."""

    samples: Batch
    positions: NDArray[np.int64]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Kept:
    """Samples of one batch that are kept so far.

    Parameters
    ----------
    batch
        The samples.
    positions
        (n,): their numbers in the split.
    keys
        (n,): drawn at random; the samples with the lowest are kept to the end.
    """

    batch: Batch
    positions: NDArray[np.int64]
    keys: NDArray[np.float64]

    def rows(self, chosen: Array) -> _Kept:
        return _Kept(self.batch.rows(chosen), self.positions[chosen], self.keys[chosen])


class _Reader:
    """One reading of a container.

    Parameters
    ----------
    feed, split, limit
        As of `read`.
    only
        Numbers of the samples that are wanted, ascending; None: a sample of all of them.
    """

    def __init__(self, feed: Feed, split: str, limit: Limit, only: NDArray[np.int64] | None = None) -> None:
        self._feed, self._split, self._limit, self._only = feed, split, limit, only
        self._rng = np.random.default_rng(0)
        self._kept: tuple[_Kept, ...] = ()
        self._most = limit.samples
        self._known: set[bytes] = set()
        self._read = self._seen = 0
        self._is_given_up = False
        self._last = 0
        #: Samples in the first batch.
        self.size = 0
        #: Whether all that was to be read has been.
        self.is_over = False
        #: Whether the number of a batch tells the numbers of its samples.
        self.is_regular = True
        self.is_sequence = False

    def run(self) -> _Read:
        """Read, and return what was kept.

        Raises
        ------
        ReadError
            As of `read`.
        """
        try:
            within(PATIENCE + self._limit.seconds, self._read_all)
        except TimeoutError:
            self._is_given_up = True
        kept = self._kept
        if not kept:
            if self.is_over:
                raise ReadError(f"the {self._split} data is empty", "give at least one batch")
            raise ReadError(f"the {self._split} data gave no batch within {PATIENCE:g} seconds", "make it start sooner")
        kept, notes = _of_one_shape(_lowest(kept, self._most), self._split)
        positions = np.concatenate([part.positions for part in kept])
        order = np.argsort(positions, kind="stable")
        samples = _joined([part.batch for part in kept], self._split).rows(order)
        return _Read(samples, positions[order], (*notes, *self._notes(len(samples))))

    @property
    def total(self) -> int | None:
        """How many samples the split has, to within the last batch where that was not read; None: not known."""
        feed = self._feed
        if feed.is_endless:
            return None
        if self.is_over and (feed.get is None or self._read == feed.count):
            return self._seen
        if feed.count is None:
            return None
        if self._last and self.is_regular:
            return (feed.count - 1) * self.size + self._last
        return feed.count * (self.size if feed.is_batched else 1)

    def _notes(self, taken: int) -> tuple[str, ...]:
        notes = []
        if not self._feed.is_batched:
            notes.append(f"{self._split} is not in batches, which fit needs: add .batch(32)")
        if self._feed.is_endless:
            notes.append(f"{self._split} never ends: its first {taken:,} samples were looked at, each once")
        elif self.total is None or taken < self.total:
            notes.append(self._reach(taken))
        return tuple(notes)

    def _reach(self, taken: int) -> str:
        """Return which samples were looked at, where it was not all of them."""
        of = "" if self.total is None else f"of {self.total:,} "
        looked = f"{of}{self._split} samples were looked at"
        if self.is_over:
            return f"{taken:,} {looked}, spread over all of them"
        if self._feed.get is not None:
            return f"{taken:,} {looked}"
        if taken == self._seen:
            return f"the first {taken:,} {looked}"
        return f"{taken:,} {looked}, out of the first {self._seen:,}"

    def _read_all(self) -> None:
        """Read until the end, or until it is enough; in a thread that nobody may be waiting for any more."""
        elements = self._chosen() if self._feed.get else enumerate(self._feed.elements())
        end = float("inf")
        while True:
            try:
                number, element = next(elements)
            except StopIteration:
                self.is_over = True
                return
            except ReadError:
                raise
            except Exception as error:
                where = f"batch {self._read + 1} of the {self._split} data"
                raise ReadError(f"{where} raises {one_line(error)}", "mend what makes it") from error
            if self._is_given_up:
                return
            self._add(number, self._batch(element))
            end = min(end, time.monotonic() + self._limit.seconds)
            if self._is_enough() or time.monotonic() > end:
                return

    def _chosen(self) -> Iterator[tuple[int, Any]]:
        """Yield batches by number: the first, the last, which may be smaller, and others in an order without system."""
        get, count = self._feed.get, self._feed.count
        assert get is not None
        assert count is not None
        if not count:
            return
        yield 0, get(0)
        size = max(1, self.size)
        if self._only is None:
            wanted = self._rng.permutation(spread(count, math.ceil(self._most / size))).tolist()
        else:
            wanted = np.unique(self._only // size).tolist()
        for number in dict.fromkeys([count - 1, *wanted]):
            if number:
                yield number, get(number)

    def _add(self, number: int, batch: Batch) -> None:
        """Keep what is wanted of a batch."""
        count = len(batch)
        self._read += 1
        if not count:
            return
        if not self.size:
            self.size = count
            self._most = self._limit.rows(batch.row_bytes)
            self.is_sequence = any(are_windows(array[:64]) for array in batch.inputs.values())
        first = self._seen
        if self._feed.get:
            first = number * self.size
            is_last = number + 1 == self._feed.count
            self._last = count if is_last else self._last
            self.is_regular &= count == self.size or (is_last and count < self.size)
        self._seen += count
        kept = _Kept(batch, first + np.arange(count), self._rng.random(count))
        kept = kept.rows(self._is_wanted(kept))
        parts = (*self._kept, kept) if len(kept.positions) else self._kept
        if sum(len(part.positions) for part in parts) > 2 * self._most:
            parts = _lowest(parts, self._most)
        self._kept = parts  # at once: the thread may be given up at any time

    def _is_wanted(self, kept: _Kept) -> NDArray[np.bool_]:
        if self._only is not None:
            return np.isin(kept.positions, self._only)
        if not self._feed.is_endless:
            return np.ones(len(kept.positions), np.bool_)
        fresh = np.zeros(len(kept.positions), np.bool_)
        for row, key in enumerate(row_keys({**kept.batch.inputs, **kept.batch.labels})):
            fresh[row] = key not in self._known and len(self._known) < self._most
            if fresh[row]:
                self._known.add(key)
        return fresh

    def _is_enough(self) -> bool:
        if self._only is not None:
            return self._feed.get is None and self._seen > self._only[-1]
        if not self._feed.is_endless:
            return False
        return len(self._known) >= self._most or self._seen > 2 * len(self._known) + self.size

    def _batch(self, element: Any) -> Batch:
        """Return an element as plain arrays.

        Raises
        ------
        ReadError
            It holds no samples, or not as many labels.
        """
        where = f"batch {self._read + 1} of the {self._split} data"
        parts = tuple(element) if isinstance(element, list | tuple) else (element,)
        if not 1 <= len(parts) <= 3 or parts[0] is None:
            what = "None" if not parts or parts[0] is None else f"{len(parts)} parts"
            raise ReadError(f"{where} is {what}", "let it be (x, y)")
        x, y = values.named(parts[0], "x"), values.named(parts[1] if len(parts) > 1 else None, "y")
        if not x:
            raise ReadError(f"{where} has no inputs", "let it be (x, y)")
        batch = Batch(*({name: values.plain(leaf, name) for name, leaf in leaves.items()} for leaves in (x, y)))
        if not self._feed.is_batched:
            batch = Batch(*({name: leaf[None] for name, leaf in of.items()} for of in (batch.inputs, batch.labels)))
        lengths = {
            name: values.length(array, f"{name} in {where}") for name, array in {**batch.inputs, **batch.labels}.items()
        }
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{count} of {name}" for name, count in lengths.items())
            raise ReadError(f"{where} holds {told}", "each sample needs all of them")
        return batch


def _lowest(parts: Sequence[_Kept], most: int) -> tuple[_Kept, ...]:
    """Return the samples with the lowest keys, at most so many."""
    keys = np.concatenate([part.keys for part in parts])
    if len(keys) <= most:
        return tuple(parts)
    limit = np.partition(keys, most - 1)[most - 1]
    thinned = (part.rows(part.keys <= limit) for part in parts)
    return tuple(part for part in thinned if len(part.positions))


def _of_one_shape(parts: Sequence[_Kept], split: str) -> tuple[tuple[_Kept, ...], tuple[str, ...]]:
    """Return the batches whose pictures are of the most frequent size, and a note on the others."""
    sizes: Counter[Any] = Counter()
    for part in parts:
        sizes[part.batch.picture_shapes] += len(part.positions)
    usual, count = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return tuple(parts), ()
    kept = tuple(part for part in parts if part.batch.picture_shapes == usual)
    total = sum(sizes.values())
    return kept, (f"{split}: of {total:,} samples {total - count:,} left out, not of the usual size {usual[0]}",)


def _joined(batches: Sequence[Batch], split: str) -> Batch:
    """Return batches as one."""
    first = batches[0]
    if any((*batch.inputs, *batch.labels) != (*first.inputs, *first.labels) for batch in batches):
        raise ReadError(f"the batches of the {split} data differ in what they hold", "let all be (x, y) of one form")
    return Batch(
        {name: _stacked([batch.inputs[name] for batch in batches], name) for name in first.inputs},
        {name: _stacked([batch.labels[name] for batch in batches], name) for name in first.labels},
    )


def _stacked(arrays: Sequence[Array], name: str) -> Array:
    if len({array.shape[1:] for array in arrays}) == 1:
        whole: Array = np.concatenate(arrays)
        return whole
    return values.padded([row for array in arrays for row in array], name)
