"""Code of the user's own, named as ``module:function`` or ``path/file.py:function``: it runs because it is named."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from recipes.errors import RecipeError


def function(name: str, error: type[RecipeError] = RecipeError) -> Callable[..., Any]:
    """Import a function of the user's.

    Parameters
    ----------
    name
        ``module:function``, the module found from the current folder too, or ``path/file.py:function``.
    error
        The class to raise.

    Raises
    ------
    RecipeError
        There is no such module or function, or the module fails; says where.
    """
    where, _, attribute = name.rpartition(":")
    if not where or not attribute:
        raise error(f"{name!r} is not module:function, for example my_data:load")
    module = _module(where, name, error)
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        there = [known for known, value in vars(module).items() if inspect.isfunction(value)]
        hint = f"; it has {', '.join(there[:8])}" if there else ""
        raise error(f"{name}: {where} has no function {attribute!r}{hint}")
    return found


def call(name: str, called: Callable[..., Any], *arguments: Any, error: type[RecipeError] = RecipeError) -> Any:
    """Call a function of the user's, with as many of the arguments as it takes.

    Raises
    ------
    RecipeError
        In place of any exception of the user's; says which, and in which line.
    """
    try:
        return called(*arguments[: _taken(called)])
    except RecipeError:
        raise
    except Exception as failure:
        raise error(f"{name}: {_told(failure)}") from failure


def _taken(called: Callable[..., Any]) -> int:
    """Return how many arguments a function takes by place and without a default of its own."""
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return 0
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
        for parameter in parameters
    )


def _module(where: str, name: str, error: type[RecipeError]) -> ModuleType:
    path = Path(where)
    home = str(path.resolve().parent) if path.suffix == ".py" else str(Path.cwd())
    if home not in sys.path:
        sys.path.insert(0, home)
    try:
        return _from_file(path, name, error) if path.suffix == ".py" else importlib.import_module(where)
    except RecipeError:
        raise
    except ModuleNotFoundError as failure:
        if failure.name and (where == failure.name or where.startswith(f"{failure.name}.")):
            raise error(f"{name}: there is no module {where!r} in {home} or installed") from None
        raise error(f"{name}: {_told(failure)}") from failure
    except (Exception, SystemExit) as failure:
        raise error(f"{name}: {_told(failure)}") from failure


def _from_file(path: Path, name: str, error: type[RecipeError]) -> ModuleType:
    if not path.is_file():
        raise error(f"{name}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    known = sys.modules.get(path.stem)
    sys.modules[path.stem] = module  # pickle and dataclasses look a class's module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if known is None:
            del sys.modules[path.stem]
        else:
            sys.modules[path.stem] = known
        raise
    return module


def _told(failure: BaseException) -> str:
    """Return an exception in a line: its type, what it says, and the line of the user's that it comes from."""
    said = " ".join(str(failure).split())[:300]
    text = f"{type(failure).__name__}: {said}" if said else type(failure).__name__
    if isinstance(failure, SyntaxError):
        return f"{text} at {failure.filename}:{failure.lineno}"
    frames = [frame for frame in traceback.extract_tb(failure.__traceback__) if _is_users(frame.filename)]
    return f"{text} at {frames[-1].filename}:{frames[-1].lineno}" if frames else text


def _is_users(filename: str) -> bool:
    here = str(Path(__file__).resolve().parent)
    return not (filename.startswith(("<", here)) or "site-packages" in filename or "importlib" in filename)
