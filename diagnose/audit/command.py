"""What the command ``diagnose`` does with models and data: each model with the data, errors one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diagnose import console
from diagnose.analyze import Selection, analyze
from diagnose.audit import audit, of_loaded, sampled
from diagnose.audit.quiet import import_tensorflow
from diagnose.command_line import internal
from diagnose.readers.base import ReadError
from diagnose.report import Report, RunReport, SourceError
from diagnose.sample import DataSample


@dataclass(frozen=True)
class Asked:
    """The options of the command line; as `diagnose.audit.audit` has them."""

    data: str | None = None
    target: str | None = None
    batch_size: int | None = None
    dry_run: bool = False
    fix: bool = False


def audit_all(sources: Sequence[str], asked: Asked, selection: Selection) -> Report:
    """Return the report of every model, with the data; of the data alone where there is no model."""
    runs: list[RunReport] = []
    errors: list[SourceError] = []
    try:
        data = sampled(asked.data, {"data.target": asked.target} if asked.target is not None else {})
    except ReadError as error:
        return Report((), (SourceError(str(asked.data), str(error)),))
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
    from diagnose.audit.loading import load

    loaded = load(source)
    report = analyze(of_loaded(loaded, data, batch_size=asked.batch_size, dry_run=asked.dry_run), selection)
    if asked.fix:
        from diagnose.audit.fixing import mend

        for line in mend(loaded, report, data, selection):
            console.complain(line)
    return report
