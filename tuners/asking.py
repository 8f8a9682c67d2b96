"""The configuration that a command line asks for: options that ``tune train`` and ``tune search`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from recipes.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])

#: Option -> the setting that it sets.
_PATHS = {
    "data": "data.source",
    "target": "data.target",
    "epochs": "training.epochs",
    "seed": "training.seed",
    "accelerator": "training.accelerator",
    "devices": "training.devices",
    "precision": "training.precision",
}
#: All of them: what `--resume` does not go with.
NAMES = ("recipe", "file", "settings", *_PATHS)

_OPTIONS = (
    click.argument("recipe", required=False),
    click.option("--data", "-d", metavar="DATA", help="Built-in name, CSV, image folder, .npz, or module:function."),
    click.option("--target", "-t", metavar="COLUMN", multiple=True, help="Column of a CSV to predict; repeatable."),
    click.option(
        "--config", "-c", "file", metavar="FILE", type=click.Path(path_type=Path), help="Settings, as YAML or JSON."
    ),
    click.option("--set", "-s", "settings", metavar="PATH=VALUE", multiple=True, help="Change a setting; repeatable."),
    click.option("--epochs", type=int, metavar="N", help="At most."),
    click.option("--seed", type=int, metavar="N", help="Of all that is drawn at random."),
    click.option("--accelerator", type=click.Choice(("auto", "cpu", "gpu", "tpu")), help="What to train on."),
    click.option("--devices", type=int, metavar="N", help="How many of them, for one training."),
    click.option(
        "--precision",
        type=click.Choice(("float32", "mixed_float16", "mixed_bfloat16", "float64")),
        help="Of computation.",
    ),
)


def settings_options(command: Command) -> Command:
    """Give a command the recipe as its argument, and the options that set something of the configuration."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def asked_config(given: dict[str, Any], command: str) -> Config:
    """Return the configuration that the options of `settings_options` ask for.

    Raises
    ------
    RecipeError
        A setting that does not exist, or a value that it cannot have.
    click.UsageError
        No recipe, or no data.
    """
    from recipes.config import Config, flattened, parse_setting, read

    content = read(given["file"]) if given["file"] else {}
    recipe = given["recipe"] or content.get("recipe")
    if not isinstance(recipe, str) or not recipe:
        example = f"tune {command} cnn --data digits"
        raise click.UsageError(f"name a recipe, for example: {example} (tune recipes lists them)")
    options = {path: given[name] for name, path in _PATHS.items() if given[name] not in (None, ())}
    layers = [flattened(content, str(given["file"]), skip=("recipe",)), options]
    config = Config.of(recipe, *layers, dict(map(parse_setting, given["settings"])))
    if not config.data.source:
        raise click.UsageError("name the data, for example: --data digits, --data table.csv --target price")
    return config


def tracked(given: Mapping[str, Any]) -> bool | str:
    """Return what ``--mlflow`` and ``--no-mlflow`` say, as ``track`` of `tuners.train`.

    Raises
    ------
    UsageError
        They contradict each other, or ``--register``.
    """
    if given["no_mlflow"] and (given["mlflow"] or given["register"]):
        raise click.UsageError("--no-mlflow goes with neither --mlflow nor --register")
    if given["register"]:
        from tuners.tracking import check_name

        check_name(given["register"])  # before seconds are spent on imports
    if given["mlflow"]:
        from diagnose.tracking.store import store_of

        return store_of(given["mlflow"])
    return not given["no_mlflow"]
