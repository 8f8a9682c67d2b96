"""One call of the command: what the command line and, behind it, the settings ask for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diagnose import console
from diagnose.command_line import EXIT_ERROR, EXIT_FINDINGS, EXIT_FINE
from diagnose.settings import Settings, SettingsError
from diagnose.settings import load as load_settings

if TYPE_CHECKING:
    from diagnose.analyze import Selection
    from diagnose.report import Report

_SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".md": "markdown", ".markdown": "markdown"}
MINIMUM_WIDTH = 40


class UsageError(click.ClickException):
    """Wrong usage, or a source or settings file that cannot be used."""


@dataclass(frozen=True)
class Call:
    """One call of the command: the command line over the settings.

    Parameters
    ----------
    selection, roles
        What to look for, and how columns are to be understood.
    format
        One of `FORMATS`.
    output
        The file to write; None for standard output.
    fail_on
        One of `LIMITS`.
    verbose, color, width
        As given; `width` is None where the terminal decides.
    """

    selection: Selection
    roles: Mapping[str, str]
    format: str
    output: Path | None
    fail_on: str
    verbose: bool
    color: str
    width: int | None

    def render(self, report: Report) -> str:
        """Return the report in the format of this call."""
        renderer = importlib.import_module(f"diagnose.renderers.{self.format}")
        if self.format != "terminal":
            return str(renderer.render(report))
        to_file = self.output is not None
        color = "never" if to_file and self.color == "auto" else self.color
        text = renderer.render(
            report,
            color=console.wants_color(color, sys.stdout, os.environ),
            width=self.columns,
            verbose=self.verbose,
            ascii=not to_file and console.needs_ascii(sys.stdout),
        )
        return str(text)

    @property
    def columns(self) -> int:
        """The width of the report."""
        if self.width is not None:
            return self.width
        if self.output is not None:
            return console.DEFAULT_WIDTH
        return max(console.size(sys.stdout, os.environ)[0], MINIMUM_WIDTH)

    def deliver(self, report: Report) -> None:
        """Write the report to where this call wants it; a terminal shows no report without a run."""
        self.save(report)
        if self.output is None:
            if report.runs or self.format != "terminal":
                console.write_out(self.render(report))
        elif self.output.is_file():
            console.write_out(f"wrote {console.one_line(str(self.output))}: {tally(report)}")

    def save(self, report: Report) -> None:
        """Write the output file, where the call names one."""
        if self.output is None:
            return
        try:
            console.write_file(self.output, self.render(report))
        except OSError as error:
            raise UsageError(f"--output: cannot write {str(self.output)!r}: {error.strerror}") from error

    def is_output(self, source: str) -> bool:
        """Whether a source is the file that the report goes to."""
        if self.output is None or not self.output.is_file() or not os.path.exists(source):
            return False
        return os.path.samefile(source, self.output)

    def exit_code(self, report: Report) -> int:
        """2 where a source could not be read, 1 where a finding reaches the limit, else 0."""
        if report.errors:
            return EXIT_ERROR
        return EXIT_FINDINGS if report.reaches(self.fail_on) else EXIT_FINE


def asks_for_audit(given: Mapping[str, Any]) -> bool:
    """Whether an option is given that is about what is not trained yet."""
    return any(given[name] not in (None, False) for name in ("data", "model", "target", "batch_size", "dry_run", "fix"))


def tally(report: Report) -> str:
    """Return how many runs ended with which verdict: "3 runs: 1 critical, 2 healthy"."""
    verdicts = [run.verdict for run in report.runs]
    order = ("critical", "warning", "info", "unknown", "healthy")
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in order if v in verdicts)
    text = f"{len(verdicts)} run{'s' if len(verdicts) != 1 else ''}" + (f": {counts}" if counts else "")
    return text + (f"; {len(report.errors)} unreadable" if report.errors else "")


def understand(given: Mapping[str, Any]) -> Call:
    """Return what the command line and, behind it, the settings ask for."""
    settings = _settings(given)
    output = Path(given["output"]) if given["output"] not in (None, "", "-") else None
    suffix_format = _SUFFIXES.get(output.suffix.lower()) if output else None
    call = Call(
        selection=_selection(given, settings),
        roles=_roles(given["roles"], settings),
        format=given["format"] or suffix_format or settings.format or "terminal",
        output=output,
        fail_on=given["fail_on"] or settings.fail_on or "warning",
        verbose=given["verbose"],
        color=given["color"],
        width=given["width"],
    )
    _protect_sources(given["sources"], call)
    return call


def _settings(given: Mapping[str, Any]) -> Settings:
    if given["no_settings"]:
        return Settings()
    try:
        return load_settings(Path.cwd())
    except SettingsError as error:
        raise UsageError(str(error)) from error


def _selection(given: Mapping[str, Any], settings: Settings) -> Selection:
    """Return the selection; a name that is no check is blamed on the file or on the option that has it."""
    from diagnose.analyze import Selection

    where = str(settings.path)
    _validate(Selection(select=frozenset(settings.select)), f"{where}: select")
    _validate(Selection(ignore=frozenset(settings.ignore)), f"{where}: ignore")
    _validate(Selection(options=settings.options), f"{where}: options")
    select, ignore = _split(given["select"]), _split(given["ignore"])
    thresholds = _thresholds(given["thresholds"])
    _validate(Selection(select=select), "--select")
    _validate(Selection(ignore=ignore), "--ignore")
    _validate(Selection(options=thresholds), "--set")
    return Selection(
        select=select or frozenset(settings.select),
        ignore=ignore or frozenset(settings.ignore),
        options={
            check: {**settings.options.get(check, {}), **thresholds.get(check, {})}
            for check in (*settings.options, *thresholds)
        },
    )


def _validate(selection: Selection, where: str) -> None:
    try:
        selection.validate()
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _split(lists: Sequence[str]) -> frozenset[str]:
    return frozenset(name for text in lists for name in text.replace(",", " ").split())


def _thresholds(texts: Sequence[str]) -> dict[str, dict[str, float]]:
    thresholds: dict[str, dict[str, float]] = {}
    for text in texts:
        name, _, number = text.partition("=")
        check, _, option = name.strip().partition(".")
        value = _number(number)
        if not option or value is None:
            raise UsageError(f"--set: {text!r} is not CHECK.OPTION=NUMBER, for example overfitting.rise=0.2")
        thresholds.setdefault(check, {})[option.replace("-", "_")] = value
    return thresholds


def _number(text: str) -> float | None:
    """Return a finite number, an int where it is written as one, or None."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _roles(texts: Sequence[str], settings: Settings) -> dict[str, str]:
    given: dict[str, str] = {}
    for text in texts:
        column, equals, role = text.rpartition("=")
        if not equals or not column:
            raise UsageError(f"--role: {text!r} is not COLUMN=ROLE, for example score=val_accuracy")
        given[column] = role
    from diagnose.api import check_roles

    for roles, where in ((settings.roles, f"{settings.path}: roles"), (given, "--role")):
        try:
            check_roles(roles)
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from error
    return {**settings.roles, **given}


def _protect_sources(sources: Sequence[str], call: Call) -> None:
    """Refuse to write the report over a log, or to where no file can be."""
    output = call.output
    if output is None:
        return
    if not output.parent.is_dir():
        raise UsageError(f"--output: there is no folder {str(output.parent)!r}; make it first")
    if output.is_dir():
        raise UsageError(f"--output: {str(output)!r} is a folder; name a file in it")
    if any(call.is_output(source) for source in sources):
        raise UsageError(f"--output: {str(output)!r} is one of the logs; name another file")
