"""A Keras model before its training: a .keras archive, HDF5, a SavedModel, JSON, or ``my_model.py:build``.

Whether something is a model is told by its first bytes; Keras is imported only to read it, by `diagnose.audit`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from diagnose.readers.base import Document, Roles
from diagnose.run import Run

FORMAT = "keras-model"

_ZIP = b"PK\x03\x04"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
#: What names a stored model.
SUFFIXES = (".keras", ".h5", ".hdf5")
#: What an archive of Keras begins with; Keras writes them in this order.
_ENTRIES = (b"metadata.json", b"config.json", b"model.weights.h5")
_CONFIG = re.compile(r'"class_name"\s*:')
_LAYERS = re.compile(r'"(layers|keras_version|registered_name|build_input_shape|input_layers)"\s*:')
_FUNCTION = re.compile(r"(?:.+\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*):[^\W\d]\w*(?:\.[^\W\d]\w*)*", re.DOTALL)


def is_function_name(source: str) -> bool:
    """Whether a source names a function, ``my_model.py:build`` or ``package.module:build``, and no file."""
    return _FUNCTION.fullmatch(source) is not None and not source.startswith("mlflow:") and not os.path.exists(source)


def matches(document: Document) -> bool:
    """Whether this is a model; what comes from standard input is none, for Keras loads files."""
    path = document.path
    if path is None:
        return False
    if document.is_directory:
        return _is_saved_model(path) or _is_unpacked(path)
    if path.suffix == ".py":
        return True
    head = document.head
    if head.startswith(_ZIP):
        return path.suffix == ".keras" or sum(name in head for name in _ENTRIES) > 1
    if head.startswith(_PICKLES):
        return path.suffix in SUFFIXES
    return head.startswith(_HDF5) or _is_config(document)


def read(document: Document, roles: Roles) -> list[Run]:  # noqa: ARG001 - a model has no columns
    """Return the model as a run that is planned.

    Raises
    ------
    ReadError
        It cannot be loaded, or Keras is not installed.
    """
    return read_model(document.source)


def read_model(model: object) -> list[Run]:
    """Return a Keras model, or what a path or the name of a function stands for, as a run that is planned."""
    from diagnose.audit import audit

    return [audit(model)]


def _is_saved_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("saved_model.pb", "keras_metadata.pb"))


def _is_unpacked(folder: Path) -> bool:
    """Whether a folder is a .keras archive unpacked."""
    config = folder / "config.json"
    return (
        config.is_file()
        and ((folder / "metadata.json").is_file() or (folder / "model.weights.h5").is_file())
        and _is_config(Document(str(config), path=config))
    )


def _is_config(document: Document) -> bool:
    text = document.head_text
    return text.lstrip()[:1] == "{" and _CONFIG.search(text) is not None and _LAYERS.search(text) is not None
