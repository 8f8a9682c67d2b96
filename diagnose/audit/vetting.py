"""Which configurations may be built: those that name Keras' own parts, and parts that the user's process registered.

Keras' safe mode refuses pickled code, and little else: a configuration can also name any class or function of Keras,
those that read files, download or load other models among them (CVE-2024-3660, CVE-2025-1550, CVE-2025-8747,
CVE-2025-9905, CVE-2025-9906, CVE-2025-12058). So what may be named is listed here, and everything else is refused
before anything is built.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from diagnose.audit.stored import SAVE_AGAIN
from diagnose.readers.base import ReadError
from diagnose.readers.columns import printable

#: Objects within objects; each model in a model takes four.
MAX_DEPTH = 200
#: Objects that are built: a model of a thousand layers has some six thousand.
MAX_OBJECTS = 100_000
#: Any size, count or axis that a setting states.
MAX_SIZE = 100_000_000
#: Settings of which Keras makes an array, or a list, without it being a weight.
MAX_BY_SETTING = {"num_thresholds": 1_000_000, "fft_length": 16_384, "frame_length": 16_384, "num_mel_bins": 16_384}
#: Numbers in all variables: 2 GB in float32. The largest of keras.applications has 350 million.
MAX_PARAMETERS = 500_000_000
#: From here on a model is built twice, first without a single number.
MANY_PARAMETERS = 50_000_000
#: Whole numbers that are no sizes.
_NO_SIZES = (
    "seed", "shared_object_id", "decay_steps", "first_decay_steps", "warmup_steps", "boundaries", "mask_value", "value",
)  # fmt: skip

#: Where Keras' own parts are; ``keras`` itself has Sequential, Model, DTypePolicy ...
_PUBLIC = (
    "keras", "keras.layers", "keras.models", "keras.initializers", "keras.regularizers", "keras.constraints",
    "keras.losses", "keras.metrics", "keras.optimizers", "keras.optimizers.schedules", "keras.dtype_policies",
    "keras.quantizers", "keras.random", "keras.activations",
)  # fmt: skip
#: Where Keras keeps classes that a graph can hold and that have no public name: operations, Functional.
_INTERNAL = tuple(
    f"keras.src.{name}."
    for name in (
        "layers", "models", "ops", "initializers", "regularizers", "constraints", "losses", "metrics", "optimizers",
        "dtype_policies", "quantizers", "random", "activations", "applications",
    )
)  # fmt: skip
_OF_FUNCTIONS = (
    "keras.activations", "keras.losses", "keras.metrics", "keras.ops", "keras.ops.nn", "keras.ops.numpy",
    "keras.ops.image", "keras.ops.linalg", "keras.initializers", "keras.regularizers", "keras.constraints",
)  # fmt: skip
#: Parts of Keras that run code which the configuration carries, or read what it points to: name -> what it does.
_REFUSED = {
    "Lambda": "holds Python code that would run when the model is loaded",
    "__lambda__": "holds Python code that would run when the model is loaded",
    "TFSMLayer": "loads a SavedModel from a path that the file names",
    "TorchModuleWrapper": "unpickles code",
    "JaxLayer": "calls code from outside of Keras",
    "FlaxLayer": "calls code from outside of Keras",
    "FeatureSpace": "makes layers of its own",
}
#: Settings by which a part of Keras reads a file where their value is a text.
_PATHS = frozenset({"vocabulary", "idf_weights", "filepath", "file_path", "fpath", "fname"})
#: How Keras writes values that JSON does not have.
_VALUES = frozenset({
    "__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__", "TensorShape",
})  # fmt: skip
_DTYPES = frozenset({
    "bool", "string", "bfloat16", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16",
    "uint32", "uint64",
})  # fmt: skip
#: Functions beside Keras' layers, which Keras' loader of old files takes for values of that name.
_NO_VALUES = frozenset({"deserialize", "serialize", "get", "keras_export"})


class UnknownPartError(ReadError):
    """A configuration names a part that is neither Keras' nor registered."""


def vet(config: Any) -> None:
    """Let a configuration pass that names only what may be built; call it before anything is built.

    Raises
    ------
    UnknownPartError
        It names a part that is neither Keras' nor registered in this process.
    ReadError
        It names what runs code or reads files, or is too large; says what.
    """
    objects = 0
    for key, value, holder in _values(config):
        if isinstance(value, dict):
            objects += 1
            if "class_name" in value:
                _check_object(value)
            if value.get("inbound_nodes"):
                _check_calls(value["inbound_nodes"])
        elif isinstance(value, str):
            _check_text(key, value)
        elif isinstance(value, int) and not isinstance(value, bool):
            _check_size(key, value, holder)
        if objects > MAX_OBJECTS:
            raise ReadError(f"has a configuration of more than {MAX_OBJECTS:,} objects, too large a model to look at")


