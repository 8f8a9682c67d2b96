"""Data sets of a training as inputs of its run in MLflow: one for each split, told apart by what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diagnose.tracking.dataset import DatasetRecord
from recipes.config import Config
from recipes.data import BUILTIN, Data, Split

#: What is read for a digest at most: bytes of a file, of an array, and of one of many files; and files of a folder.
_MOST_FILE, _MOST_ARRAY, _MOST_OF_EACH, _MOST_FILES = 64_000_000, 16_000_000, 65_536, 500
_BLOCK = 1_000_000
#: Columns that are named in a schema.
_MOST_COLUMNS = 2_000
#: Kinds of `recipes.data.Column` as MLflow calls them.
_TYPES = {"number": "double", "truth": "boolean", "date": "datetime", "category": "string"}


def of_recipe_data(data: Data, config: Config) -> tuple[DatasetRecord, ...]:
    """Return the splits of a training's data that have samples.

    Digests are of the content: of the file or the folder's files, else of the inputs, and of each split's targets and
    of where its samples come from. They are the same in another process and on another machine. Of more than 64 MB, or
    500 files, evenly spread parts are looked at.

    Parameters
    ----------
    data
        As `recipes.data.load_data` returns it.
    config
        By which it was loaded: names the source.
    """
    path = Path(config.data.source)
    is_file = config.data.source not in BUILTIN and (path.is_file() or path.is_dir())
    whole = _file_digest(path) if is_file and path.is_file() else b""
    scale = _scale(data)
    splits = {"training": data.train, "validation": data.validation, "test": data.test}
    return tuple(
        DatasetRecord(
            name=data.facts.name,
            digest=_digest(split, whole, path if is_file and path.is_dir() else None, scale),
            source_type="local" if is_file else "code",
            source=json.dumps(
                {"uri": config.data.source} if is_file else {"tags": {"mlflow.source.name": config.data.source}},
                ensure_ascii=False,
            ),
            schema=_schema(data, split),
            profile=_profile(data, split),
            context=context,
        )
        for context, split in splits.items()
        if len(split)
    )


def _schema(data: Data, split: Split) -> str:
    """Return inputs as MLflow describes columns, or arrays."""
    if data.columns:
        columns = [
            {"name": column.name, "type": _TYPES[column.kind], "required": False}
            for column in data.columns[:_MOST_COLUMNS]
        ]
        return json.dumps({"mlflow_colspec": columns}, ensure_ascii=False)
    features, targets = (
        json.dumps([{"type": "tensor", "tensor-spec": {"dtype": dtype.name, "shape": [-1, *shape]}}])
        for dtype, shape in ((split.x.dtype, data.facts.inputs.shape), (split.y.dtype, split.y.shape[1:]))
    )
    return json.dumps({"mlflow_tensorspec": {"features": features, "targets": targets}})


def _profile(data: Data, split: Split) -> str:
    task = data.facts.task
    profile: dict[str, Any] = {
        "samples": len(split),
        "task": str(task.kind),
        "inputs": " x ".join(map(str, data.facts.inputs.shape)),
    }
    if task.kind.is_classification:
        profile["classes"] = len(task.names)
    return json.dumps(profile, ensure_ascii=False)


def _digest(split: Split, whole: bytes, folder: Path | None, scale: bytes) -> str:
    """Return 16 hexadecimal digits of a split: `whole` is of the file that it is from, if it is from one."""
    digest = blake2b(whole, digest_size=8)
    digest.update(len(split).to_bytes(8, "little"))
    names = [str(name) for name in split.ids[_spread(len(split.ids), _MOST_ARRAY // 64)].tolist()]
    digest.update("\0".join(names).encode("utf-8", "replace"))
    digest.update(_bytes(split.y[_fitting(split.y)]))
    if folder is not None:
        for name in names[:: max(1, -(-len(names) // _MOST_FILES))]:
            digest.update(_file_digest(folder / name, _MOST_OF_EACH))
    elif not whole:
        digest.update(scale)
        digest.update(_bytes(split.inputs(_fitting(split.x, split.inputs(np.zeros(1, np.int64)).nbytes))))
    return digest.hexdigest()


def _scale(data: Data) -> bytes:
    """Return what standardizing has taken from the inputs: without it data in other units would look the same."""
    layers = data.preprocessing.layers if data.preprocessing is not None else ()
    taken = [
        (np.ravel(layer.input_mean).tolist(), np.ravel(layer.input_variance).tolist())
        for layer in layers
        if layer.name == "standardization"
    ]
    # Of sums over all samples the last digits depend on the processor.
    return repr([[f"{value:.6g}" for value in values] for pair in taken for values in pair]).encode()


def _file_digest(path: Path, most: int = _MOST_FILE) -> bytes:
    """Return a digest of a file's size and content, of evenly spread blocks if it is long; nothing without a file."""
    digest = blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            for part in _parts(file, path.stat().st_size, most):
                digest.update(part)
    except OSError:
        return b""
    return digest.digest()


def _parts(file: Any, size: int, most: int) -> Iterator[bytes]:
    yield size.to_bytes(8, "little")
    block = min(_BLOCK, most)
    blocks = -(-size // block)
    for number in _spread(blocks, most // block).tolist():
        file.seek(number * block)
        yield file.read(block)


def _fitting(values: Any, row_bytes: int = 0) -> NDArray[np.int64]:
    """Return the numbers of rows that are looked at, evenly spread."""
    row_bytes = row_bytes or values[:1].nbytes
    return _spread(len(values), max(1, _MOST_ARRAY // max(1, row_bytes)))


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """Return at most so many numbers below `count`, evenly spread, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64) if count else np.empty(0, np.int64)


def _bytes(array: NDArray[Any]) -> bytes:
    """Return an array's content as it is on every machine."""
    if array.dtype.kind in "OSU":
        return "\0".join(map(str, array.ravel().tolist())).encode("utf-8", "replace")
    shape = ",".join(map(str, array.shape)).encode()
    return shape + np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
