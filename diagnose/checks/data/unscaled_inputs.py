"""The inputs are far from the scale that a network starts with.

What it detects
---------------
Pixels from 0 to 255 given straight to the first layer, or divided by 255 twice; features whose spread is far from 1,
features of very different scales (an income beside an age), values far from zero compared with their spread, a number
that stands for a missing value (-999), and, as a note, features with long tails or that never change.

How it is detected
------------------
Mean and standard deviation of each column of the training sample (its tails drawn in to five interquartile ranges),
after a Rescaling that the model begins with. The spread of a column must not exceed `largest_spread`, and not all may
lie under `smallest_spread`, nor all pixels within `darkest`, or within 1/255 where they are the columns of a table. The
widest must not be `scale_ratio` times the narrowest; a mean must not be more than `offset` deviations (and more than 1)
from zero. Columns that are mostly one value (one-hot columns, counts of rare words) do not count. Columns that never
change are not told of where they may be the margin of square pictures. A column whose farthest value is `tail`
interquartile ranges from the middle has long tails. A number that several samples of a table share, `code`
interquartile ranges from the middle and nearly as far from every other, stands for something missing, but behind a
Masking. Where the model begins with a normalization, an embedding, or something unknown, nothing is said; pixels with
the mean taken off, as several backbones expect them, are fine. It is a `warning` where the arrays go into ``fit`` as
they are or the model is known, else an `info`.

Why it matters
--------------
Initializers are made for inputs of size 1. Larger ones saturate units and blow gradients up; where scales differ, one
learning rate cannot fit all directions, and the small features are learned last.

How to fix
----------
Normalize with statistics of the training data, in the model or before it.

References
----------
LeCun, Bottou, Orr, Müller, Efficient BackProp (1998), section 4.3. Glorot and Bengio, Understanding the difficulty of
training deep feedforward neural networks (2010).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.input_scale import FEWEST_PIXELS, Reception, Scale, is_normalized_next, reception, scale_of
from diagnose.remedies import data as remedies
from diagnose.run import BoolArray, FloatArray, Run

#: The brightest of pixels from 0 to 255 that were divided by that twice, with its rounding.
_GREY_LEVEL = 1.01 / 255

CHECK = Check(
    needs=Needs(before=("data",)),
    fault=Fault.DATA,
    explains=("divergence", "not-learning", "exploding-gradient", "saturated-activation", "learning-rate-too-high"),
)


@dataclass(frozen=True)
class Options:
    """Thresholds of unscaled-inputs."""

    largest_spread: float = threshold(
        10.0, unit="", source="an order of magnitude over LeCun et al. 1998", help="standard deviation of a column"
    )
    smallest_spread: float = threshold(
        1e-3, unit="", source="three orders of magnitude under LeCun et al. 1998", help="of the widest column"
    )
    darkest: float = threshold(
        0.02,
        unit="",
        source="five of 255 grey levels; of pixels divided by 255 twice it is 0.004",
        help="from the darkest to the brightest of all pixels",
    )
    scale_ratio: float = threshold(
        100.0,
        unit="x",
        source="a condition number of 1e4 for the squared error",
        help="spread of the widest column over that of the narrowest",
    )
    offset: float = threshold(
        10.0,
        unit="σ",
        source="a condition number of 100 for bias and weight; sound data of benchmarks/audit stay below",
        help="distance of a mean from zero",
    )
    tail: float = threshold(
        1000.0, unit="IQR", source="beyond every distribution with a variance", help="farthest value of a column"
    )
    code: float = threshold(
        20.0,
        unit="IQR",
        source="of -999 in a standardized column it is 740; one normal value in 1e150 lies as far",
        help="distance of a number that several samples share",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding each on scale, codes, constant columns and tails, for each input."""
    data = run.data
    if data is None:
        return
    for name, array in data.training.inputs.items():
        scale = scale_of(array, data.features.get(name, ()), name)
        if scale is None:
            continue
        taken = None
        if run.model is not None:
            taken = reception(run.model, name, len(data.training.inputs))
            if taken is None or not taken.is_known:
                continue
        is_certain = taken is not None or not data.is_raw
        yield from _of_scale(run, name, scale, taken, is_certain, options)
        if array.ndim == 2 and (taken is not None or not scale.is_whole_numbers):
            yield from _of_columns(name, scale, options)
        are_ids = taken is None and scale.is_whole_numbers and scale.low >= 0  # of words, cut off at the most there are
        if not are_ids and (array.ndim == 2 or (array.ndim == 3 and taken is not None and not scale.is_image)):
            yield from _of_codes(name, scale, taken, is_certain, options)


