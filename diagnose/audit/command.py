"""What the command ``diagnose`` does with models and data: each model with the data, errors one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from diagnose import console
from diagnose.analyze import Selection, analyze
from diagnose.audit import audit, of_loaded, sampled
from diagnose.audit.quiet import import_tensorflow
from diagnose.command_line import internal
from diagnose.readers.base import ReadError
from diagnose.report import Report, RunReport, SourceError
from diagnose.run import Run
from diagnose.sample import DataSample

if TYPE_CHECKING:
    from diagnose.audit.loading import Loaded

#: The setting that ``--target`` is.
_TARGET = "data.target"


@dataclass(frozen=True)
class Asked:
    """The options of the command line, as `diagnose.audit.audit` has them.

    Parameters
    ----------
    data, target, batch_size, dry_run
        What to look at.
    fix
        Whether to mend what is safe and mechanical.
    differences
        Gets what would have to be changed in source files.
    """

    data: str | None = None
    target: str | None = None
    batch_size: int | None = None
    dry_run: bool = False
    fix: bool = False
    differences: list[str] = field(default_factory=list)


def audit_all(sources: Sequence[str], asked: Asked, selection: Selection) -> Report:
    """Return the report of every model, with the data; of the data alone where there is no model."""
    runs: list[RunReport] = []
    errors: list[SourceError] = []
    try:
        data = sampled(asked.data, {_TARGET: asked.target} if asked.target is not None else {})
    except ReadError as error:
        # The openers speak of settings, as `tune` has them.
        return Report((), (SourceError(str(asked.data), str(error).replace(_TARGET, "--target")),))
    if not sources:
        return Report((analyze(audit(data=data), selection),))
    progress = console.Progress(len(sources))
    for number, source in enumerate(sources, 1):
        progress.step(number, source)
        try:
            runs.append(_audited(source, data, asked, selection))
        except ReadError as error:
            errors.append(SourceError(source, str(error)))
        except Exception as error:  # the others are still to be reported
            errors.append(SourceError(source, internal(error)))
    progress.clear()
    return Report(tuple(runs), tuple(errors))


def _audited(source: str, data: DataSample | None, asked: Asked, selection: Selection) -> RunReport:
    import_tensorflow()
    import keras

    from diagnose.audit.loading import load

    keras.utils.clear_session()  # the layers are called as if the model were the first of its process

    def look(model: Loaded) -> Run:
        return of_loaded(model, data, batch_size=asked.batch_size, dry_run=asked.dry_run)

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
