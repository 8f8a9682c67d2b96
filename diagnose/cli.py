"""The command ``diagnose``: arguments -> read -> analyze -> render -> exit code.

Nothing heavy is imported before it is needed: ``--version`` and shell completion answer without NumPy.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diagnose import __version__, console, discovery
from diagnose.call import MINIMUM_WIDTH, Call, UsageError, asks_for_audit, understand
from diagnose.command_line import EXIT_ERROR, EXIT_FINE, OneLineCommand, internal
from diagnose.settings import FORMATS, LIMITS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from diagnose.report import Report
    from diagnose.watch import Display


def _complete_checks(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the last name of a comma-separated list."""
    from click.shell_completion import CompletionItem

    before, comma, last = typed.rpartition(",")
    return [CompletionItem(before + comma + name) for name in discovery.names() if name.startswith(last)]


def _complete_ids(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    return [id for id in discovery.ids() if id.startswith(typed)]


_PATH = click.Path(readable=False, path_type=str)


@click.command(
    "diagnose",
    cls=OneLineCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 unreadable source or wrong usage.",
)
@click.argument("sources", metavar="SOURCE...", nargs=-1, type=_PATH)
@click.option("--format", "-f", type=click.Choice(FORMATS), help="Form of the report.  [default: terminal]")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=_PATH,
    help="Write the report to FILE; its suffix tells the format. - is standard output.",
)
@click.option(
    "--select",
    "-s",
    metavar="NAMES",
    multiple=True,
    shell_complete=_complete_checks,
    help="Run these checks only: ids or families, comma-separated; repeatable.",
)
@click.option(
    "--ignore",
    "-i",
    metavar="NAMES",
    multiple=True,
    shell_complete=_complete_checks,
    help="Leave these checks out.",
)
@click.option(
    "--fail-on", type=click.Choice(LIMITS), help="Severity from which the exit code is 1.  [default: warning]"
)
@click.option(
    "--set",
    "thresholds",
    metavar="CHECK.OPTION=NUMBER",
    multiple=True,
    help="Change a threshold; --explain ID names them. Repeatable.",
)
@click.option(
    "--role",
    "roles",
    metavar="COLUMN=ROLE",
    multiple=True,
    help="Say what a column is, for example score=val_accuracy. Repeatable.",
)
@click.option(
    "--mlflow",
    metavar="[URI]",
    is_flag=False,
    flag_value="",
    help="Log each diagnosis to its MLflow run, or to a new one; again, it is an update.",
)
@click.option(
    "--data",
    "-d",
    metavar="DATA",
    help="Before a training: look at this data, with each SOURCE that is a model. A CSV, a folder of images, an .npz, "
    "module:function.",
)
@click.option("--model", "-m", metavar="MODEL", help="Look at this model before its training, as SOURCE does.")
@click.option("--target", metavar="COLUMN", help="The column of --data that is to be predicted.")
@click.option("--batch-size", metavar="N", type=click.IntRange(min=1), help="That the model will be trained with.")
@click.option("--dry-run", is_flag=True, help="Compute one batch of the model, forward and backward: ten seconds.")
@click.option(
    "--fix",
    is_flag=True,
    help="Mend what is safe and mechanical: write MODEL-fixed.json, or print a diff of the source file.",
)
@click.option("--watch", "-w", is_flag=True, help="Follow logs that still grow, until Ctrl-C.")
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(min=0.05),
    default=1.0,
    show_default=True,
    help="How often --watch looks.",
)
@click.option("--verbose", "-v", is_flag=True, help="Also say which checks passed and which could not look.")
@click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    show_default=True,
    help="Colour; NO_COLOR and FORCE_COLOR are heeded.",
)
@click.option("--width", metavar="COLUMNS", type=click.IntRange(min=MINIMUM_WIDTH), help="Width of the report.")
@click.option("--no-settings", is_flag=True, help="Heed no kerasdx.toml and no pyproject.toml.")
@click.option(
    "--explain",
    metavar="ID",
    shell_complete=_complete_ids,
    help="Show a check's documentation and thresholds.",
)
@click.option("--list-checks", is_flag=True, help="List every check.")
@click.option(
    "--completion", type=click.Choice(("bash", "zsh", "fish")), help="Print the completion script of a shell."
)
@click.version_option(__version__, message="kerasdx %(version)s")
@click.pass_context
def command(context: click.Context, /, **given: Any) -> int:
    """Find out why a training run went wrong.

    SOURCE is a log in nearly any form (CSV, JSON, progress-bar text, TensorBoard events), a folder that is
    searched for logs, - for standard input, or of an MLflow store mlflow:RUN_ID, mlflow:experiment/NAME,
    or mlflow: for all of it. Before a training it is a model: a .keras or .h5 file, its configuration as
    JSON, or my_model.py:build; and --data DATA is what it will be trained on.
    """
    given |= _without_source_as_store(given)
    if given["completion"]:
        return _print_completion(context.command, given["completion"])
    if given["list_checks"] or given["explain"]:
        return _document(given)
    given["sources"] = (*given["sources"], *([given["model"]] if given["model"] is not None else []))
    if not given["sources"] and given["data"] is None:
        raise click.UsageError("name a log, a folder, a model, or - for standard input; or --data")
    if "" in given["sources"]:
        raise click.UsageError("an empty name is no source; is a variable of the shell not set?")
    call = understand(given)
    if given["watch"] and given["mlflow"] is not None:
        raise click.UsageError("--watch goes without --mlflow; log the training itself with Monitor(..., mlflow=True)")
    if given["watch"] and asks_for_audit(given):
        raise click.UsageError("--watch follows logs, and goes without options for what is not trained yet")
    if given["watch"]:
        return _watch(given["sources"], call, given["interval"])
    differences: list[str] = []
    report = _audit(given, call, differences) if asks_for_audit(given) else _gather(given["sources"], call)
    call.deliver(report)
    _show_differences(differences, call)
    is_written = given["mlflow"] is None or _log_to_mlflow(report, given["mlflow"])
    code = _conclude(report, call)
    return code if is_written else EXIT_ERROR


