"""The command ``tune``: trainings of recipes on data, from the command line.

Nothing heavy is imported before it is needed: ``tune --help`` answers at once.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diagnose import __version__, console
from diagnose.command_line import EXIT_FINDINGS, EXIT_FINE, EXIT_INTERRUPTED, OneLineGroup
from diagnose.settings import LIMITS
from tuners.asking import NAMES, asked_config, settings_options, tracked
from tuners.quiet import tell_warnings
from tuners.search import cli as search_commands
from tuners.ui import ui

if TYPE_CHECKING:
    from recipes.config import Config
    from tuners.training import Training

#: Packages of the extra `tune` without which nothing can be trained.
_NEEDED = (
    "tensorflow",
    "keras",
    "pydantic",
    "yaml",
    "sklearn",
    "albumentations",
    "matplotlib",
    "mlflow",
    "keras_tuner",
)
#: Commands for stores of trainings, which need MLflow alone.
_WITHOUT_TRAINING = ("sync", "ui")
_PATH = click.Path(path_type=Path)


class _Commands(OneLineGroup):
    """Tells what is wrong with a configuration or with data in a line, and what is not installed."""

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, and see that what it needs is installed."""
        name, found, rest = super().resolve_command(context, arguments)
        extra, needed = ("mlflow", ("mlflow",)) if name in _WITHOUT_TRAINING else ("tune", _NEEDED)
        missing = [package for package in needed if importlib.util.find_spec(package) is None]
        if missing:
            raise click.ClickException(f"tune {name} needs: pip install 'kerasdx[{extra}]' (no module {missing[0]!r})")
        return name, found, rest

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        from recipes.errors import RecipeError

        try:
            return super().invoke(context)
        except RecipeError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            raise click.ClickException(f"{error.filename or 'a file'}: {error.strerror or error}") from None


@click.group(
    "tune",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="kerasdx %(version)s")
def command() -> None:
    """Build models that are right, and train them watched."""


@command.command(
    epilog="Exit codes: 0 trained, and nothing found at or above --fail-on; 1 findings; 2 wrong usage or bad data; 130 "
    "interrupted: the command that it prints goes on."
)
@settings_options
@click.option("--output", "-o", metavar="DIR", type=_PATH, help="Where to put it.  [default: runs/RECIPE-DATA-N]")
@click.option("--resume", metavar="DIR", type=_PATH, help="Go on with an interrupted training.")
@click.option(
    "--on-finding",
    type=click.Choice(("warn", "stop")),
    default="stop",
    show_default=True,
    help="Whether a training that is lost is ended.",
)
@click.option("--mlflow", metavar="URI", help="Tracking store.  [default: mlruns/mlflow.db]")
@click.option("--no-mlflow", is_flag=True, help="Log nothing to MLflow.")
@click.option("--register", metavar="NAME[@ALIAS]", help="Put the model into MLflow's registry.")
@click.option(
    "--fail-on",
    type=click.Choice(LIMITS),
    default="critical",
    show_default=True,
    help="Severity from which the exit code is 1.",
)
@click.option("--quiet", "-q", is_flag=True, help="Say only where it is.")
def train(**given: Any) -> int:
    """Train RECIPE on DATA: watched, diagnosed, scored on held-out samples, and saved.

    RECIPE is a name of `tune recipes`, NAME/PRESET, or module:function, your own build(hp) or build(config).
    """
    from diagnose.audit.quiet import import_tensorflow

    import_tensorflow()
    tell_warnings()
    config, folder = _asked(given)
    from rich.console import Console

    from tuners.training import train as run

    try:
        training = run(
            config,
            folder=folder,
            resume=given["resume"] is not None,
            track=tracked(given),
            register=given["register"] or "",
            on_finding=given["on_finding"],
            console=Console(quiet=given["quiet"], width=None if sys.stdout.isatty() else 100),
        )
    except KeyboardInterrupt:
        console.complain(_interrupted(folder, given), "tune")
        return EXIT_INTERRUPTED
    _tell(training, quiet=given["quiet"])
    return EXIT_FINDINGS if training.report.reaches(given["fail_on"]) else EXIT_FINE


