"""Data before a training, as plain arrays: a bounded sample of each split.

`diagnose.audit` draws one; checks of the family ``data`` look at it. Nothing here reads a file or knows Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from diagnose.run import Split

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitSample:
    """Samples of one split.

    Parameters
    ----------
    inputs
        Input's name -> shape (n, ...); the one input of most models is called ``x``. Text stays an array of strings.
    labels
        Output's name -> shape (n,) or (n, k); the one output of most models is called ``y``. Empty: none are known.
    count
        How many samples the split has; None where that is not known (a generator).
    is_whole
        Whether all of them are here.
    again
        `inputs` as a second reading gave them, in the same order; empty where it was not read twice. Readings differ
        where something random is done to the data.
    positions
        Shape (n,): which samples of the split these are; None where that is not known.
    random_operations
        What of its pipeline draws at random, by TensorFlow's names, as far as the pipeline can be seen. With a seed
        set two readings may be the same and changed at random all the same.
    """

    inputs: Mapping[str, Array]
    labels: Mapping[str, Array] = field(default_factory=lambda: MappingProxyType({}))
    count: int | None = None
    is_whole: bool = True
    again: Mapping[str, Array] = field(default_factory=lambda: MappingProxyType({}))
    positions: Array | None = None
    random_operations: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many samples are here."""
        return next((len(array) for array in self.inputs.values()), 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class DataSample:
    """What is known of the data of a training.

    Parameters
    ----------
    source
        As the user named it, or the type of the object.
    splits
        Split -> samples; there is one for training at least.
    features
        Input's name -> names of the columns of a table; empty where they have none.
    classes
        Names of the classes in the order of their numbers; empty where the labels are numbers already.
    is_raw
        Whether the model is not given this as it is: a table or a folder of pictures that some code of the user's, or
        a recipe, scales and encodes before. False: these are the arrays that go into ``fit``.
    is_sequence
        Whether neighbours in the order of the data may belong together (a time axis): then they are no duplicates.
    batch_size
        As the data has it (``tf.data``, ``PyDataset``); None where ``fit`` decides.
    drawn
        Splits that nobody brought: they were drawn from the training samples to have something to look at.
    notes
        What was left out, a sentence each.
    """

    source: str
    splits: Mapping[Split, SplitSample]
    features: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    classes: tuple[str, ...] = ()
    is_raw: bool = False
    is_sequence: bool = False
    batch_size: int | None = None
    drawn: frozenset[Split] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def training(self) -> SplitSample:
        """The samples that are trained on."""
        return self.splits[Split.TRAIN]

    @property
    def samples(self) -> int | None:
        """How many samples are trained on; None where that is not known."""
        return self.training.count