def main() -> None:
    """Run the command: the entry point of the script ``diagnose``."""
    try:
        command.main()
    finally:
        # The interpreter's last collection would walk over all that was imported: a tenth of the time, for nothing.
        gc.freeze()


def _gather(arguments: Sequence[str], call: Call) -> Report:
    """Read and diagnose every source; what cannot be read becomes an error of the report."""
    from diagnose.api import expand_all
    from diagnose.report import Report, merge

    sources, errors = expand_all(arguments)
    sources = [s for s in sources if not call.is_output(s)]  # of an earlier call, found in a folder
    return merge([Report(runs=(), errors=tuple(errors)), _each(sources, lambda source: _diagnose(source, call))])


def _each(sources: Sequence[str], look: Callable[[str], Report]) -> Report:
    """Return what there is to report of every source; how far it is stands in the terminal meanwhile."""
    from diagnose.report import merge

    progress = console.Progress(len(sources))
    reports = []
    for number, source in enumerate(sources, 1):
        progress.step(number, source)
        reports.append(look(source))
    progress.clear()
    return merge(reports)


def _show_differences(differences: Sequence[str], call: Call) -> None:
    """Print what has to be changed in source files; beside a report for machines it goes to standard error."""
    for difference in differences:
        if call.format == "terminal" or call.output is not None:
            console.write_out(f"\n{difference}")
        elif sys.stderr is not None:
            sys.stderr.write(difference)


def _audit(given: Mapping[str, Any], call: Call, differences: list[str]) -> Report:
    """Look at models, each with the data, or at the data alone; what cannot be looked at becomes an error."""
    from diagnose.audit.command import Asked, report_on, sample_of
    from diagnose.readers.base import ReadError
    from diagnose.report import Report, SourceError

    if given["target"] is not None and given["data"] is None:
        raise click.UsageError("--target names a column of --data DATA")
    if not given["sources"]:
        only = next((name for name in ("dry_run", "fix", "batch_size") if given[name]), None)
        if only is not None:
            raise click.UsageError(f"--{only.replace('_', '-')} goes with a model: --model MODEL")
    try:
        data = sample_of(given["data"], given["target"])
    except ReadError as error:
        return Report((), (SourceError(given["data"], str(error)),))
    if not given["sources"]:
        from diagnose.api import audit_source

        return audit_source(None, call.selection, data=data)
    asked = Asked(data, given["batch_size"], given["dry_run"], given["fix"], differences)

    def look(source: str) -> Report:
        return _tolerant(source, lambda: Report((report_on(source, asked, call.selection),)))

    return _each(given["sources"], look)


