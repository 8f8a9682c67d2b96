"""A model that the user's own function makes, and on which line of its file each layer is made."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, MappingProxyType
from typing import Any

from diagnose import user_code
from diagnose.readers.base import ReadError

#: A file is searched for functions to suggest up to this size.
MAX_SEARCHED_BYTES = 1024 * 1024
MAX_SUGGESTED = 8

_TUNED = ("hp", "hps", "hyperparameters", "hyper_parameters")
_MAKERS = ("Sequential", "Model", "Functional")


@dataclass(frozen=True)
class Made:
    """What the user's function made.

    Parameters
    ----------
    model
        The Keras model.
    path
        The file that the function is in.
    lines
        ``id`` of a layer -> the line of that file on which it is made.
    layers
        The layers themselves: as long as they live, no other object has their ``id``.
    """

    model: Any
    path: Path
    lines: Mapping[int, int]
    layers: tuple[Any, ...]


def make(name: str, text: str | None = None) -> Made:
    """Run a function of the user's and return the model that it makes.

    Parameters
    ----------
    name
        ``my_model.py:build`` or ``package.module:build``: a function, a class or a model. A function with one argument
        ``hp`` is given KerasTuner's hyperparameters at their defaults. What it prints goes to standard error.
    text
        What to run in place of what is in the module's file.

    Raises
    ------
    ReadError
        There is no such function, it fails, or it makes no model.
    """
    from diagnose.audit import session

    _real.cache_clear()  # the current folder may be another than at the last call
    with (
        session.fresh(session.NAMES, session.POLICY),
        _lines() as made,
        contextlib.redirect_stdout(sys.stderr),
        _without_arguments(name),
    ):
        try:
            module, found = user_code.named(name, text)
            model = _model_of(name, found, module)
        except user_code.UserCodeError as error:
            # The report already says which source it is.
            raise ReadError(str(error).removeprefix(f"{name}: ")) from error
    path = _file_of(found, module)
    if text is not None and _real(path) != _real(str(module.__file__)):
        raise ReadError("is not made in the file of its module", f"name the function where it is: {path}")
    lines = {id(layer): line for layer, frames in made if (line := frames.get(_real(path))) is not None}
    return Made(model, Path(path), MappingProxyType(lines), tuple(layer for layer, _ in made))


def _builders(path: Path) -> list[str]:
    """Return the names in a source file that look like they make a model; the file is read and not run."""
    try:
        with path.open("rb") as stream:
            tree = ast.parse(stream.read(MAX_SEARCHED_BYTES))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [name for node in tree.body for name in _builder(node)][:MAX_SUGGESTED]


def _builder(node: ast.stmt) -> Iterator[str]:
    makes = any(isinstance(part, ast.Call) and _last(part.func) in _MAKERS for part in ast.walk(node))
    if isinstance(node, ast.FunctionDef):
        arguments = [*node.args.posonlyargs, *node.args.args]
        needed = arguments[: len(arguments) - len(node.args.defaults)]
        if (makes or "model" in node.name.lower()) and all(one.arg in _TUNED for one in needed):
            yield node.name
    elif isinstance(node, ast.ClassDef):
        if any(_last(base) in (*_MAKERS, "HyperModel") for base in node.bases):
            yield node.name
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _last(node.value.func) in _MAKERS:
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _last(node: ast.AST) -> str:
    """Return the last name of a dotted one: Sequential of keras.Sequential."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _model_of(name: str, found: Any, module: Any) -> Any:
    import keras

    if found is None:
        raise ReadError(f"has no {name.rpartition(':')[2]!r}", _suggestion(Path(str(module.__file__)), name))
    if not isinstance(found, keras.Model) and callable(found):
        found = _called(name, found)
    if hasattr(found, "build") and _is_hypermodel(found):
        found = _called(name, found.build)
    if isinstance(found, keras.Model):
        return found
    if found is None:
        raise ReadError("returns nothing", "end it with: return model")
    kind = type(found)
    if kind.__module__ != "builtins" and any(base.__module__.startswith("tf_keras") for base in kind.__mro__):
        raise ReadError("makes a model of Keras 2 (tf_keras)", "make it with Keras 3: import keras")
    article = "an" if kind.__name__[:1].lower() in "aeiou" else "a"
    raise ReadError(f"makes {article} {kind.__name__}, and no Keras model", "name a function that returns the model")


