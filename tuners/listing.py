"""What `tune recipes` shows: recipes, their presets, and every setting with its default and what it can be."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipes import catalog
from recipes.config import Config, choices, parse_setting, paths

_INDENT = "  "
_LONGEST_VALUE, _LEAST_ROOM = 16, 24


def of_all(width: int) -> str:
    """Return a line for each recipe, in so many columns."""
    rows = [(name, catalog.find(name).summary) for name in catalog.NAMES]
    rows.append(("module:function", "your own build(hp) or build(config), with nothing to inherit from"))
    return "\n".join((*_table(rows, width), "", "tune recipes NAME shows presets and settings."))


def of_recipe(name: str, width: int) -> str:
    """Return a recipe's presets and settings, in so many columns.

    Raises
    ------
    RecipeError
        There is no such recipe.
    """
    recipe = catalog.find(name)
    config = Config.of(name)
    presets = [(preset, ", ".join(f"{path}={value}" for path, value in preset_settings.items()))
               for preset, preset_settings in recipe.presets.items()]  # fmt: skip
    settings = [_setting(path, config.get(path)) for path in paths() if recipe.heeds(path)]
    lines = [f"{recipe.name}: {recipe.summary}", ""]
    lines += [f"For: {', '.join(sorted(recipe.tasks))}; inputs: {', '.join(sorted(recipe.inputs))}"]
    lines += ["", "Presets:", *_table(presets, width), "", "Settings (--set PATH=VALUE):", *_table(settings, width)]
    if recipe.name == "transfer":
        from recipes.parts import backbones

        names = textwrap.wrap(", ".join(backbones.PRESETS), width - len(_INDENT), break_on_hyphens=False)
        lines += ["", "Backbones (transfer.backbone):", *(_INDENT + line for line in names)]
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


def _setting(path: str, value: Any) -> tuple[str, str, str]:
    """Return path, value, and what the setting is and can be; a long value is told with these."""
    field = paths()[path]
    shown = ", ".join(value) if isinstance(value, tuple) else f"{value:.4g}" if isinstance(value, float) else str(value)
    is_long = len(shown) > _LONGEST_VALUE
    pieces = (field.description, " | ".join(choices(path)) or _bounds(field), f"now {shown}" if is_long else "")
    return path, "" if is_long else shown, "; ".join(piece for piece in pieces if piece)


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


def _table(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """Return aligned lines; the last column is wrapped."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    start = len(_INDENT) + sum(width + 2 for width in widths)
    lines = []
    for row in rows:
        head = _INDENT + "".join(cell.ljust(size + 2) for cell, size in zip(row, widths, strict=False))
        first, *others = textwrap.wrap(row[-1], max(_LEAST_ROOM, width - start), break_on_hyphens=False) or [""]
        lines += [(head + first).rstrip(), *(" " * start + other for other in others)]
    return lines