def _of_scale(
    run: Run, name: str, scale: Scale, taken: Reception | None, is_certain: bool, options: Options
) -> Iterator[Finding]:
    factor, plus = (taken.factor, taken.offset) if taken is not None else (1.0, 0.0)
    mean, spread = scale.mean * factor + plus, scale.spread * abs(factor)
    # A picture's columns are one: all its pixels. Rare values say nothing of the scale of a table.
    looked_at = (scale.is_dense if not scale.is_image else np.ones(len(mean), dtype=bool)) & (spread > 0)
    if not looked_at.any():
        return
    severity = Severity.WARNING if is_certain else Severity.INFO
    if scale.are_pixels and (factor, plus) == (1.0, 0.0):
        if taken is not None and run.model is not None and all(is_normalized_next(run.model, o) for o in taken.first):
            severity = Severity.INFO
        yield _pixels(name, scale, severity, taken, options)
        return
    if scale.are_centred_pixels:
        return
    may_be_names = scale.is_whole_numbers and scale.low >= 0 and not scale.is_image
    width = (scale.high - scale.low) * abs(factor)
    if scale.is_image:
        options = replace(options, smallest_spread=options.darkest if width <= options.darkest else 0.0)
    elif len(mean) >= FEWEST_PIXELS and scale.low >= 0 and width <= _GREY_LEVEL:
        options = replace(options, smallest_spread=_GREY_LEVEL)
    yield from _worst(name, scale.names, mean, spread, looked_at, severity, taken, options, may_be_names)


def _worst(
    name: str,
    names: tuple[str, ...],
    mean: FloatArray,
    spread: FloatArray,
    looked_at: BoolArray,
    severity: Severity,
    taken: Reception | None,
    options: Options,
    may_be_names: bool,
) -> Iterator[Finding]:
    places = np.flatnonzero(looked_at)
    widest, narrowest = places[spread[places].argmax()], places[spread[places].argmin()]
    ratio = float(spread[widest] / spread[narrowest])
    offsets = np.where(np.abs(mean) > 1, np.abs(mean), 0.0)[places] / spread[places]
    farthest = places[offsets.argmax()]
    if ratio >= options.scale_ratio:
        text = (
            f"Inputs of {name!r} differ in scale: {names[widest]} has a standard deviation of {spread[widest]:.3g}, "
            f"{names[narrowest]} one of {spread[narrowest]:.3g}, {ratio:.3g} times less."
        )
        evidence = _compared(
            "widest spread over the narrowest", ratio, options.scale_ratio, names[widest], spread[widest],
            names[narrowest], spread[narrowest], "x",
        )  # fmt: skip
    elif may_be_names and taken is None:
        return  # numbers of one scale may be words or categories: only the model would know
    elif spread[widest] >= options.largest_spread:
        text = f"Inputs of {name!r} are large: {names[widest]} has a standard deviation of {spread[widest]:.3g}, not 1."
        evidence = _compared(
            "widest spread", spread[widest], options.largest_spread, names[widest], spread[widest], "expected", 1.0
        )
    elif spread[widest] <= options.smallest_spread:
        text = f"Inputs of {name!r} are tiny: the largest standard deviation is {spread[widest]:.3g}, not 1."
        evidence = _compared(
            "widest spread", spread[widest], options.smallest_spread, names[widest], spread[widest], "expected", 1.0
        )
    elif float(offsets.max()) >= options.offset:
        text = (
            f"Inputs of {name!r} are far from zero: {names[farthest]} is {mean[farthest]:.4g} on average with a "
            f"standard deviation of {spread[farthest]:.3g}."
        )
        evidence = _compared(
            "distance of the mean from zero", float(offsets.max()), options.offset, "mean", mean[farthest],
            "standard deviation", spread[farthest], "σ",
        )  # fmt: skip
    else:
        return
    yield Finding(
        severity=severity,
        confidence=0.9 if taken is not None else 0.75,
        summary=text,
        layers=_layers(taken),
        evidence=(evidence,),
        fixes=(remedies.standardize_inputs(),),
    )


