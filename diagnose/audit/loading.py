"""A model's file, or the name of the user's function -> the Keras model, without running what a file brings along.

A stored model is built from its configuration, which is vetted first; its weights are not loaded. Only what the user
names, ``my_model.py:build``, is run.
"""

from __future__ import annotations

import contextlib
import copy
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from diagnose.audit import legacy, source_code, stored
from diagnose.audit.vetting import UnknownPartError, build, printable_names, vet
from diagnose.readers import cleaned
from diagnose.readers.base import ReadError
from diagnose.readers.keras_model import is_function_name

_LONGEST_REASON = 200
#: Layers with a state that `adapt` sets, which is kept with the weights.
_ADAPTED = ("Normalization", "Discretization", "StringLookup", "IntegerLookup", "TextVectorization")


@dataclass(frozen=True)
class Loaded:
    """A Keras model, and where it is from.

    Parameters
    ----------
    model
        The model, compiled where it was.
    source
        As the user named it.
    format
        ``keras-model``, ``keras-hdf5``, ``saved-model``, ``keras-json`` or ``python``.
    path
        The file, or folder; of a function's model the source file. None where there is none.
    lines
        ``id`` of a layer -> the line of the source file on which it is made; empty for stored models.
    layers
        The layers that `lines` is about, kept alive.
    notes
        What could not be taken over, a sentence each.
    """

    model: Any
    source: str
    format: str
    path: Path | None = None
    lines: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    layers: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()


def load(source: str, *, text: str | None = None) -> Loaded:
    """Load a model to look at it before its training.

    Parameters
    ----------
    source
        A ``.keras`` archive or such a folder, an HDF5 file with a whole model, a SavedModel folder of Keras 2, a
        configuration as JSON; or ``my_model.py:build``, ``package.module:build``.
    text
        Of a function: what to run in place of what is in its file.

    Raises
    ------
    ReadError
        It is none of these, is broken, would run code that the user has not named, or cannot be built; in one line.
    """
    try:
        return _load(source, text)
    except ReadError as error:
        raise ReadError(cleaned(error.what, 1000), cleaned(error.mend, 1000)) from error.__cause__


def _load(source: str, text: str | None) -> Loaded:
    if is_function_name(source):
        made = source_code.make(source, text)
        return Loaded(made.model, source, "python", made.path, made.lines, made.layers)
    path = Path(source)
    if path.suffix == ".py" and path.is_file():
        raise source_code.how_to_name(path)
    try:
        found = stored.read(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no valid file name"
        raise ReadError(f"cannot be read: {reason.lower()}", "check the path") from error
    model, notes = _built(found)
    return Loaded(model, source, found.format, path, notes=notes)


def _built(found: stored.Stored) -> tuple[Any, tuple[str, ...]]:
    compilation = found.config.pop("compile_config", None) if found.training is None else found.training
    is_legacy = "module" not in found.config
    if is_legacy:
        found.config["config"] = legacy.brought_up(found.config.get("config"))
    vet(found.config)
    _without_compilations(found.config)
    printable_names(found.config)
    make = legacy.model_of if is_legacy else _from_config
    with warnings.catch_warnings(), _built_once():
        warnings.simplefilter("ignore")
        try:
            model = build(lambda: make(copy.deepcopy(found.config)))  # Keras takes it apart
            _check_model(model)
            note = build(lambda: _compile(model, compilation, is_legacy=is_legacy)) if compilation else ""
        except ReadError:
            raise
        except RecursionError:
            raise ReadError("has a configuration nested too deeply to be built") from None
        except Exception as error:
            raise _failure(error) from error
    return model, tuple(one for one in (note, _left_out(model)) if one)


def _left_out(model: Any) -> str:
    """Return a sentence on what layers have learned from data before any training; empty where none does."""
    names = [layer.name for layer in model._flatten_layers(include_self=False) if type(layer).__name__ in _ADAPTED]
    if not names:
        return ""
    return f"Only the configuration was read: what {', '.join(names[:5])} took from data with adapt() is not known."


def _from_config(config: dict[str, Any]) -> Any:
    import keras
    from keras.src.saving.serialization_lib import ObjectSharingScope

    with ObjectSharingScope():  # as keras.saving.load_model has it: parts that layers share stay one
        return keras.saving.deserialize_keras_object(config, safe_mode=True)


@contextlib.contextmanager
def _built_once() -> Iterator[None]:
    """Let a Sequential be built when all its layers are there; Keras builds it anew with each, minutes for hundreds."""
    import keras

    add, from_config = keras.Sequential.add, vars(keras.Sequential)["from_config"]

    def added(model: Any, layer: Any, rebuild: bool = True) -> None:  # noqa: ARG001 - never before the last
        add(model, layer, rebuild=False)

    def from_whole_config(cls: type, config: Any, custom_objects: Any = None) -> Any:
        model = from_config.__func__(cls, config, custom_objects)
        if model._layers and not model.built:
            model._maybe_rebuild()
        return model

    keras.Sequential.add, keras.Sequential.from_config = added, classmethod(from_whole_config)
    try:
        yield
    finally:
        keras.Sequential.add, keras.Sequential.from_config = add, from_config


def _check_model(model: Any) -> None:
    import keras

    if not isinstance(model, keras.Model):
        raise ReadError(f"is the configuration of a {type(model).__name__}, and of no model", stored.SAVE_AGAIN)
    if not model.layers:
        raise ReadError("is the configuration of a model without layers", stored.SAVE_AGAIN)


def _compile(model: Any, compilation: Any, *, is_legacy: bool) -> str:
    """Compile a model as it was; return why that was not possible, empty where it was.

    Keras would make the optimizer's variables too: twice the weights, for nothing.
    """
    import keras

    try:
        vet(compilation)
        if is_legacy:
            settings = legacy.compilation_of(compilation)
        else:
            settings = keras.saving.deserialize_keras_object(compilation, safe_mode=True)
        model.compile(**{"optimizer": None, **settings})
    except UnknownPartError as error:
        return f"The model is looked at without its loss and optimizer: its compilation {error.what}."
    except ReadError:
        raise
    except Exception as error:
        return f"The model is looked at without its loss and optimizer, which could not be rebuilt: {_reason(error)}."
    return ""


def _without_compilations(config: Any) -> None:
    """Take the compilations of models within the model away: only the whole is trained."""
    if isinstance(config, dict):
        config.pop("compile_config", None)
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        _without_compilations(value)


def _failure(error: Exception) -> ReadError:
    cause: BaseException | None = error
    while cause is not None:  # Keras wraps what a constructor raises
        if isinstance(cause, ReadError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return ReadError(f"cannot be built from its configuration: {_reason(error)}", stored.SAVE_AGAIN)


def _reason(error: Exception) -> str:
    """Return what an exception of Keras says, its first sentence."""
    said = " ".join(re.split(r"Full object config|config=|\n\n", str(error))[0].split())
    said = re.split(r"(?<=[a-z')`])\. ", said)[0].rstrip(".")
    return (said if len(said) <= _LONGEST_REASON else said[: _LONGEST_REASON - 1] + "…") or type(error).__name__
