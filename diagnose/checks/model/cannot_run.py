"""The model, or its loss, cannot be computed on one batch of the data.

What it detects
---------------
A batch that does not go through: inputs of another shape than the model takes, labels that do not fit the outputs,
labels beyond the classes, layers or losses that raise.

How it is detected
------------------
One batch of the very data is put through the model and its loss, numbers first and then, where code of your own takes
part, symbols, as ``fit`` does it. Whatever is raised is the finding, ``critical``; so it is, even without a dry run,
where the data cannot build a model that is not built yet. Where there is no data and inputs were drawn at random the
drawn values may be to blame, and where nothing could be tried at all (the model is not built, its inputs are not known)
nothing is wrong yet: both are ``info``.

Why it matters
--------------
Training would end with the same error, or, on a GPU that does not look at label ranges, go on with NaN.

How to fix
----------
Compare the shapes of inputs, outputs and labels of one batch, and let output layer and loss fit the labels.

References
----------
Karpathy, A Recipe for Training Neural Networks (2019): become one with the data, verify loss at init.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import DryRun
from diagnose.check import Check, Fault, Needs
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Fix
from diagnose.remedies import data, model, training
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("dry_run",)), fault=Fault.STUCK)

_LONGEST = 220
#: Numbers of an array that a reason has in it; a shape has fewer.
_NUMBERS = re.compile(r"-?\d[\d.e+-]*(?:[\s,\[\]]+-?\d[\d.e+-]*){7,}")
_FEW = 3


@dataclass(frozen=True)
class Options:
    """Cannot-run has no thresholds."""


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding where the dry run has failed."""
    tried = run.dry_run
    if tried is None or not tried.failed:
        return
    is_sure = tried.samples > 0 and not tried.is_made_up
    yield Finding(
        severity=Severity.CRITICAL if is_sure else Severity.INFO,
        confidence=0.99 if is_sure else 0.5,
        summary=f"{_what(tried)}: {_reason(tried.failed)}.",
        evidence=(
            Comparison(
                label="batches that went through",
                value=0.0,
                threshold=1.0,
                left_name="tried",
                left=float(tried.samples > 0),
                right_name="went through",
                right=0.0,
            ),
        ),
        fixes=_fixes(),
    )


def _what(tried: DryRun) -> str:
    if not tried.samples:
        return "No batch could be tried"
    kind = "made-up samples" if tried.is_made_up else "samples of the data"
    return f"A batch of {tried.samples} {kind} does not go through model and loss"


def _reason(text: str) -> str:
    text = _NUMBERS.sub(lambda found: " ".join(re.split(r"[\s,\[\]]+", found[0])[:_FEW]) + " …", text)
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _fixes() -> tuple[Fix, ...]:
    return training.try_one_batch(), model.match_output_to_loss(), data.fix_label_range()
