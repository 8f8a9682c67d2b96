"""Labels are not the numbers that the loss and the output can meet.

What it detects
---------------
Class labels that are negative, numbered from 1, have gaps, lie beyond the output units or are no whole numbers; rows
for cross-entropy that do not sum to 1; labels outside of 0 to 1 (such as -1 and 1) for binary cross-entropy; targets
that the output's activation cannot reach; texts in place of numbers; one label for all samples; regression targets of
thousands.

How it is detected
------------------
All labels of the sample are held against the loss and the output of the model that they belong to. A share of
`unreachable` of the targets must lie outside of the output's bounds, and a row's sum must be `row_sum` off. Without a
model only what is wrong with every loss is told: texts, and numbers from 1 to K without a gap. One label for all needs
`fewest` samples. Targets below 0 do not go with a logarithmic or a Poisson loss, and targets of 0 not with a percentage
(`unreachable` of them). Targets with a root mean square of `target_size` or more are a `warning` for squared and
absolute errors, an `info` where the loss is not known. Labels of a raw table or folder are encoded before and not
looked at, but for being all the same. NaN is told by non-finite-inputs.

Why it matters
--------------
Cross-entropy becomes NaN or negative, or silently learns nothing of some classes: on a GPU a label beyond the units
raises no error.

How to fix
----------
Number the classes from 0 to K - 1; choose output and loss by what the labels are; standardize large targets.

References
----------
Keras API: SparseCategoricalCrossentropy (labels are integers in [0, K)), BinaryCrossentropy (labels are 0 or 1).
Goodfellow, Bengio, Courville, Deep Learning (2016), section 6.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.blueprint import Curve, Output
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Fix
from diagnose.measures.encoding import is_numeric
from diagnose.measures.labels import Kind, Labels, labels_of, output_of
from diagnose.measures.losses import Family, family_of
from diagnose.remedies import data as remedies
from diagnose.remedies import model as model_remedies
from diagnose.run import FloatArray, Run, Split
from diagnose.sample import Array, DataSample

CHECK = Check(
    needs=Needs(before=("data", "labels")), fault=Fault.DATA, explains=("nan-loss", "impossible-loss", "not-learning")
)

_MOST = 1_000_000
_SCALES_OUTPUT = frozenset({"Rescaling", "Lambda", "Normalization"})


#: Losses for targets from 0 on -> what they do to others.
_NOT_NEGATIVE = {
    "mean_squared_logarithmic_error": "cuts them off at 0 before it takes the logarithm",
    "poisson": "is the likelihood of counts: it has no lower end for them",
}
#: Divides by the target, or by 1e-7 where that is smaller.
_RELATIVE = "mean_absolute_percentage_error"


@dataclass(frozen=True)
class Options:
    """Thresholds of label-range."""

    unreachable: float = threshold(
        0.01, unit="share", source="single outliers cost little", help="targets outside of the output's bounds"
    )
    row_sum: float = threshold(
        0.01, unit="", source="float16 rounds sums of 1000 shares by less", help="distance of a row's sum from 1"
    )
    fewest: float = threshold(
        10.0,
        unit="samples",
        source="2^-9: ten samples of two even classes are alike so rarely",
        help="all of one label",
    )
    target_size: float = threshold(
        1000.0,
        unit="",
        source="an output of size 1 is a million times smaller in squared error",
        help="root mean square of regression targets",
    )


@dataclass(frozen=True)
class _Case:
    """Labels of one output in one split."""

    name: str
    split: Split
    values: FloatArray
    output: Output | None

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.output.layer,) if self.output is not None else ()


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding for each output: the first that holds."""
    data = run.data
    if data is None:
        return
    kinds = {labels.name: labels for labels in labels_of(run)}
    for name, array in data.training.labels.items():
        if not array.ndim:
            continue
        found = _of_output(run, data, name, array, kinds.get(name), options)
        yield from (each for _, each in zip(range(1), found, strict=False))


