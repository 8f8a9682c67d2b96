"""Configurations as Keras 2 wrote them, and as HDF5 files still have them: they name classes without their modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from diagnose.audit.vetting import UnknownPartError

#: Settings of Keras 2's optimizers that Keras 3 does not know, and that do not matter before a training.
_GONE = ("decay", "is_legacy_optimizer", "jit_compile")
#: Metrics that Keras chooses by the shape of the output.
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


def brought_up(config: Any) -> Any:
    """Return a configuration with the tuples and shapes that it marks as plain lists, and its operations found.

    HDF5 files name an operation like ``x[:, 1:]`` by its class alone, by which Keras itself does not find it again.
    """
    if isinstance(config, list):
        return [brought_up(item) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") in ("__tuple__", "TensorShape") and isinstance(config.get("items"), list):
        return [brought_up(item) for item in config["items"]]
    new = {key: brought_up(value) for key, value in config.items()}
    inner = new.get("config")
    # Every layer tells its dtype, no operation does.
    if "inbound_nodes" in new and "module" not in new and isinstance(inner, dict) and "dtype" not in inner:
        module = _module_of_operation(new.get("class_name"))
        if module is not None:
            new |= {"module": module, "registered_name": None}
    return new


def _module_of_operation(name: Any) -> str | None:
    import keras

    for module in ("numpy", "core", "nn", "math", "linalg", "image", "einops"):
        found = vars(sys.modules.get(f"keras.src.ops.{module}", object)).get(name)
        if isinstance(found, type) and issubclass(found, keras.Operation):
            return f"keras.src.ops.{module}"
    return None


def model_of(config: dict[str, Any]) -> Any:
    """Build a configuration as Keras does when it loads an HDF5 file; it must have been vetted."""
    from keras.src.legacy.saving import saving_options, saving_utils
    from keras.src.saving.serialization_lib import SafeModeScope

    with saving_options.keras_option_scope(use_legacy_config=True), SafeModeScope(True):
        return saving_utils.model_from_config(config)


def compilation_of(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `compile` is to be given; the configuration must have been vetted.

    Raises
    ------
    UnknownPartError
        A loss or a metric is a function of the user's.
    """
    import keras

    optimizer = training.get("optimizer_config")
    if isinstance(optimizer, dict) and isinstance(optimizer.get("config"), dict):
        settings = {key: value for key, value in optimizer["config"].items() if key not in _GONE}
        optimizer = keras.optimizers.deserialize({**optimizer, "config": settings})
    metrics = {
        name: _part(training.get(name), keras.metrics.deserialize, keras.metrics.get)
        for name in ("metrics", "weighted_metrics")
    }
    return {
        "optimizer": optimizer,
        "loss": _part(training.get("loss"), keras.losses.deserialize, keras.losses.get),
        "loss_weights": training.get("loss_weights"),
        **metrics,
    }


def _part(config: Any, deserialize: Callable[[Any], Any], get: Callable[[Any], Any]) -> Any:
    """Return losses or metrics, in lists and by outputs as they are in the configuration."""
    if isinstance(config, str):
        try:
            known = config in _BY_SHAPE or get(config) is not None
        except (ValueError, TypeError):
            known = False
        if not known:
            raise UnknownPartError(f"names {config!r}, which is not Keras' own")
        return config
    if isinstance(config, list):
        return [_part(item, deserialize, get) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config:
        return {key: _part(value, deserialize, get) for key, value in config.items()}
    settings = config.get("config")
    if isinstance(settings, dict):
        if config["class_name"] == "MeanMetricWrapper" and isinstance(settings.get("fn"), str):
            return _part(settings["fn"], deserialize, get)
        if settings.get("reduction") == "auto":  # Keras 3 does not have it; it was the default
            settings = {key: value for key, value in settings.items() if key != "reduction"}
    return deserialize({**config, "config": settings})
