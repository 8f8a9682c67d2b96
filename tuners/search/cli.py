"""The commands ``tune search`` and ``tune show``."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diagnose import console
from diagnose.command_line import EXIT_FINDINGS, EXIT_FINE, EXIT_INTERRUPTED
from tuners.asking import asked_config, settings_options, tracked
from tuners.quiet import tell_warnings

if TYPE_CHECKING:
    from tuners.search.driver import Search
    from tuners.search.settings import SearchSettings

_PATH = click.Path(path_type=Path)


@click.command(
    epilog="Exit codes: 0 there is a winner; 1 no trial has a score; 2 wrong usage or bad data; 130 interrupted: the "
    "same command goes on."
)
@settings_options
@click.option(
    "--space",
    metavar="FILE|PATH=SPEC",
    multiple=True,
    help="What is searched: a YAML file, or as 'optimizer.learning_rate=1e-5..0.1 log', 'data.batch_size=16|32|64'; "
    "repeatable.  [default: that of the recipe]",
)
@click.option(
    "--strategy",
    type=click.Choice(("bayesian", "random", "hyperband", "grid")),
    help="How values are proposed.  [default: bayesian]",
)
@click.option(
    "--objective",
    metavar="COLUMN",
    help="Column of the log that is to be best, as val_accuracy; max:COLUMN, min:COLUMN where its name does not tell.",
)
@click.option("--trials", type=int, metavar="N", help="At most.  [default: 20, or what the time allows]")
@click.option("--time", metavar="TIME", help="At most, as 90s, 15m, 2h.")
@click.option("--executions", type=int, metavar="N", help="Train each trial so often, with seeds of its own.")
@click.option("--folds", type=int, metavar="N", help="Cross-validate each trial.")
@click.option(
    "--warm-start", metavar="DIR", type=_PATH, multiple=True, help="Learn from an earlier search; repeatable."
)
@click.option("--no-prune", is_flag=True, help="Let sick trials go on to their end.")
@click.option(
    "--final",
    type=click.Choice(("auto", "restore", "retrain")),
    help="The winner: with the weights of its trial, or trained anew on all samples but those of the test.",
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Trials at a time on this machine, with Ray.")
@click.option("--cluster", metavar="ADDRESS", help="Run trials on a Ray cluster: HOST:PORT, or auto.")
@click.option(
    "--output", "-o", metavar="DIR", type=_PATH, help="Where to put it.  [default: runs/search-RECIPE-DATA-N]"
)
@click.option("--mlflow", metavar="URI", help="Tracking store.  [default: mlruns/mlflow.db]")
@click.option("--no-mlflow", is_flag=True, help="Log nothing to MLflow.")
@click.option("--register", metavar="NAME[@ALIAS]", help="Put the winner into MLflow's registry.")
@click.option("--quiet", "-q", is_flag=True, help="Say only where it is.")
def search(**given: Any) -> int:
    """Search for the settings with which RECIPE does best on DATA; every trial is watched and diagnosed.

    RECIPE is a name of `tune recipes`, NAME/PRESET, or module:function, your own build(hp) or build(config).
    """
    from diagnose.audit.quiet import import_tensorflow

    settings = _settings(given)
    import_tensorflow()
    tell_warnings()
    from rich.console import Console

    from tuners.search.driver import search as run

    shown = Console(file=sys.stdout, quiet=given["quiet"], width=None if sys.stdout.isatty() else 100)
    former = signal.signal(signal.SIGTERM, _interrupt)  # how Slurm and Kubernetes tell that the time is up
    try:
        found = run(
            asked_config(given, "search"),
            given["space"],
            settings,
            folder=given["output"],
            workers=given["workers"] or 0,
            cluster=given["cluster"],
            warm_start=given["warm_start"],
            track=tracked(given),
            register=given["register"] or "",
            console=shown,
        )
    except KeyboardInterrupt:
        console.complain(f"interrupted; to go on: {shlex.join(['tune', *sys.argv[1:]])}", "tune")
        return EXIT_INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, former)
    _tell(found, quiet=given["quiet"])
    return EXIT_FINE if found.best else EXIT_FINDINGS


def _interrupt(*_arguments: Any) -> None:
    raise KeyboardInterrupt


def _settings(given: dict[str, Any]) -> SearchSettings:
    """Return how to search; what the command line leaves open has its default."""
    from tuners.search.settings import SearchSettings

    names = ("strategy", "objective", "trials", "time", "executions", "folds", "seed", "final")
    return SearchSettings.of(
        **{name: given[name] for name in names if given[name] is not None}, prune=not given["no_prune"]
    )


def _tell(found: Search, *, quiet: bool) -> None:
    """Print leaderboard, importance, what was sick, and the score of the winner."""
    from tuners import outcome
    from tuners.search import show

    if quiet:
        console.write_out(str(found.folder))
        return
    width, _ = console.size(sys.stdout, os.environ)
    if found.winner is not None:
        console.write_out(outcome.summary(found.winner))
    console.write_out("")
    console.write_out(show.summary(found.record, width))


@click.command()
@click.argument("folder", metavar="DIR", type=_PATH)
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(("table", "csv", "json")),
    default="table",
    show_default=True,
    help="How to print it.",
)
@click.option("--html", metavar="FILE", type=_PATH, help="Draw it as a page instead.")
@click.option(
    "--top", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="Rows of the leaderboard; 0: all."
)
def show(folder: Path, form: str, html: Path | None, top: int) -> int:
    """Show the search in DIR again, or one that is running: leaderboard, importance, what was sick."""
    from tuners.search import show as shown

    if html is not None:
        console.write_out(f"drawn: {shown.html(folder, html)}")
        return EXIT_FINE
    width, _ = console.size(sys.stdout, os.environ)
    console.write_out(shown.show(folder, form, width, top))  # type: ignore[arg-type]
    return EXIT_FINE