def _compared(
    label: str, value: float, limit: float, left_name: str, left: float, right_name: str, right: float, unit: str = ""
) -> Comparison:
    return Comparison(
        label=label, value=float(value), threshold=limit, unit=unit, left_name=left_name, left=float(left),
        right_name=right_name, right=float(right),
    )  # fmt: skip


def _layers(taken: Reception | None) -> tuple[str, ...]:
    return tuple(layer.name for layer in taken.first) if taken is not None else ()


def _pixels(name: str, scale: Scale, severity: Severity, taken: Reception | None, options: Options) -> Finding:
    between = f"between {scale.low:.4g} and {scale.high:.4g}"
    where = f" lie {between}" if taken is None else f", {between}, go straight into {taken.first[0].name}"
    return Finding(
        severity=severity,
        confidence=0.95 if taken is not None else 0.7,
        summary=(
            f"The pixels of {name!r}{where}, with a standard deviation of {float(scale.spread[0]):.3g}: they are "
            "not scaled."
        ),
        layers=_layers(taken),
        evidence=(
            _compared(
                "spread of the pixels", scale.spread[0], options.largest_spread, "least", scale.low, "largest",
                scale.high,
            ),
        ),
        fixes=(remedies.rescale_pixels(), remedies.standardize_inputs()),
    )  # fmt: skip


def _of_codes(
    name: str, scale: Scale, taken: Reception | None, is_certain: bool, options: Options
) -> Iterator[Finding]:
    """Numbers that stand for something missing: many samples share one that is nowhere near the others."""
    if taken is not None and taken.is_masked:
        return
    found = np.flatnonzero(scale.code_reach >= options.code)
    if not len(found):
        return
    worst = int(found[scale.code_reach[found].argmax()])
    yield Finding(
        severity=Severity.WARNING if is_certain else Severity.INFO,
        confidence=0.8,
        summary=(
            f"{100 * scale.code_share[worst]:.2g} % of the samples have {scale.code[worst]:g} in {scale.names[worst]} "
            f"of {name!r}, {scale.code_reach[worst]:.3g} interquartile ranges from the middle and far from all other "
            f"values: it seems to stand for a missing one{_more(scale, found, worst)}."
        ),
        layers=_layers(taken),
        evidence=(
            _compared(
                "distance of a number that several samples share", scale.code_reach[worst], options.code,
                scale.names[worst], scale.code[worst], "share", scale.code_share[worst], "IQR",
            ),
        ),
        fixes=(remedies.impute_missing(),),
    )  # fmt: skip


def _more(scale: Scale, found: NDArray[np.intp], worst: int) -> str:
    others = found[found != worst]
    return f" (so it does in {_few(scale, others)})" if len(others) else ""


def _of_columns(name: str, scale: Scale, options: Options) -> Iterator[Finding]:
    constant = np.flatnonzero(scale.spread == 0)
    if len(constant) and len(scale.spread) > 1 and not scale.are_flat_pictures:
        yield Finding(
            severity=Severity.INFO,
            confidence=0.95,
            summary=(
                f"{len(constant)} of {len(scale.spread)} features of {name!r} never change: {_few(scale, constant)}."
            ),
            evidence=(
                _compared(
                    "features that never change",
                    len(constant),
                    1.0,
                    "constant",
                    len(constant),
                    "all",
                    len(scale.spread),
                ),
            ),
            fixes=(remedies.drop_constant_features(),),
        )
    long = np.flatnonzero(scale.is_dense & (scale.reach >= options.tail))
    if len(long):
        farthest = int(long[scale.reach[long].argmax()])
        yield Finding(
            severity=Severity.INFO,
            confidence=0.8,
            summary=(
                f"{len(long)} features of {name!r} have long tails ({_few(scale, long)}): a value of "
                f"{scale.names[farthest]} lies {scale.reach[farthest]:.3g} interquartile ranges from the middle."
            ),
            evidence=(
                _compared(
                    "distance of the farthest value", scale.reach[farthest], options.tail, scale.names[farthest],
                    scale.reach[farthest], "usual", 5.0, "IQR",
                ),
            ),
            fixes=(remedies.compress_tails(),),
        )  # fmt: skip


def _few(scale: Scale, places: NDArray[np.intp]) -> str:
    return listed([scale.names[int(place)][:40] for place in places])