def _of_output(
    run: Run, data: DataSample, name: str, array: Array, labels: Labels | None, options: Options
) -> Iterator[Finding]:
    output = output_of(run.model, name, data)
    if output is not None and output.loss is None:
        output = None
    if output is not None and output.loss is not None and output.loss.is_custom:
        return  # what it makes of the labels nobody knows
    if labels is not None:
        yield from _constant(labels, output, options)
    if data.is_raw:
        return
    if not is_numeric(array):
        if array.size and array.dtype.kind in "OUS":
            yield _text(name, array, output)
        return
    for split, sample in data.splits.items():
        given = sample.labels.get(name)
        if given is None or not given.ndim or not given.size or not is_numeric(given):
            continue
        values = given[: max(1, _MOST // max(1, given[:1].size))].astype(np.float64)
        if np.isfinite(values).any():
            yield from _numbers(_Case(name, split, values, output), run, labels, options)


def _numbers(case: _Case, run: Run, labels: Labels | None, options: Options) -> Iterator[Finding]:
    family = family_of(case.output.loss) if case.output is not None else None
    if family is Family.SPARSE:
        yield from _classes(case, options)
    elif family is Family.CATEGORICAL:
        yield from _rows(case, options)
    elif family is Family.BINARY:
        yield from _binary(case)
    elif family is Family.REGRESSION:
        yield from _outside_of_loss(case, options)
        yield from _unreachable(case, options)
        yield from _large(case, run, options)
    elif case.output is None and case.split is Split.TRAIN and labels is not None:
        yield from _without_model(case, labels, options)


def _constant(labels: Labels, output: Output | None, options: Options) -> Iterator[Finding]:
    values = labels.training
    if labels.kind not in (Kind.CLASSES, Kind.REGRESSION) or len(values) < options.fewest:
        return
    if values.ndim > 1 and values.shape[1] > 1:
        return
    value = values.ravel()[0]
    if value != value or value == "" or not bool((values == value).all()):
        return
    yield Finding(
        severity=Severity.CRITICAL,
        confidence=0.9,
        summary=(
            f"All {len(values)} training labels of {labels.name!r} are {str(value)[:40]}: there is nothing to learn."
        ),
        layers=(output.layer,) if output is not None else (),
        evidence=(_compared("different labels", 1.0, 2.0, "samples", float(len(values)), "different", 1.0),),
        fixes=(remedies.check_labels(), remedies.resample_validation()),
    )


def _text(name: str, array: Array, output: Output | None) -> Finding:
    cells = [str(each) for each in array.ravel()[:10_000].tolist()]
    names = sorted(set(cells))
    return Finding(
        severity=Severity.CRITICAL,
        confidence=0.9,
        summary=(
            f"The labels {name!r} are text ({', '.join(names[:3])[:80]}{' ...' if len(names) > 3 else ''}): fit takes "
            f"numbers, here from 0 to {len(names) - 1}."
        ),
        layers=(output.layer,) if output is not None else (),
        evidence=(_compared("labels that are text", float(len(cells)), 1.0, "texts", float(len(cells)),
                            "different", float(len(names))),),
        fixes=(remedies.fix_label_range(),),
    )  # fmt: skip


def _classes(case: _Case, options: Options) -> Iterator[Finding]:
    """Whole numbers from 0 to K - 1."""
    output, values = case.output, case.values
    if output is None:
        return
    units, loss = output.units, output.loss
    ignored = loss.settings.get("ignore_class") if loss is not None else None
    if values.ndim > 1 and values.shape[-1] > 1 and values.ndim == len(output.shape):
        return  # rows: that the loss is not for them is told elsewhere
    values = values[np.isfinite(values)]
    if ignored is not None:
        values = values[values != ignored]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    broken = float((values != np.floor(values)).mean())
    if broken:
        yield _finding(
            case, f"{100 * broken:.0f} % are no whole numbers, and the loss takes numbers of classes", broken, 0.0,
            (remedies.fix_label_range(), model_remedies.match_output_to_loss()),
        )  # fmt: skip
    elif low < 0:
        yield _finding(
            case, f"the least is {low:g}, and the loss takes classes from 0 on", low, 0.0, (remedies.fix_label_range(),)
        )
    elif units is not None and units > 1 and high >= units:
        classes = len(np.unique(values))
        if classes <= units or low > 0:  # else they are classes without units, which is told as such
            yield _finding(
                case,
                f"they are {low:g} to {high:g} ({classes} classes), and {units} units take 0 to {units - 1}",
                high, units - 1.0, (remedies.fix_label_range(), model_remedies.match_output_to_loss()),
            )  # fmt: skip
    elif case.split is Split.TRAIN:
        yield from _gaps(case, values, options)


def _gaps(case: _Case, values: FloatArray, options: Options) -> Iterator[Finding]:
    """Numbers between the least and the largest that no sample has, though each other has several."""
    present, counts = np.unique(values, return_counts=True)
    unused = int(values.max()) + 1 - len(present)
    if unused and len(values) >= options.fewest * (len(present) + unused) and counts.min() > 1:
        yield _finding(
            case, f"{unused} of the numbers from 0 to {values.max():g} do not occur: their units learn to be silent",
            float(unused), 0.0, (remedies.fix_label_range(),), Severity.INFO,
        )  # fmt: skip


def _rows(case: _Case, options: Options) -> Iterator[Finding]:
    """Rows of shares that sum to 1."""
    values = case.values
    if values.ndim < 2 or values.shape[-1] < 2:
        return
    rows = values.reshape(-1, values.shape[-1])
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return
    sums = rows.sum(axis=1)
    off = float((np.abs(sums - 1) > options.row_sum).mean())
    if float(rows.min()) < 0:
        yield _finding(case, f"the least is {rows.min():g}, and shares are 0 to 1", float(rows.min()), 0.0,
                       (model_remedies.match_output_to_loss(),))  # fmt: skip
    elif off > options.row_sum:
        yield _finding(
            case,
            f"{100 * off:.0f} % of the rows do not sum to 1 (sums from {sums.min():.3g} to {sums.max():.3g}), as "
            "categorical cross-entropy takes them: where several labels hold, use sigmoid units with the binary form",
            off, options.row_sum, (model_remedies.match_output_to_loss(),),
        )  # fmt: skip


def _binary(case: _Case) -> Iterator[Finding]:
    """Numbers from 0 to 1."""
    values = case.values[np.isfinite(case.values)]
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        yield _finding(
            case, f"they lie between {low:g} and {high:g}, and binary cross-entropy takes 0 to 1: it becomes negative",
            high if high > 1 else low, 1.0 if high > 1 else 0.0,
            (remedies.fix_label_range(), model_remedies.match_output_to_loss()),
        )  # fmt: skip


def _unreachable(case: _Case, options: Options) -> Iterator[Finding]:
    """Targets within the bounds of the output."""
    activation = case.output.activation if case.output is not None else None
    if activation is None or activation.curve in (Curve.UNKNOWN, Curve.LINEAR, Curve.OTHER):
        return
    values = case.values[np.isfinite(case.values)]
    low = -np.inf if activation.low is None else activation.low
    high = np.inf if activation.high is None else activation.high
    outside = float(((values < low - options.row_sum) | (values > high + options.row_sum)).mean())
    if outside > options.unreachable:
        yield _finding(
            case,
            f"{100 * outside:.0f} % lie where {activation.name} ({low:.3g} to {high:.3g}) never gets: they are "
            f"{values.min():.4g} to {values.max():.4g}",
            outside, options.unreachable, (model_remedies.match_output_to_loss(), remedies.scale_targets()),
        )  # fmt: skip


def _outside_of_loss(case: _Case, options: Options) -> Iterator[Finding]:
    """Targets that the loss is made for."""
    loss = case.output.loss.name if case.output is not None and case.output.loss is not None else ""
    values = case.values[np.isfinite(case.values)]
    below, zeros = float((values < 0).mean()), float((values == 0).mean())
    if loss in _NOT_NEGATIVE and below > options.unreachable:
        yield _finding(
            case, f"{100 * below:.0f} % are below 0 (to {values.min():.4g}), and {loss} {_NOT_NEGATIVE[loss]}",
            below, options.unreachable, (model_remedies.match_output_to_loss(), remedies.scale_targets()),
        )  # fmt: skip
    elif loss == _RELATIVE and zeros > options.unreachable:
        yield _finding(
            case, f"{100 * zeros:.0f} % are 0, and {loss} divides by them: each counts ten million times as much as "
            "one of size 1", zeros, options.unreachable, (model_remedies.match_output_to_loss(),), Severity.WARNING,
        )  # fmt: skip


def _large(case: _Case, run: Run, options: Options) -> Iterator[Finding]:
    """Targets of a size that a fresh output can give."""
    if case.output is None or run.model is None or case.split is not Split.TRAIN:
        return
    layer = run.model.by_name.get(case.output.layer)
    loss = case.output.loss.name if case.output.loss is not None else ""
    is_relative = "percentage" in loss or "logarithmic" in loss or loss == "poisson"
    if layer is None or layer.is_custom or layer.kind in _SCALES_OUTPUT or is_relative:
        return
    yield from _of_size(case, Severity.WARNING, options)


def _of_size(case: _Case, severity: Severity, options: Options) -> Iterator[Finding]:
    values = np.clip(case.values[np.isfinite(case.values)], -1e100, 1e100)
    size = float(np.sqrt(np.mean(values**2)))
    if size >= options.target_size:
        yield _finding(
            case, f"their root mean square is {size:.3g}, and a new output gives numbers of about 1", size,
            options.target_size, (remedies.scale_targets(),), severity,
        )  # fmt: skip


def _without_model(case: _Case, labels: Labels, options: Options) -> Iterator[Finding]:
    values = case.values[np.isfinite(case.values)]
    if labels.kind is Kind.REGRESSION:
        yield from _of_size(case, Severity.INFO, options)
    elif labels.kind is Kind.CLASSES and case.values[:1].size == 1:
        present = np.unique(values)
        is_counted = len(present) > 1 and np.array_equal(present, np.arange(1, len(present) + 1))
        if is_counted and len(values) >= options.fewest * len(present):
            yield _finding(
                case, f"they are numbered from 1 to {len(present)}, and Keras counts classes from 0", 1.0, 0.0,
                (remedies.fix_label_range(),), confidence=0.6, severity=Severity.WARNING,
            )  # fmt: skip


def _finding(
    case: _Case,
    text: str,
    value: float,
    limit: float,
    fixes: tuple[Fix, ...],
    severity: Severity = Severity.CRITICAL,
    confidence: float = 0.95,
) -> Finding:
    finite = case.values[np.isfinite(case.values)]
    label = f"labels of {case.name} ({case.split})"
    return Finding(
        severity=severity,
        confidence=confidence,
        summary=f"The {case.split} labels {case.name!r} do not fit: {text}.",
        layers=case.layers,
        evidence=(_compared(label, value, limit, "least", float(finite.min()), "largest", float(finite.max())),),
        fixes=fixes,
    )


def _compared(
    label: str, value: float, limit: float, left_name: str, left: float, right_name: str, right: float
) -> Comparison:
    return Comparison(
        label=label, value=value, threshold=limit, left_name=left_name, left=left, right_name=right_name, right=right
    )