def _values(config: Any) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Yield (the setting's name, value, the object that it stands in) of every value; items of lists as ``name[]``."""
    waiting: list[tuple[str, Any, Mapping[str, Any], int]] = [("", config, {}, 0)]
    while waiting:
        key, value, holder, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ReadError(f"has a configuration nested more than {MAX_DEPTH} deep, which no model needs")
        yield key, value, holder
        if isinstance(value, dict):
            waiting += [(name, item, value, depth + 1) for name, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{key.removesuffix('[]')}[]", item, holder, depth + 1) for item in value]


def _check_object(config: Mapping[str, Any]) -> None:
    name, module, registered = config["class_name"], config.get("module"), config.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str | None) or not isinstance(registered, str | None):
        raise ReadError("has a configuration that does not name its classes with texts", SAVE_AGAIN)
    if name in _VALUES:
        inner = config.get("config")
        dtype = inner.get("dtype", "float32") if isinstance(inner, dict) else "float32"
        if dtype not in _DTYPES:
            raise ReadError(f"has a value of the unknown type {_shown(dtype)} in its configuration", SAVE_AGAIN)
        return
    if name in _REFUSED:
        raise _refusal(name)
    if name == "function":
        _check_function(config.get("config"), module)
    elif not (_is_registered(registered if "registered_name" in config else name) or _is_keras_class(name, module)):
        raise _unknown(f"{module}.{name}" if module and not _is_keras(module) else name, module)


def _check_calls(nodes: Any) -> None:
    """Let calls pass that are given a tensor of the graph: any other would be computed, however much comes of it."""
    for call in nodes if isinstance(nodes, list) else [nodes]:
        if isinstance(call, dict) and not _has_tensor([call.get("args"), call.get("kwargs")]):
            raise ReadError("has a layer that is called on numbers, and on nothing of the model", SAVE_AGAIN)


def _has_tensor(arguments: list[Any]) -> bool:
    waiting = arguments
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict) and "class_name" not in value:
            waiting += value.values()
        elif isinstance(value, dict) and value["class_name"] == "__keras_tensor__" and "config" in value:
            return True
    return False


def _check_function(name: Any, module: str | None) -> None:
    if not isinstance(name, str):
        raise ReadError("has a configuration that names a function without a text", SAVE_AGAIN)
    if _is_registered(name):
        return
    places = [place for place in _OF_FUNCTIONS if module in (place, "builtins", None)]
    if name in _NO_VALUES or not any(inspect.isfunction(_attribute(place, name)) for place in places):
        raise _unknown(f"{module}.{name}" if module not in (None, "builtins") else name, module)


def _check_text(key: str, value: str) -> None:
    if key in _PATHS and value not in ("", "int", "float"):
        raise ReadError(
            f"names a file to read in its configuration ({key}: {_shown(value)}), which is not done", SAVE_AGAIN
        )
    if value in _NO_VALUES and key != "name" and not key.endswith("[]"):
        raise ReadError(f"has a setting {_shown(key)} with the value {value!r}, which Keras would call", SAVE_AGAIN)


def _check_size(key: str, value: int, holder: Mapping[str, Any]) -> None:
    key = key.removesuffix("[]")
    most = MAX_BY_SETTING.get(key, MAX_SIZE)
    is_size = not key.endswith(_NO_SIZES) and not ("dtype" in holder and key == "config")
    if abs(value) > most and is_size:
        raise ReadError(
            f"has a setting {_shown(key)} of {value:,}, more than this audit builds ({most:,})",
            "check that number; nothing was allocated",
        )


def _is_keras_class(name: str, module: str | None) -> bool:
    """Whether Keras has such a part, and it is one of which models are made."""
    if module is None:
        places: tuple[str, ...] = (*_PUBLIC, "keras.src.models.functional")  # of Keras 2, and of HDF5 files
    elif module in _PUBLIC or module.startswith(_INTERNAL):
        places = (module,)
    else:
        return False
    found = [_attribute(place, name) for place in places]
    return any(inspect.isclass(one) and issubclass(one, _bases()) and one.__name__ not in _REFUSED for one in found)