def _diagnose(source: str, call: Call, *, live: bool = False) -> Report:
    from diagnose.api import diagnose_source

    if source == "-" and console.is_terminal(sys.stdin):
        console.complain("reading the log from standard input; Ctrl-D ends it")
    return _tolerant(source, lambda: diagnose_source(source, call.selection, call.roles, live=live))


def _tolerant(source: str, look: Callable[[], Report]) -> Report:
    """Return what there is to report of a source, be it why it cannot be read."""
    from diagnose.readers.base import ReadError
    from diagnose.report import Report, SourceError

    try:
        return look()
    except ReadError as error:
        return Report(runs=(), errors=(SourceError(source, str(error)),))
    except Exception as error:  # the others are still to be reported
        return Report(runs=(), errors=(SourceError(source, internal(error)),))


def _watch(arguments: Sequence[str], call: Call, interval: float) -> int:
    """Follow the sources until Ctrl-C and return the exit code of the last report."""
    from diagnose import watch

    if "-" in arguments:
        raise click.UsageError("--watch follows files; standard input cannot be read twice")
    if any(argument.startswith("mlflow:") for argument in arguments):
        raise click.UsageError("--watch follows files; name the log of the training, not its run in MLflow")
    if call.output is None and call.format != "terminal":
        raise click.UsageError(f"--watch draws in the terminal; name a file with --output for {call.format}")
    watched = watch.Watch(arguments, lambda source: _diagnose(source, call, live=True))
    return _conclude(watch.follow(watched, _display(call), interval), call)


def _conclude(report: Report, call: Call) -> int:
    """Say what could not be read, a line each, and return the exit code."""
    for error in report.errors:
        console.complain(f"{error.source}: {error.error}")
    return call.exit_code(report)


def _without_source_as_store(given: dict[str, Any]) -> dict[str, Any]:
    """Return sources and store, where ``--mlflow`` has taken the first source for its store: ``--mlflow run.csv``."""
    store = given["mlflow"]
    is_source = store == "-" or os.path.exists(store or "") or (store or "").startswith("mlflow:")
    if not store or not is_source or _is_store(store):
        return {}
    return {"mlflow": "", "sources": (store, *given["sources"])}


def _is_store(name: str) -> bool:
    """Whether a file or folder is a store of MLflow's."""
    from diagnose.readers import mlflow
    from diagnose.readers.base import Document

    return os.path.exists(name) and mlflow.matches(Document(name, path=Path(name)))


def _log_to_mlflow(report: Report, store: str) -> bool:
    """Log the diagnoses, say where they are, and return whether all are there."""
    from diagnose.tracking.store import store_of
    from diagnose.tracking.writeback import write_back

    progress = console.Progress(len(report.runs))
    written = write_back(report, store_of(store) if store else None, progress.step)
    progress.clear()
    if written.runs:
        runs = f"run {written.runs[0]}" if len(written.runs) == 1 else f"{len(written.runs)} runs"
        console.complain(f"logged to {written.store}: {runs}")
    for error in written.errors:
        console.complain(error)
    return not written.errors


def _display(call: Call) -> Display:
    from diagnose import watch

    if call.output is None and console.is_terminal(sys.stdout):
        return watch.Screen(call.render, lambda: console.size(sys.stdout, os.environ))
    return watch.Lines(call.deliver, call.save)


def _document(given: dict[str, Any]) -> int:
    from diagnose import explain
    from diagnose.check import load_checks

    color = console.wants_color(given["color"], sys.stdout, os.environ)
    width = given["width"] or min(console.size(sys.stdout, os.environ)[0], 100)
    checks = load_checks()
    if given["list_checks"]:
        console.write_out(explain.render_list(checks, width=width, color=color))
        return EXIT_FINE
    try:
        check = explain.find(given["explain"], checks)
    except ValueError as error:
        raise UsageError(f"--explain: {error}") from error
    console.write_out(explain.render(explain.page(check), width=width, color=color))
    return EXIT_FINE


def _print_completion(command: click.Command, shell: str) -> int:
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    if completion is None:
        raise UsageError(f"--completion: no script for {shell}")
    console.write_out(completion(command, {}, "diagnose", "_DIAGNOSE_COMPLETE").source())
    return EXIT_FINE
