"""What is known of one training run: its curves, its layer statistics, its configuration, its model and its data.

A reader, an audit of what is to be trained, or while training the Monitor callback makes a `Run`; checks look at it and
never change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from diagnose.blueprint import Blueprint, DryRun
    from diagnose.sample import DataSample

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Split(StrEnum):
    """The part of the data that a value was measured on."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Direction(StrEnum):
    """Which way a quantity improves."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, eq=False)
class Series:
    """One curve: the values of one quantity on one split.

    Parameters
    ----------
    name
        The column's name as it stands in the log.
    quantity
        The canonical name, one for all writers: ``loss``, ``accuracy``, ``mae``, ``dice``, ``learning_rate`` ...
    split
        The data that it was measured on.
    epochs
        Shape (n,), strictly increasing; the epoch (or step, see `Run.axis`) of each value, numbered as in the log.
    values
        Shape (n,); NaN or infinite where the run itself logged so. A value that was not logged is not here at all.
    direction
        Which way the quantity improves; ``None`` where it has no better end (learning rate, time).
    output
        The head, fold or component that it belongs to; empty for the run as a whole.
    scale
        What a whole is in the log: 100 for an accuracy in percent, else 1.
    """

    name: str
    quantity: str
    split: Split
    epochs: FloatArray
    values: FloatArray
    direction: Direction | None = None
    output: str = ""
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.epochs.shape != self.values.shape or self.epochs.ndim != 1:
            raise ValueError(
                f"series {self.name!r}: epochs {self.epochs.shape} and values {self.values.shape} must be "
                "one-dimensional and of one length"
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_loss(self) -> bool:
        """Whether this is a loss: the thing that training minimizes."""
        return self.quantity == "loss"


@dataclass(frozen=True, eq=False)
class LayerStatistic:
    """One statistic of every layer over the epochs.

    Parameters
    ----------
    name
        ``grad_norm``, ``dead_fraction`` ...: the part before ``/`` in a telemetry column's name.
    layers
        L layer names in the order of the model, input first.
    epochs
        Shape (E,), strictly increasing.
    values
        Shape (E, L); NaN where a layer was not sampled.
    """

    name: str
    layers: tuple[str, ...]
    epochs: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.epochs), len(self.layers)):
            raise ValueError(
                f"layer statistic {self.name!r}: values {self.values.shape} must be epochs x layers "
                f"{(len(self.epochs), len(self.layers))}"
            )


#: The per-layer statistics that a log may carry as columns ``<statistic>/<layer>``.
LAYER_STATISTICS = (
    "grad_norm",
    "grad_norm_max",
    "weight_norm",
    "update_ratio",
    "dead_fraction",
    "saturated_fraction",
    "duplicate_fraction",
)

#: Metrics in the order in which one is taken as the run's own, where several were logged.
METRIC_PREFERENCE = (
    "accuracy", "top1_accuracy", "f1", "auc", "map50_95", "map50", "map", "dice", "iou", "balanced_accuracy",
    "precision", "recall", "r2", "reward", "mcc", "kappa", "psnr", "ssim", "bleu", "mae", "rmse", "mse", "mape",
    "top5_accuracy", "error", "pixel_accuracy", "pr_auc", "specificity", "correlation", "cosine_similarity", "rouge",
    "exact_match", "ndcg", "score", "perplexity", "wer", "cer", "eer", "msle", "crossentropy", "huber", "hinge",
    "hausdorff", "fid",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Which of the trainings in one file this is: the `index`-th (from 1) `of` so many."""

    index: int
    of: int
    label: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """One training run, frozen.

    Parameters
    ----------
    source
        The file or URI that it was read from, as the user named it.
    format
        The reader that understood it, for example ``keras-csv``.
    series
        Every curve of the log, in its order.
    layers
        Layer statistics by name (see `LAYER_STATISTICS`).
    config
        What is known of the set-up (``run.json``): classes, samples, batch_size, loss, optimizer ...
    axis
        What `Series.epochs` counts: ``epoch`` or ``step``.
    part
        Set where one file holds several trainings.
    restarts
        Epochs at which a training was taken up again and went on from where it was.
    notes
        What the reader had to do to understand the log, one sentence each, for the reader of the report.
    epoch_count
        How many epochs were trained, where the axis does not tell.
    model
        The model as it was made, where that could be seen.
    data
        A sample of what it is trained on, where that could be seen.
    dry_run
        What one batch, forward and backward, has told before the training.
    is_planned
        Whether nothing has been trained: there is a model, or data, and no log.
    """

    source: str
    format: str
    series: tuple[Series, ...] = ()
    layers: Mapping[str, LayerStatistic] = field(default_factory=lambda: MappingProxyType({}))
    config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    axis: str = "epoch"
    part: Part | None = None
    restarts: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    epoch_count: int | None = None
    model: Blueprint | None = None
    data: DataSample | None = None
    dry_run: DryRun | None = None
    is_planned: bool = False

    @property
    def families(self) -> tuple[str, ...]:
        """The families of checks that have something to look at."""
        return tuple(
            family
            for family, is_there in (
                ("curves", not self.is_planned),
                ("layers", not self.is_planned),
                ("model", self.model is not None),
                ("data", self.data is not None),
            )
            if is_there
        )

    @property
    def epochs(self) -> int:
        """The number of epochs (points of the longest curve where the log does not count epochs)."""
        if self.epoch_count is not None:
            return self.epoch_count
        return max((len(s) for s in self.series), default=0)

    @property
    def title(self) -> str:
        """The source, with the part where a file holds several trainings."""
        if self.part is None:
            return self.source
        label = self.part.label or f"{self.part.index}/{self.part.of}"
        return f"{self.source} [{label}]"

    def find(self, quantity: str, split: Split = Split.TRAIN, output: str = "") -> Series | None:
        """Return the curve of a quantity on a split, or None where it was not logged."""
        for series in self.series:
            if series.quantity == quantity and series.split == split and series.output == output:
                return series
        return None

    def get(self, role: str) -> Series | None:
        """Return the curve in a role that checks can ask for.

        Roles are ``loss``, ``val_loss``, ``metric``, ``val_metric``, ``test_metric``, ``learning_rate`` and any
        quantity, with ``val_`` or ``test_`` before it. ``metric`` is the run's main metric: the first of
        `METRIC_PREFERENCE` that was logged on both sides, else on that side.
        """
        if role not in self._asked:
            split, quantity = split_role(role)
            self._asked[role] = self._main_metric(split) if quantity == "metric" else self.find(quantity, split)
        return self._asked[role]

    @cached_property
    def _asked(self) -> dict[str, Series | None]:
        """The curves of the roles asked for so far: thirty checks ask for the same five."""
        return {}

    def _main_metric(self, split: Split) -> Series | None:
        logged = [s for s in self.series if s.quantity in METRIC_PREFERENCE and not s.output]
        both = {s.quantity for s in logged if s.split == Split.TRAIN} & {
            s.quantity for s in logged if s.split == Split.VALIDATION
        }
        on_split = [s for s in logged if s.split == split]
        return min(
            on_split,
            key=lambda s: (s.quantity not in both, METRIC_PREFERENCE.index(s.quantity)),
            default=None,
        )

    def pairs(self) -> Iterator[tuple[Series, Series]]:
        """Yield (training curve, validation curve) of each quantity and output logged on both."""
        validation = {(s.quantity, s.output): s for s in self.series if s.split == Split.VALIDATION}
        for series in self.series:
            if series.split == Split.TRAIN and series.direction is not None:
                partner = validation.get((series.quantity, series.output))
                if partner is not None:
                    yield series, partner

    def to_frame(self) -> pd.DataFrame:
        """Return the log as a pandas frame: one row per epoch, the log's own column names."""
        import pandas as pd

        columns: dict[str, pd.Series] = {s.name: pd.Series(s.values, index=s.epochs, name=s.name) for s in self.series}
        for statistic in self.layers.values():
            for i, layer in enumerate(statistic.layers):
                columns[f"{statistic.name}/{layer}"] = pd.Series(statistic.values[:, i], index=statistic.epochs)
        frame = pd.DataFrame(columns)
        frame.index.name = self.axis
        return frame


def split_role(role: str) -> tuple[Split, str]:
    """Return the split and quantity of a role name: ``val_loss`` is (validation, loss)."""
    if role.startswith("val_"):
        return Split.VALIDATION, role[4:]
    if role.startswith("test_"):
        return Split.TEST, role[5:]
    return Split.TRAIN, role
