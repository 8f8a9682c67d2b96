"""What `tune recipes` shows: recipes, their presets, and every setting with its default and what it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recipes import catalog
from recipes.config import Config, choices, parse_setting, paths

_INDENT = "  "


def of_all() -> str:
    """Return a line for each recipe."""
    rows = [(name, catalog.find(name).summary) for name in catalog.NAMES]
    rows.append(("module:function", "your own build(hp) or build(config), with nothing to inherit from"))
    return "\n".join((*_table(rows), "", "tune recipes NAME shows presets and settings."))


def of_recipe(name: str) -> str:
    """Return a recipe's presets and settings.

    Raises
    ------
    RecipeError
        There is no such recipe.
    """
    recipe = catalog.find(name)
    config = Config.of(name)
    lines = [f"{recipe.name}: {recipe.summary}", ""]
    lines += [
        "For: " + ", ".join(sorted(recipe.tasks)) + "; inputs: " + ", ".join(sorted(recipe.inputs)),
        "",
        "Presets:",
    ]
    lines += _table(
        [(preset, ", ".join(f"{path}={value}" for path, value in set_.items()) or "the settings below")
         for preset, set_ in recipe.presets.items()]
    )  # fmt: skip
    lines += ["", "Settings (--set PATH=VALUE):"]
    lines += _table([(path, f"{config.get(path)}", _about(path)) for path in paths() if recipe.heeds(path)])
    if recipe.name == "transfer":
        from recipes.parts import backbones

        lines += ["", "Backbones (transfer.backbone):", *_wrapped(", ".join(backbones.PRESETS))]
    return "\n".join(lines)


def sheet(name: str, source: str, settings: Sequence[str], path: Path) -> Path:
    """Draw augmented training samples, and return the file.

    Raises
    ------
    RecipeError
        The data are no images, or a setting does not exist.
    """
    from recipes.data import load_data
    from recipes.data.sheet import augmentation_sheet

    config = Config.of(name, {"data.source": source}, dict(map(parse_setting, settings)))
    if not config.data.augmentation:
        config = config.replace({"data.augmentation": "medium"})
    return augmentation_sheet(load_data(config), config, path)


def _about(path: str) -> str:
    """Return what a setting can be, and what it is."""
    field = paths()[path]
    bounds = _bounds(field)
    allowed = "|".join(choices(path)) or bounds
    return "; ".join(part for part in (field.description or "", allowed) if part)


def _bounds(field: Any) -> str:
    """Return the range that pydantic holds a number to: ``0 <= x < 1``."""
    low = high = ""
    for limit in field.metadata:
        for name, sign in (("ge", "<="), ("gt", "<")):
            if hasattr(limit, name):
                low = f"{getattr(limit, name):g} {sign} "
        for name, sign in (("le", "<="), ("lt", "<")):
            if hasattr(limit, name):
                high = f" {sign} {getattr(limit, name):g}"
    return f"{low}x{high}" if low or high else ""


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return aligned lines; the last column is wrapped."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    start = len(_INDENT) + sum(width + 2 for width in widths)
    lines = []
    for row in rows:
        head = _INDENT + "".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=False))
        first, *others = list(_wrapped(row[-1], max(30, 100 - start), indent="")) or [""]
        lines += [(head + first).rstrip(), *(" " * start + other for other in others)]
    return lines


def _wrapped(text: str, width: int = 96, indent: str = _INDENT) -> Iterator[str]:
    import textwrap

    for line in textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False):
        yield indent + line
