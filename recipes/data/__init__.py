"""Data for training: `load_data` finds the loader; each is imported when it is needed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipes.config import Config
from recipes.data.base import Column, Data, Samples, Split
from recipes.errors import ConfigError, DataError

__all__ = ["BUILTIN", "Column", "Data", "Samples", "Split", "load_data"]

#: Names of the data sets that are there without a file.
BUILTIN = (
    "digits", "iris", "wine", "breast_cancer", "diabetes", "moons", "circles", "blobs", "spirals", "friedman",
    "scattered_digits",
)  # fmt: skip
_TABLES = (".csv", ".tsv")


def load_data(config: Config | str, settings: Mapping[str, Any] | None = None) -> Data:
    """Load, split and preprocess the data that a configuration names.

    Parameters
    ----------
    config
        The configuration; or the source alone, as in ``data.source``: a built-in name, a CSV, a folder of images, an
        ``.npz``, or ``module:function``.
    settings
        Path -> value, on top: ``{"data.target": "price"}``.

    Raises
    ------
    DataError
        There is no such data, or it cannot be trained on; the message says where and how to mend it.
    ConfigError
        A setting that does not exist, or a value that it cannot have.

    Examples
    --------
    >>> data = load_data("digits")
    >>> data.train.x.shape[1:], data.facts.task.kind
    ((8, 8, 1), <Kind.MULTICLASS: 'multiclass'>)
    """
    if isinstance(config, str):
        config = Config.model_validate({"data": {"source": config}})
    config = config.replace(settings or {})
    source = config.data.source
    if not source:
        raise DataError(f"no data is named; set data.source to a file, a folder, or one of {', '.join(BUILTIN)}")
    if config.data.fold >= config.data.folds:
        raise ConfigError(f"data.fold: must be less than data.folds, {config.data.folds}, not {config.data.fold}")
    if source == "scattered_digits":
        from recipes.data import scattered

        return scattered.load(config)
    from recipes.data import assembling

    found = find(source, config)
    if not isinstance(found, Data):
        return assembling.assemble(found, config.data)
    if not config.data.validation or config.data.folds > 1:
        raise DataError(
            f"{source} returns Data, split already: data.validation=0 and data.folds are for data that is split here; "
            "return arrays instead"
        )
    return found


def find(source: str, config: Config) -> Any:
    """Return what the loader finds: a `Source`, or of the user's own function also `Data`.

    Raises
    ------
    DataError
        As of `load_data`.
    """
    path = Path(source)
    if source in BUILTIN:
        from recipes.data import builtin

        check_heeded(config, source, "target", "group", "ignore")
        return builtin.load(source)
    if path.is_dir():
        from recipes.data import image_folder

        check_heeded(config, source, "target", "group", "ignore")
        return image_folder.load(path, config.data)
    if path.suffix.lower() in _TABLES:
        from recipes.data import table

        return table.load(path, config.data)
    if path.suffix.lower() == ".npz":
        from recipes.data import npz

        check_heeded(config, source, "target", "ignore")
        return npz.load(path, config.data)
    if ":" in source and not path.exists():
        from recipes.data import user

        return user.load(source, config)
    raise DataError(_unknown(source, path))


def check_heeded(config: Config, source: str, *names: str) -> None:
    """Refuse settings about columns where there are none: what is set and does nothing misleads."""
    for name in names:
        if getattr(config.data, name):
            raise DataError(f"{source}: data.{name} is for tables; leave it out")


def _unknown(source: str, path: Path) -> str:
    if path.exists():
        return f"{source}: not a kind of file that is known; give a .csv, a .tsv, an .npz, or a folder of images"
    near = difflib.get_close_matches(source.lower().replace("-", "_"), BUILTIN, n=1)
    hint = f"did you mean {near[0]}?" if near else f"name a file, a folder, module:function, or {', '.join(BUILTIN)}"
    return f"there is no data {source!r}; {hint}"
