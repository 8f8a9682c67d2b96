"""The log holds more than one training.

What it detects
---------------
A file to which several trainings were appended, or a training that was taken up again.

How it is detected
------------------
The epoch numbers fall back or the header is repeated. Where the loss goes on from where it was, the
training was resumed and is read as one; where it starts anew, each training is reported by itself.

Why it matters
--------------
Read as one curve, a restart looks like divergence.

How to fix
----------
One file for each training: a new file name, or ``CSVLogger(..., append=False)``. To resume, pass
``initial_epoch`` to ``fit``.

References
----------
Keras ``CSVLogger`` (``append``), ``Model.fit`` (``initial_epoch``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault
from diagnose.finding import Comparison, Finding, Severity
from diagnose.run import Run

CHECK = Check(live=False, fault=Fault.DATA)


@dataclass(frozen=True)
class Options:
    """No thresholds: the reader saw a restart or it did not."""


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one info where the file holds several trainings or this one was resumed."""
    # What has a name (a fold, a run of a store) was meant to be with others.
    parts = run.part.of if run.part is not None and not run.part.label else 1
    resumed = len(run.restarts)
    if parts == 1 and not resumed:
        return
    if run.part is not None and parts > 1:
        summary = f"The file holds {parts} trainings; this is part {run.part.index} of {parts}."
        count = float(parts)
    else:
        epochs = ", ".join(f"{e:g}" for e in run.restarts[:5])
        summary = f"The training was taken up again at {run.axis} {epochs}; it is read as one."
        count = float(resumed + 1)
    yield Finding(
        severity=Severity.INFO,
        confidence=0.9,
        summary=summary,
        epoch=run.restarts[0] if resumed else None,
        evidence=(
            Comparison(
                label="trainings in the file",
                value=count,
                threshold=1.0,
                left_name="found",
                left=count,
                right_name="expected",
                right=1.0,
            ),
        ),
    )
