"""Code of the user's own, named as ``module:function`` or ``path/file.py:function``: it runs because it is named."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

#: Folders of this project's own packages: what fails there is told by the user's line that led there.
_OWN = tuple(
    f"{Path(__file__).resolve().parents[1] / package}{os.sep}" for package in ("diagnose", "recipes", "tuners")
)


class UserCodeError(Exception):
    """A name of the user's is none, or what it names fails; the message is one line."""


def function(name: str) -> Callable[..., Any]:
    """Import a function of the user's.

    Parameters
    ----------
    name
        ``module:function``, the module found from the current folder too, or ``path/file.py:function``.

    Raises
    ------
    UserCodeError
        There is no such module or function, or the module fails; says where.
    """
    module, found = named(name)
    if not callable(found):
        where, _, attribute = name.rpartition(":")
        there = [known for known, value in vars(module).items() if inspect.isfunction(value)]
        hint = f"; it has {', '.join(there[:8])}" if there else ""
        raise UserCodeError(f"{name}: {where} has no function {attribute!r}{hint}")
    called: Callable[..., Any] = found
    return called


def named(name: str, text: str | None = None) -> tuple[ModuleType, Any]:
    """Import a module of the user's, and return it with what its part of the name stands for, None for nothing.

    Parameters
    ----------
    name
        As in `function`.
    text
        What to run in place of what is in the module's file.

    Raises
    ------
    UserCodeError
        There is no such module, or it fails; says where.
    """
    where, _, attribute = name.rpartition(":")
    if not where or not attribute:
        raise UserCodeError(f"{name!r} is not module:function, for example my_data:load")
    module = _module(where, name, text)
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    return module, found


def call(name: str, called: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the user's, with as many of the arguments as it takes.

    Raises
    ------
    UserCodeError
        In place of any exception of the user's; says which, and in which line.
    """
    try:
        return called(*arguments[: len(required(called))])
    except UserCodeError:
        raise
    except (Exception, SystemExit) as failure:
        raise UserCodeError(f"{name}: {told(failure)}") from failure


def required(called: Callable[..., Any]) -> Sequence[str]:
    """Return the names of the arguments that a function takes by place and has no default of its own for."""
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return ()
    return [
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]


def _module(where: str, name: str, text: str | None) -> ModuleType:
    path = Path(where)
    home = str(path.resolve().parent) if path.suffix == ".py" else str(Path.cwd())
    if home not in sys.path:
        sys.path.insert(0, home)
    try:
        if path.suffix == ".py":
            return _from_file(path, name, text)
        if text is not None and (spec := importlib.util.find_spec(where)) is not None and spec.origin is not None:
            return _run(where, Path(spec.origin), text)
        return importlib.import_module(where)
    except UserCodeError:
        raise
    except ModuleNotFoundError as failure:
        if failure.name and (where == failure.name or where.startswith(f"{failure.name}.")):
            raise UserCodeError(f"{name}: there is no module {where!r} in {home} or installed") from None
        raise UserCodeError(f"{name}: {told(failure)}") from failure
    except (Exception, SystemExit) as failure:
        raise UserCodeError(f"{name}: {told(failure)}") from failure


def _from_file(path: Path, name: str, text: str | None) -> ModuleType:
    if not path.is_file():
        raise UserCodeError(f"{name}: there is no file {path}")
    return _run(path.stem, path, text)


def _run(module_name: str, path: Path, text: str | None) -> ModuleType:
    loader = None if text is None else _Text(module_name, str(path), text)
    spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    known = sys.modules.get(module_name)
    sys.modules[module_name] = module  # pickle and dataclasses look a class's module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if known is None:
            del sys.modules[module_name]
        else:
            sys.modules[module_name] = known
        raise
    return module


class _Text(importlib.machinery.SourceFileLoader):
    """Loads a text as if it were in the file; nothing is kept of it in a cache."""

    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self._text = text.encode()

    def get_data(self, path: str) -> bytes:
        if path != self.path:  # compiled earlier, from the file
            raise FileNotFoundError(path)
        return self._text

    def set_data(self, path: str, data: Any, **more: Any) -> None:
        pass


def told(failure: BaseException) -> str:
    """Return an exception in a line: its type, what it says, and the line of the user's that it comes from."""
    said = " ".join(str(failure).split())[:300]
    text = f"{type(failure).__name__}: {said}" if said else type(failure).__name__
    if isinstance(failure, SyntaxError):
        return f"{text} at {failure.filename}:{failure.lineno}"
    frames = [frame for frame in traceback.extract_tb(failure.__traceback__) if _is_users(frame.filename)]
    return f"{text} at {frames[-1].filename}:{frames[-1].lineno}" if frames else text


def _is_users(filename: str) -> bool:
    return not (filename.startswith(("<", *_OWN)) or "site-packages" in filename or "importlib" in filename)
