"""What is known of a training beside its curves: the content of ``run.json``.

Whatever a model is made of, nothing here raises: a piece that cannot be told is left out, and the others stay. Names of
machines, users and folders are not recorded, for logs are passed on.
"""

from __future__ import annotations

import errno
import json
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np

from diagnose import __version__
from diagnose.live.anatomy import WatchedLayer, layers_of
from diagnose.readers.columns import printable
from diagnose.readers.curves import FACTS_SCHEMA, MAX_CONFIG_BYTES, facts_in

SCHEMA = f"{FACTS_SCHEMA}1"
#: Layers that are described.
MAX_LAYERS = 2_000
#: Trainings before this one that are remembered.
MAX_EARLIER = 20
#: What is remembered of them.
_EARLIER = ("started", "ended", "stopped", "epochs")
#: Longer lists, mappings and texts are cut: a schedule may have a boundary for each step.
_MAX_ITEMS, _MAX_TEXT, _MAX_DEPTH = 100, 500, 8

_ONE_OF_MANY = frozenset(
    ("sparse_categorical_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy")
)
_ONE_OF_TWO = frozenset(("binary_crossentropy", "binary_focal_crossentropy"))
#: Keras takes the one or the other by the number of units.
_ANY = frozenset(("crossentropy", "ce"))
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

Facts = dict[str, Any]


def facts_of(model: keras.Model) -> Facts:
    """Return what a compiled model tells of the training that begins.

    Returns
    -------
    dict
        Ready for strict JSON. Under the names that readers and checks know: ``loss`` (a name, or one for each output),
        ``optimizer``, ``learning_rate``, ``classes``; and ``schema``, ``started`` (UTC), ``architecture`` (see
        `_described`), ``parameters``, ``optimizer_config``, ``metrics``, ``versions``, ``seeds``, ``environment``.
        What cannot be told is not there.
    """
    facts: Facts = {"schema": SCHEMA, "started": datetime.now(UTC).isoformat()}
    pieces: Mapping[str, Callable[[], Any]] = {
        "model": lambda: {"name": model.name, "class": type(model).__name__},
        "loss": lambda: _losses(model),
        "from_logits": lambda: model.loss.get_config()["from_logits"],
        "metrics": lambda: _metrics(model),
        "classes": lambda: _classes(model),
        "optimizer": lambda: type(inner_optimizer(model.optimizer)).__name__.lower(),
        "learning_rate": lambda: short(keras.ops.convert_to_numpy(inner_optimizer(model.optimizer).learning_rate)),
        "optimizer_config": lambda: _optimizer_config(model.optimizer),
        "parameters": lambda: {"total": model.count_params(), "trainable": _count(model.trainable_variables)},
        "versions": _versions,
        "seeds": _seeds,
        "environment": lambda: _environment(model),
    }
    for name, piece in pieces.items():
        with suppress(Exception):
            value = piece()
            if value is not None and value != {}:
                facts[name] = plain(value)
    with suppress(Exception):
        layers = layers_of(model)
        facts["architecture"] = [_described(layer) for layer in layers[:MAX_LAYERS]]
        facts["layers"] = len(layers)
    return facts


def data_facts(
    inputs: Any,
    *,
    samples: int | None = None,
    batch_size: int | None = None,
    steps_per_epoch: int | None = None,
) -> Facts:
    """Return what is known of the data.

    Parameters
    ----------
    inputs
        A batch: an array, or any structure of arrays; None where there is none.
    samples, batch_size, steps_per_epoch
        As far as they are known.

    Returns
    -------
    dict
        The three numbers, and ``inputs``: for each array its name, shape without the batch, dtype, and the smallest,
        largest, mean and standard deviation of its finite values.
    """
    counts = {"samples": samples, "batch_size": batch_size, "steps_per_epoch": steps_per_epoch}
    facts: Facts = {name: int(count) for name, count in counts.items() if count}
    with suppress(Exception):
        arrays = keras.tree.flatten_with_path(inputs)
        described = [_measured("/".join(map(str, path)), array) for path, array in arrays if array is not None]
        if described:
            facts["inputs"] = described[:_MAX_ITEMS]
    return facts


