"""The Python interface: ``diagnose(source) -> Report``, and what the command line shares with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diagnose.analyze import Selection, analyze
from diagnose.readers import read, read_object
from diagnose.readers.base import ReadError
from diagnose.readers.sources import Found, resolve
from diagnose.report import Report, SourceError, merge
from diagnose.run import Run


def diagnose(
    source: Any = None,
    *,
    data: Any = None,
    batch_size: int | None = None,
    dry_run: bool = False,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    options: Mapping[str, Mapping[str, float]] | None = None,
    roles: Mapping[str, str] | None = None,
) -> Report:
    """Diagnose a training run, or several, or what is going to be trained.

    Parameters
    ----------
    source
        A path or URI as on the command line, a Keras ``History``, a dict of lists, a pandas DataFrame,
        a `Run`, or a list of any of these; or a Keras model before its training.
    data
        What the model is going to be trained on, as it goes into ``fit``: ``(x, y)``, a ``tf.data.Dataset``, a
        ``PyDataset``, a DataFrame, or a mapping of ``train``, ``validation`` and ``test`` to such. `source` is a model
        then, or left out.
    batch_size
        That the model is going to be trained with.
    dry_run
        Whether to compute one batch of the model, forward and backward; takes seconds.
    select, ignore
        Ids or families of checks to run, and to leave out; all run by default.
    options
        Thresholds other than the defaults: check id -> option -> number.
    roles
        What columns mean where their names do not tell: column name -> role.

    Returns
    -------
    Report
        One entry in ``runs`` for each run; a notebook shows it as HTML.

    Raises
    ------
    ReadError
        Where the one source given cannot be read. Of a list or a folder the others are still diagnosed,
        and the unreadable ones are in ``Report.errors``.
    ValueError
        Where a check, an option or a role is not known.

    Examples
    --------
    >>> from diagnose import diagnose
    >>> report = diagnose({"loss": [0.9, 0.5, float("nan")]})
    >>> report.runs[0].findings[0].check
    'nan-loss'
    """
    selection = Selection.of(select, ignore, options)
    roles = check_roles(roles or {})
    if data is not None or dry_run or batch_size is not None:
        return audit_source(source, selection, data=data, batch_size=batch_size, dry_run=dry_run)
    if isinstance(source, list | tuple):
        return merge([_tolerant(one, selection, roles) for one in source])
    return _diagnose(source, selection, roles)


def diagnose_source(
    source: str,
    selection: Selection,
    roles: Mapping[str, str],
    *,
    live: bool = False,
) -> Report:
    """Read one source, as `resolve` names it, and diagnose its runs; `live` while the training goes on."""
    return Report(runs=tuple(analyze(run, selection, live=live) for run in read(source, roles)))


def audit_source(source: Any, selection: Selection, **asked: Any) -> Report:
    """Look at a model, at data, or at both before the training, as `diagnose.audit.audit` is asked to."""
    from diagnose.audit import audit

    return Report(runs=(analyze(audit(source, **asked), selection),))


def expand_all(arguments: Sequence[str]) -> tuple[list[str], list[SourceError]]:
    """Return the sources that the arguments stand for, each once, and the arguments that stand for none or for more."""
    sources: dict[str, str] = {}
    errors: list[SourceError] = []
    for argument in arguments:
        try:
            found = resolve(argument)
            for source in found.sources:
                sources.setdefault(_identity(source), source)
            errors += _shortfall(argument, found)
        except ReadError as error:
            errors.append(SourceError(argument, str(error)))
    return list(sources.values()), errors


def check_roles(roles: Mapping[str, str]) -> Mapping[str, str]:
    """Return the roles; raise ValueError, naming the column, where one is no role."""
    if roles:
        from diagnose.readers.columns import parse_role

        for column, role in roles.items():
            try:
                parse_role(role)
            except ValueError as error:
                raise ValueError(f"role of column {column!r}: {error}") from error
    return roles


def _diagnose(source: Any, selection: Selection, roles: Mapping[str, str]) -> Report:
    if isinstance(source, Run):
        return Report(runs=(analyze(source, selection),))
    if not isinstance(source, str | os.PathLike):
        return Report(runs=tuple(analyze(run, selection) for run in read_object(source, roles)))
    argument = os.fspath(source)
    found = resolve(argument)
    if [_identity(f) for f in found.sources] == [_identity(argument)]:
        return diagnose_source(argument, selection, roles)
    reports = [_tolerant(one, selection, roles) for one in found.sources]
    return merge([*reports, Report(runs=(), errors=_shortfall(argument, found))])


def _shortfall(argument: str, found: Found) -> tuple[SourceError, ...]:
    """Return the error for a folder that was not searched whole: what was not looked at is not fine."""
    return (SourceError(argument, found.shortfall),) if found.shortfall else ()


def _tolerant(source: Any, selection: Selection, roles: Mapping[str, str]) -> Report:
    try:
        return _diagnose(source, selection, roles)
    except ReadError as error:
        name = os.fspath(source) if isinstance(source, str | os.PathLike) else type(source).__name__
        return Report(runs=(), errors=(SourceError(name, str(error)),))


def _identity(source: str) -> str:
    """What makes two spellings of a path one file; a URI is itself."""
    return str(Path(source).resolve()) if os.path.exists(source) else source