def _called(name: str, function: Callable[..., Any]) -> Any:
    needed = user_code.required(function)
    if not needed:
        return user_code.call(name, function)
    if len(needed) > 1 or needed[0].lower() not in _TUNED:
        raise ReadError(
            f"needs arguments ({', '.join(needed)}), and nobody gives it any",
            "give them defaults, or name a function without arguments that calls it",
        )
    if importlib.util.find_spec("keras_tuner") is None:
        raise ReadError(f"wants KerasTuner's hyperparameters ({needed[0]})", "pip install keras-tuner")
    import keras_tuner

    return user_code.call(name, functools.partial(function, keras_tuner.HyperParameters()))


def _is_hypermodel(found: Any) -> bool:
    keras_tuner = sys.modules.get("keras_tuner")
    return keras_tuner is not None and isinstance(found, keras_tuner.HyperModel)


def _suggestion(path: Path, name: str) -> str:
    where = name.rpartition(":")[0]
    names = _builders(path)
    return f"did you mean {' or '.join(f'{where}:{one}' for one in names)}?" if names else ""


def how_to_name(path: Path) -> ReadError:
    """Return the error that says how to name the function in a source file."""
    names = _builders(path)
    example = " or ".join(f"{path}:{name}" for name in names) if names else f"{path}:build"
    return ReadError(
        "is Python code, which runs only where its function is named",
        f"name the function that returns the model: {example}",
    )


@contextlib.contextmanager
def _without_arguments(name: str) -> Iterator[None]:
    """Let the user's module see no arguments: those of this program are not for it."""
    before = sys.argv
    sys.argv = [name.rpartition(":")[0]]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _lines() -> Iterator[list[tuple[Any, Mapping[str, int]]]]:
    """Note of every layer and operation that is made in which files, on which lines, this happens.

    All are made by ``Operation.__new__``, whatever their constructors do; the frame nearest to it counts for each file.
    """
    import keras

    made: list[tuple[Any, Mapping[str, int]]] = []
    original = vars(keras.Operation)["__new__"]

    def noted(cls: type, *arguments: Any, **named: Any) -> Any:
        layer = original.__func__(cls, *arguments, **named)
        made.append((layer, _frames()))
        return layer

    keras.Operation.__new__ = staticmethod(noted)
    try:
        yield made
    finally:
        keras.Operation.__new__ = original


def _frames() -> Mapping[str, int]:
    """Return file -> line of the calls that led here, of each file the innermost; Keras' own left out."""
    frames: dict[str, int] = {}
    frame = inspect.currentframe()
    while frame is not None:
        if not _is_library(frame.f_code):
            frames.setdefault(_real(frame.f_code.co_filename), frame.f_lineno)
        frame = frame.f_back
    return frames


def _is_library(code: CodeType) -> bool:
    name = code.co_filename
    return name.startswith("<") or f"{os.sep}keras{os.sep}src{os.sep}" in name or name == __file__


@functools.lru_cache(maxsize=4096)
def _real(path: str) -> str:
    return os.path.realpath(path)


def _file_of(found: Any, module: Any) -> str:
    """Return the file in which what was named is defined; a model is where its module is."""
    with contextlib.suppress(TypeError):
        if inspect.isfunction(found) or inspect.ismethod(found) or inspect.isclass(found):
            return inspect.getsourcefile(inspect.unwrap(found)) or str(module.__file__)
    return str(module.__file__)