def _bases() -> tuple[type, ...]:
    import keras

    return (
        keras.Operation, keras.Initializer, keras.Regularizer, keras.constraints.Constraint, keras.Loss, keras.Metric,
        keras.Optimizer, keras.optimizers.schedules.LearningRateSchedule, keras.DTypePolicy,
        keras.dtype_policies.DTypePolicyMap, keras.random.SeedGenerator, keras.Quantizer,
    )  # fmt: skip


def _attribute(module: str, name: str) -> Any:
    """Return what a module of Keras has under a name; nothing is imported for it."""
    import keras  # noqa: F401

    return vars(sys.modules[module]).get(name) if module in sys.modules else None


def _is_registered(name: str | None) -> bool:
    """Whether the user's process has registered a part under this name; libraries on Keras read files of their own."""
    import keras

    found = keras.saving.get_custom_objects().get(name)
    return found is not None and not str(getattr(found, "__module__", "")).startswith("keras")


def _is_keras(module: str) -> bool:
    return module == "keras" or module.startswith("keras.")


def _refusal(name: str) -> ReadError:
    what = "a Lambda" if name == "__lambda__" else f"a {name} layer" if not name.endswith("Layer") else f"a {name}"
    return ReadError(
        f"has {what}, which {_REFUSED[name]}; it is not loaded",
        "if you trust it, name the function that makes it: my_model.py:build",
    )


def _unknown(name: str, module: str | None) -> ReadError:
    if module is not None and _is_keras(module):
        return ReadError(
            f"names {_shown(f'{module}.{name}')}, which is not a part of which Keras models are made",
            "where another version of Keras wrote it, save the model again with this one",
        )
    return UnknownPartError(
        f"names {_shown(name)}, which is not Keras' own",
        "if it is yours, name the function that makes the model, whose module is then imported: my_model.py:build",
    )


def _shown(value: Any) -> str:
    text = printable(str(value))
    return repr(text if len(text) <= 100 else text[:99] + "…")


def printable_names(config: Any) -> None:
    """Give layers whose names have characters that no terminal should be given, others; in place."""
    held: list[Any] = [value for _, value, _ in _values(config) if isinstance(value, dict | list)]
    bad = {
        one["name"] for one in held if isinstance(one, dict) and isinstance(one.get("name"), str)
        and not one["name"].isprintable()
    }  # fmt: skip
    if not bad:
        return
    for one in held:
        for key, value in [*(one.items() if isinstance(one, dict) else enumerate(one))]:
            if isinstance(value, str) and value in bad:
                one[key] = printable(value) or "_"


def build(make: Callable[[], Any]) -> Any:
    """Return what a function builds, where its variables stay within `MAX_PARAMETERS`.

    Few variables are made at once. Before many are, they are counted without any of them being allocated, for the one
    that is too large may come last.

    Parameters
    ----------
    make
        Builds a model; may be called up to three times.

    Raises
    ------
    ReadError
        There would be more variables.
    """
    try:
        with _counted(MANY_PARAMETERS):
            return make()
    except _ManyError:
        pass
    try:
        with _counted(MAX_PARAMETERS), _unallocated():
            make()
        with _counted(MAX_PARAMETERS):
            return make()
    except _ManyError:
        raise ReadError(
            f"has more than {MAX_PARAMETERS:,} parameters, too many to build it for an audit",
            "check the sizes of its layers, or name the function that makes it: my_model.py:build",
        ) from None


class _ManyError(BaseException):
    """Too many parameters; no exception, for Keras catches and rewords those."""


@contextmanager
def _counted(limit: int) -> Iterator[None]:
    """Raise before a variable is made with which there are more than so many numbers."""
    import keras

    owner = next(cls for cls in keras.Variable.__mro__ if "__init__" in vars(cls))
    original: Callable[..., None] = owner.__init__
    made = 0

    def counted(self: Any, initializer: Any, shape: Any = None, *more: Any, **named: Any) -> None:
        nonlocal made
        if isinstance(shape, list | tuple) and all(isinstance(size, int) for size in shape):
            made += math.prod(shape)
            if made > limit:
                raise _ManyError
        original(self, initializer, shape, *more, **named)

    owner.__init__ = counted
    try:
        yield
    finally:
        owner.__init__ = original


@contextmanager
def _unallocated() -> Iterator[None]:
    """Make variables without their numbers, as Keras does when it traces; what fails so is left to the real attempt."""
    import keras
    from keras.src.backend.common import global_state

    waiting = "uninitialized_variables"  # Keras would make them up for at the end of the next such scope
    before = [*(global_state.get_global_attribute(waiting) or ())]
    try:
        with suppress(Exception), keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(waiting, before)
