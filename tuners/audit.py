"""The audit before a training or a search: model and data are looked at before time is spent on them; nothing is ended.

Whatever goes wrong in the audit itself is its own affair: the training goes on without it.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from diagnose.analyze import analyze
from diagnose.audit import audit
from diagnose.finding import Finding, Severity
from diagnose.live.passive import generators_put_back
from diagnose.news import line
from diagnose.report import RunReport
from diagnose.sample import DataSample, SplitSample
from recipes import building
from recipes.audit import sample_of
from recipes.catalog import find
from recipes.config import Config
from recipes.data import Data
from recipes.parts import output


class Audit:
    """Looks at the model of a training, once, and tells what is a warning or worse.

    Parameters
    ----------
    config, data
        Of the training.
    say
        Takes a line for the person in front of it.
    """

    def __init__(self, config: Config, data: Data, say: Callable[[str], None]) -> None:
        self._config, self._data, self._say = config, data, say
        #: What it has come to; None where nothing was looked at.
        self.report: RunReport | None = None

    def look(self, model: keras.Model) -> None:
        """Look at a model that is ready for its training; it stays as it is, to the last bit."""
        with _aside():
            sample = None
            with _aside():  # the model says something without data too
                sample = _encoded(sample_of(self._data), self._config, self._data)
            self.report = analyze(audit(model, sample, batch_size=self._config.data.batch_size))
            for finding in self._told:
                self._say(f"  {line(finding, self.report.run, prefix='audit')}")

    def look_at_a_copy(self) -> None:
        """Build the model that the configuration describes, look at it, and forget it."""
        with _aside(), generators_put_back():
            self.look(building.build(self._config, self._data))

    def joined(self, trained: RunReport) -> RunReport:
        """Return the report on the training with what was found before it, where a line of that was told.

        So a fault of the log names what it began with as its cause.
        """
        if self.report is None or not self._told:
            return trained
        before = self.report.run
        return analyze(replace(trained.run, model=before.model, data=before.data), audit=self.report)

    @property
    def _told(self) -> list[Finding]:
        found = self.report.findings if self.report is not None else ()
        return [finding for finding in found if finding.severity.rank >= Severity.WARNING.rank]

    def result(self) -> dict[str, Any] | None:
        """Return what is to be kept of it, ready for JSON; None where nothing was looked at."""
        if self.report is None:
            return None
        found = self.report.findings
        return {
            "verdict": self.report.verdict,
            "findings": [{"check": f.check, "severity": str(f.severity), "summary": f.summary} for f in found],
        }


@contextmanager
def _aside() -> Iterator[None]:
    """Let nothing that goes wrong meanwhile end the training; KERASDX_DEBUG shows it."""
    try:
        yield
    except Exception:
        if os.environ.get("KERASDX_DEBUG"):
            traceback.print_exc()


def _encoded(sample: DataSample, config: Config, data: Data) -> DataSample:
    """Return the sample with labels as loss and metrics take them."""
    recipe = find(config.recipe)
    encode = recipe.encode(config, data.facts) if recipe.encode else None
    classes = len(data.facts.task.names) if output.is_one_hot(config, data.facts.task) else 0

    def labels_of(split: SplitSample) -> dict[str, Any]:
        return {name: _as_taken(y, encode, classes) for name, y in split.labels.items()}

    return replace(sample, splits={name: replace(part, labels=labels_of(part)) for name, part in sample.splits.items()})


def _as_taken(y: Any, encode: Callable[[Any], Any] | None, classes: int) -> Any:
    found = np.asarray(y if encode is None else encode(y))
    return np.eye(classes, dtype=np.float32)[found] if classes and found.ndim == 1 else found