def _interrupted(folder: Path, given: dict[str, Any]) -> str:
    """Return what to tell after Ctrl-C: the command that goes on, where something has begun."""
    from tuners.folder import Folder

    if not Folder(folder).config.exists():
        return "interrupted before the training began"
    command = ["tune", "train", "--resume", str(folder)]
    command += ["--on-finding", given["on_finding"]] if given["on_finding"] != "stop" else []
    command += ["--mlflow", given["mlflow"]] if given["mlflow"] else []
    command += ["--no-mlflow"] if given["no_mlflow"] else []
    command += ["--register", given["register"]] if given["register"] else []
    return f"interrupted; to go on: {shlex.join(command)}"


def _asked(given: dict[str, Any]) -> tuple[Config, Path]:
    """Return the configuration that the command line asks for, and the folder that it names or that is next."""
    from tuners.folder import Folder, next_free

    if given["resume"] is not None:
        if any(given[name] not in (None, ()) for name in (*NAMES, "output")):
            raise click.UsageError("--resume goes on with the settings of the folder; name nothing else")
        return Folder(given["resume"]).read_config(), given["resume"]
    config = asked_config(given, "train")
    return config, given["output"] or next_free(config).path


def _tell(training: Training, *, quiet: bool) -> None:
    """Print the health report, the score, and what is where."""
    from diagnose.renderers import terminal
    from tuners import outcome

    if quiet:
        console.write_out(str(training.folder.path))
        return
    width, _ = console.size(sys.stdout, os.environ)
    color = console.wants_color("auto", sys.stdout, os.environ)
    ascii = console.needs_ascii(sys.stdout)
    console.write_out(terminal.render(training.report, color=color, width=width, ascii=ascii))
    console.write_out(outcome.summary(training))


@command.command()
@click.argument("recipe", required=False)
@click.option("--data", "-d", metavar="DATA", help="With --sheet: the images to augment.")
@click.option("--set", "-s", "settings", metavar="PATH=VALUE", multiple=True, help="With --sheet: change a setting.")
@click.option("--sheet", metavar="FILE", type=_PATH, help="Draw augmented samples of the data as a picture (PNG).")
def recipes(recipe: str | None, data: str | None, settings: tuple[str, ...], sheet: Path | None) -> int:
    """List the recipes; with RECIPE its presets and settings; with --sheet, augmented samples as a picture."""
    from diagnose.audit.quiet import import_tensorflow
    from tuners import listing

    import_tensorflow()
    width = min(100, console.size(sys.stdout, os.environ)[0])
    if (data or settings) and sheet is None:
        raise click.UsageError("--data and --set are for --sheet FILE, which draws augmented samples")
    if sheet is not None:
        if not recipe or not data:
            raise click.UsageError("--sheet needs a recipe and data: tune recipes cnn --data digits --sheet sheet.png")
        console.write_out(f"drawn: {listing.sheet(recipe, data, settings, sheet)}")
    elif recipe:
        console.write_out(listing.of_recipe(recipe, width))
    else:
        console.write_out(listing.of_all(width))
    return EXIT_FINE


@command.command(epilog="Exit codes: 0 nothing waits any more, 2 something still does, or wrong usage.")
@click.argument("folders", metavar="[DIR]...", nargs=-1, type=_PATH)
@click.option("--store", metavar="URI", help="Send it there.  [default: where each was meant to go]")
def sync(folders: tuple[Path, ...], store: str | None) -> int:
    """Send to MLflow what waits in DIR (default: here) since a tracking store was away; nothing is sent twice."""
    from tuners.sync import sync as run

    tallies = [run(folder, store, console.write_out) for folder in folders or (Path(),)]
    sent, kept = sum(tally.sent for tally in tallies), sum(tally.kept for tally in tallies)
    if kept:
        raise click.ClickException(f"{sent} sent, {kept} still wait; mend what is said above, and do it again")
    console.write_out(f"{sent} sent, nothing waits")
    return EXIT_FINE


command.add_command(search_commands.search)
command.add_command(search_commands.show)
command.add_command(ui)


def main() -> None:
    """Run the command: the entry point of the script ``tune``."""
    command.main()
