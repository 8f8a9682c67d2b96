"""Who may import whom, read from the source without importing it."""

from __future__ import annotations

import ast
import fnmatch
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import diagnose
from tests import training_logs

#: Where the package is imported from: these tests run on the installed one too.
ROOT = Path(diagnose.__file__).parents[1]

#: Modules -> what of this project they may import; the first pattern that matches a module counts.
ALLOWED = {
    "diagnose.run": ("diagnose.blueprint", "diagnose.sample"),
    "diagnose.blueprint": (),
    "diagnose.sample": ("diagnose.run",),
    "diagnose.fix": (),
    "diagnose.discovery": (),
    "diagnose.settings": (),
    "diagnose.console": (),
    "diagnose.finding": ("diagnose.fix",),
    "diagnose.check": ("diagnose.discovery", "diagnose.finding", "diagnose.run"),
    "diagnose.report": ("diagnose.finding", "diagnose.run", "diagnose.renderers*"),
    "diagnose.analyze": ("diagnose.check", "diagnose.discovery", "diagnose.finding", "diagnose.report", "diagnose.run"),
    "diagnose.explain": ("diagnose.check",),
    "diagnose.measures*": ("diagnose.measures*", "diagnose.run", "diagnose.blueprint", "diagnose.sample"),
    "diagnose.remedies*": (
        "diagnose.remedies*", "diagnose.measures*", "diagnose.fix", "diagnose.run", "diagnose.blueprint",
    ),
    "diagnose.checks*": (
        "diagnose.checks.*._evidence",  # evidence that the checks of a family give in the same form
        "diagnose.measures*", "diagnose.remedies*", "diagnose.run", "diagnose.finding", "diagnose.fix",
        "diagnose.check", "diagnose.blueprint", "diagnose.sample",
    ),
    # A model is read by what knows Keras, and only when there is one.
    "diagnose.readers.keras_model": ("diagnose.readers*", "diagnose.run", "diagnose.audit*"),
    "diagnose.readers*": ("diagnose.readers*", "diagnose.run"),
    "diagnose.renderers*": (
        "diagnose.renderers*", "diagnose.report", "diagnose.run", "diagnose.finding", "diagnose.fix", "diagnose",
        "diagnose.blueprint", "diagnose.sample",
    ),
    "diagnose.live*": ("diagnose*",),
    "diagnose*": ("diagnose*",),
    "recipes*": ("recipes*", "diagnose*"),
    "tuners*": ("tuners*", "recipes*", "diagnose*"),
}  # fmt: skip

#: Heavy packages -> modules that may import them at the top, for these are themselves imported late.
HEAVY = {
    "keras": ("diagnose.live*", "diagnose.audit*", "tuners*", "recipes*"),
    "tensorflow": ("diagnose.live*", "diagnose.audit*", "tuners*", "recipes*"),
    "pandas": ("tuners*", "recipes*"),
    "mlflow": (),
    "albumentations": ("recipes.data.augmentation",),
    "keras_tuner": ("tuners.search.strategies", "tuners.search.bayesian"),
    "ray": ("tuners.search.ray_*",),
    "keras_hub": (),
    "tensorboard": (),
    "jinja2": ("diagnose.renderers.html",),
}

#: Packages that nothing of `diagnose` but the callback and the audit may import, not even late.
LIVE_ONLY = ("keras", "tensorflow")
MAY = ("diagnose.live", "diagnose.audit")


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    late: bool
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("diagnose", "tuners", "recipes"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(name: str, tree: ast.AST, late: bool = False) -> Iterator[Import]:
    """Yield every import that runs; those under TYPE_CHECKING do not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, late, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: imports are absolute here"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(name, whole if is_module(whole) else str(node.module), late, node.lineno)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from imports_of(name, node, late or inside)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def allowed(importer: str) -> tuple[str, ...]:
    return next(patterns for key, patterns in ALLOWED.items() if fnmatch.fnmatchcase(importer, key))


IMPORTS = [i for name, path in modules() for i in imports_of(name, ast.parse(path.read_text("utf-8")))]
OURS = ("diagnose", "tuners", "recipes")


def test_the_source_was_read() -> None:
    assert any(i.importer.startswith("diagnose.checks.") for i in IMPORTS)


def test_imports_go_one_way() -> None:
    wrong = [
        str(i) for i in IMPORTS if i.imported.partition(".")[0] in OURS and not matches(i.imported, allowed(i.importer))
    ]
    assert wrong == []


def test_what_everything_builds_on_imports_nothing_but_numpy() -> None:
    light = ("diagnose.run", "diagnose.finding", "diagnose.check", "diagnose.measures*", "diagnose.checks*")
    heavy = [
        str(i)
        for i in IMPORTS
        if matches(i.importer, light)
        and not i.late
        and i.imported.partition(".")[0] not in {*sys.stdlib_module_names, "numpy", "diagnose"}
    ]
    assert heavy == []


@pytest.mark.parametrize("package", HEAVY)
def test_heavy_packages_are_imported_where_they_are_used(package: str) -> None:
    early = [
        str(i)
        for i in IMPORTS
        if i.imported.partition(".")[0] == package and not i.late and not matches(i.importer, HEAVY[package])
    ]
    assert early == []


def test_only_the_callback_and_the_audit_import_keras() -> None:
    wrong = [
        str(i)
        for i in IMPORTS
        if i.imported.partition(".")[0] in LIVE_ONLY
        and i.importer.partition(".")[0] == "diagnose"
        and not i.importer.startswith(MAY)
    ]
    assert wrong == []


@pytest.mark.parametrize("log", ["healthy", "overfitting", "nan"])
def test_a_report_needs_none_of_the_heavy_packages(tmp_path: Path, log: str) -> None:
    traps = tmp_path / "traps"
    traps.mkdir()
    for name in ("tensorflow", "keras", "pandas", "mlflow", "tensorboard", "jinja2"):
        (traps / f"{name}.py").write_text(f"raise RuntimeError('{name} was imported')\n")
    path = training_logs.write(tmp_path, "run.csv", getattr(training_logs, log)())
    result = subprocess.run(
        [sys.executable, "-m", "diagnose", path.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{traps}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (int(log != "healthy"), "")
    assert "run.csv" in result.stdout
