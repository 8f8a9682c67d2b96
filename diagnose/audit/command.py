"""What the command ``diagnose`` does with a model that it is asked more of than what is found in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from diagnose import console
from diagnose.analyze import Selection, analyze
from diagnose.audit import of_loaded, sampled
from diagnose.audit.quiet import keras_imported
from diagnose.readers.base import ReadError
from diagnose.report import RunReport
from diagnose.run import Run
from diagnose.sample import DataSample

if TYPE_CHECKING:
    from diagnose.audit.loading import Loaded

#: The setting that ``--target`` is.
_TARGET = "data.target"


@dataclass(frozen=True)
class Asked:
    """What is asked of each model; all but the last two are as `diagnose.audit.audit` has them.

    Parameters
    ----------
    data, batch_size, dry_run
        What to look at.
    fix
        Whether to mend what is safe and mechanical.
    differences
        Gets what would have to be changed in source files.
    """

    data: DataSample | None = None
    batch_size: int | None = None
    dry_run: bool = False
    fix: bool = False
    differences: list[str] = field(default_factory=list)


def sample_of(data: str | None, target: str | None) -> DataSample | None:
    """Return a sample of what ``--data`` names.

    Raises
    ------
    ReadError
        It cannot be read.
    """
    try:
        return sampled(data, {_TARGET: target} if target is not None else {})
    except ReadError as error:  # the openers speak of settings, as `tune` has them
        raise ReadError(str(error).replace(_TARGET, "--target")) from error


def report_on(source: str, asked: Asked, selection: Selection) -> RunReport:
    """Return what is found in a model, and mend it where that is asked for.

    Raises
    ------
    ReadError
        It cannot be loaded, or Keras is not installed.
    """
    with keras_imported():
        return _report_on(source, asked, selection)


def _report_on(source: str, asked: Asked, selection: Selection) -> RunReport:
    from diagnose.audit.loading import load

    def look(model: Loaded) -> Run:
        return of_loaded(model, asked.data, batch_size=asked.batch_size, dry_run=asked.dry_run)

    loaded = load(source)
    report = analyze(look(loaded), selection)
    if asked.fix:
        from diagnose.audit.fixing import mend

        try:
            mended = mend(loaded, report, look)
        except (ReadError, OSError) as error:  # the report is there nevertheless
            console.complain(f"{source}: {error}")
            return report
        for line in mended.lines:
            console.complain(f"{source}: {line}")
        if mended.difference:
            asked.differences.append(mended.difference)
    return report