def write_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Write ``run.json`` in one step; facts of a training before this one are remembered in ``earlier``.

    Parameters
    ----------
    path
        The file.
    facts
        All that is known of this training so far; ``started`` tells it from others.

    Raises
    ------
    OSError
        It cannot be written, or is a file that is not Monitor's: that stays as it is.
    """
    before = facts_in(path)
    if before is None and os.path.lexists(path) and os.path.getsize(path):
        raise FileExistsError(errno.EEXIST, "a file that Monitor did not write has this name", str(path))
    content = {**plain(facts, _MAX_DEPTH, MAX_LAYERS), "earlier": _earlier(before or {}, facts)}
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(_json(content))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def plain(value: Any, depth: int = _MAX_DEPTH, items: int = _MAX_ITEMS) -> Any:
    """Return a value as strict JSON can hold it; what that cannot hold is named by its type.

    Parameters
    ----------
    value
        Anything.
    depth
        Levels below this one that are kept.
    items
        Members of a list or mapping that are kept.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return printable(value)[:_MAX_TEXT]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(type(value).__name__)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping) and depth:
        members = islice(value.items(), items)
        return {printable(str(name))[:_MAX_TEXT]: plain(member, depth - 1, items) for name, member in members}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [plain(member, depth - 1, items) for member in islice(value, items)]
    return printable(type(value).__name__)


def _earlier(before: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Any]:
    told = before.get("earlier")
    earlier = [training for training in told if isinstance(training, dict)] if isinstance(told, list) else []
    if before and before.get("started") != facts.get("started"):
        earlier.append({name: before[name] for name in _EARLIER if name in before})
    kept: list[Any] = plain(earlier[-MAX_EARLIER:])
    return kept


def _json(content: Facts) -> bytes:
    """Return the content as JSON that readers take: they look at no larger one than `MAX_CONFIG_BYTES`."""
    while True:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        layers = content.get("architecture")
        if len(text) < MAX_CONFIG_BYTES or not layers:
            return text
        content = {**content, "architecture": layers[: len(layers) // 2]}


# The model


def _described(layer: WatchedLayer) -> Facts:
    """Return what is told of a layer.

    ``name`` (as in the log), ``class``, ``activation``, ``initializer`` and its settings, ``bias_initializer``,
    ``output_shape``, ``parameters`` (that training could change) and whether it is ``trainable``.
    """
    operation = layer.operation
    facts: Facts = {"name": plain(layer.name), "class": type(operation).__name__}
    variables = (*layer.trained, *layer.frozen)
    pieces: Mapping[str, Callable[[], Any]] = {
        "activation": lambda: called(operation.activation),
        "initializer": lambda: called(initializer_of(operation)),
        "initializer_config": lambda: settings_of(initializer_of(operation)),
        "bias_initializer": lambda: called(operation.bias_initializer) if operation.bias is not None else None,
        "output_shape": lambda: keras.tree.map_structure(lambda tensor: list(tensor.shape), operation.output),
        "parameters": lambda: _count(variables) if variables else None,
        "trainable": lambda: bool(layer.trained) if variables else None,
    }
    for name, piece in pieces.items():
        with suppress(Exception):
            value = piece()
            if value is not None and value != {}:
                facts[name] = plain(value)
    return facts


def initializer_of(operation: keras.Operation) -> Any:
    """Return the initializer of a layer's kernel, depthwise kernel or embeddings.

    Raises
    ------
    AttributeError
        It has none.
    """
    for name in ("kernel_initializer", "depthwise_initializer", "embeddings_initializer"):
        if getattr(operation, name, None) is not None:
            return getattr(operation, name)
    raise AttributeError("has no initializer")


def settings_of(configurable: Any) -> Facts:
    """Return the settings of an initializer or the like, without its seed and what is None."""
    return {name: value for name, value in configurable.get_config().items() if name != "seed" and value is not None}


def called(described: Any) -> str:
    """Return what Keras calls a function or an object: ``relu``, ``he_normal``, ``mean_squared_error``."""
    if isinstance(described, str):
        return described
    function = getattr(described, "fn", None) if isinstance(described, keras.losses.Loss) else described
    name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", None)
    return str(name).strip("<>") if name else _HUMP.sub("_", type(described).__name__).lower()


def loss_name(loss: Any) -> str:
    """Return the full name of a loss, which may be given as ``mse``."""
    if isinstance(loss, str) and loss not in _ANY:
        loss = keras.losses.get(loss)
    return called(loss)


def _losses(model: keras.Model) -> str | dict[str, str] | None:
    loss = model.loss
    if isinstance(loss, list | tuple):
        names = getattr(model, "output_names", None) or range(len(loss))
        loss = {str(name): one for name, one in zip(names, loss, strict=False)}
        if len(loss) == 1:
            (loss,) = loss.values()
    if isinstance(loss, Mapping):
        return {str(name): loss_name(one) for name, one in loss.items() if one is not None}
    return None if loss is None else loss_name(loss)


def _metrics(model: keras.Model) -> list[str]:
    metrics = model._compile_config.config.get("metrics")
    return [called(m) if not isinstance(m, keras.metrics.Metric) else m.name for m in keras.tree.flatten(metrics) if m]


def _classes(model: keras.Model) -> int | None:
    """Return the number of classes, by the loss and the units of the one output."""
    loss = _losses(model)
    units = model.output_shape[-1]
    if loss in _ONE_OF_MANY or (loss in _ANY and units > 1):
        return units if units > 1 else None
    return 2 if loss in _ONE_OF_TWO | _ANY and units == 1 else None


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimizer that takes the steps: under mixed precision it is inside one that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _optimizer_config(optimizer: Any) -> Facts:
    inner = inner_optimizer(optimizer)
    config: Facts = {name: value for name, value in inner.get_config().items() if value is not None}
    schedule = getattr(inner, "_learning_rate", None)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        config["learning_rate"] = {"class": type(schedule).__name__, **schedule.get_config()}
    if inner is not optimizer:
        config["loss_scaling"] = type(optimizer).__name__
    return config


def short(value: Any) -> float:
    """Return a number without the digits that are but the rounding of 32-bit floats: 0.1 for 0.10000000149."""
    return float(f"{float(value):.7g}")


def _count(variables: Sequence[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


# The data


def _measured(name: str, array: Any) -> Facts:
    values = np.asarray(array)
    facts: Facts = {"name": plain(name), "shape": list(values.shape[1:]), "dtype": str(values.dtype)}
    with suppress(Exception):
        numbers = values.astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        if finite.size < numbers.size:
            facts["not_finite"] = 1 - finite.size / numbers.size
        if finite.size:
            facts |= {key: short(getattr(np, key)(finite)) for key in ("min", "max", "mean", "std")}
    return facts


# The surroundings


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "kerasdx": __version__}
    for name in ("keras", "tensorflow", "jax", "torch", "numpy"):
        if name in sys.modules:
            versions[name] = str(getattr(sys.modules[name], "__version__", ""))
    return {name: version for name, version in versions.items() if version}


def _seeds() -> dict[str, int]:
    """Return the seeds that were set; Keras and TensorFlow have no public way to ask for them."""
    seeds = {}
    with suppress(Exception):
        from keras.src.utils.rng_utils import get_random_seed

        seeds["keras"] = get_random_seed()
    with suppress(Exception):
        seeds["tensorflow"] = sys.modules["tensorflow.python.eager.context"].global_seed()
    return {name: int(seed) for name, seed in seeds.items() if seed is not None}


def _environment(model: keras.Model) -> Facts:
    environment: Facts = {"platform": platform.platform(), "cpus": os.cpu_count()}
    pieces: Mapping[str, Callable[[], Any]] = {
        "backend": keras.backend.backend,
        "devices": lambda: _devices(),
        "dtype_policy": lambda: model.dtype_policy.name,
        "jit_compile": lambda: bool(model.jit_compile),
        "run_eagerly": lambda: bool(model.run_eagerly),
        "steps_per_execution": lambda: int(model.steps_per_execution),
        "strategy": lambda: type(model.distribute_strategy).__name__.lstrip("_"),
        "replicas": lambda: int(model.distribute_strategy.num_replicas_in_sync),
    }
    for name, piece in pieces.items():
        with suppress(Exception):
            environment[name] = piece()
    return environment


def _devices() -> list[str]:
    """Return what there is to compute on, with the make of each GPU where TensorFlow tells it."""
    devices = list(keras.distribution.list_devices())
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or keras.backend.backend() != "tensorflow":
        return devices
    for i, gpu in enumerate(tensorflow.config.list_physical_devices("GPU")):
        with suppress(Exception):
            make = tensorflow.config.experimental.get_device_details(gpu)["device_name"]
            devices = [f"{device} ({make})" if device == f"gpu:{i}" else device for device in devices]
    return devices
