"""How a Keras model is compiled, as plain data: the losses and metrics of its outputs, its optimizer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import keras
import numpy as np

from diagnose.audit.configuration import plain_settings
from diagnose.blueprint import Loss, Optimizer
from diagnose.live.facts import called, inner_optimizer, loss_name, short

#: What only says how losses of samples are joined, or what they are called.
_NO_SETTINGS = frozenset(("name", "reduction", "dtype", "from_logits", "fn"))


def losses_of(model: keras.Model, names: Sequence[str]) -> list[Loss | None]:
    """Return the loss of each output; None where it has none.

    Parameters
    ----------
    model
        Compiled or not.
    names
        Of its outputs, in order.
    """
    return [None if one is None else _loss(one) for one in given_losses(model, names)]


def given_losses(model: keras.Model, names: Sequence[str]) -> list[Any]:
    """Return what was given to ``compile`` as the loss of each output; None where it has none."""
    return _for_each(getattr(model, "loss", None) if getattr(model, "compiled", False) else None, model, names)


def metrics_of(model: keras.Model, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the full names of the metrics of each output."""
    return [tuple(dict.fromkeys(map(_metric_name, given))) for given in _metrics(model, names)]


def thresholds_of(model: keras.Model, names: Sequence[str]) -> list[dict[str, tuple[float, float]]]:
    """Return the least and the largest threshold of the metrics of each output that have some."""
    found = [{_metric_name(metric): _thresholds(metric) for metric in given} for given in _metrics(model, names)]
    return [{name: (min(cuts), max(cuts)) for name, cuts in one.items() if cuts} for one in found]


def _metrics(model: keras.Model, names: Sequence[str]) -> list[list[Any]]:
    compiled = getattr(model, "_compile_metrics", None)
    found: list[list[Any]] = [[] for _ in names]
    for attribute in ("_user_metrics", "_user_weighted_metrics"):
        for at, given in enumerate(_for_each(getattr(compiled, attribute, None), model, names)):
            found[at] += [metric for metric in keras.tree.flatten(given) if metric is not None]
    return found


def _thresholds(metric: Any) -> list[float]:
    """Return above which numbers a metric takes an output for a yes; none where it takes logits, or no decision."""
    with suppress(Exception):  # a name that Keras does not know, a metric of the user's
        metric = keras.metrics.get(metric) if isinstance(metric, str) and metric not in ("acc", "accuracy") else metric
        if getattr(metric, "from_logits", False) or getattr(metric, "_from_logits", False):  # AUC has it as its own
            return []
        cuts = [getattr(metric, name, None) for name in ("threshold", "thresholds")]
        if callable(metric) and not isinstance(metric, keras.metrics.Metric):
            threshold = inspect.signature(metric).parameters.get("threshold")
            cuts.append(None if threshold is None else threshold.default)
        return [float(cut) for cut in np.ravel([cut for cut in cuts if cut is not None])]
    return []


def optimizer_of(model: keras.Model) -> Optimizer | None:
    """Return the optimizer that takes the steps, with the learning rate of its first one; None without one."""
    outer = getattr(model, "optimizer", None) if getattr(model, "compiled", False) else None
    if outer is None:
        return None
    optimizer = inner_optimizer(outer)
    settings: dict[str, Any] = {}
    with suppress(Exception):  # an optimizer of the user's may have no configuration
        settings = plain_settings(optimizer.get_config())
    settings.pop("learning_rate", None)
    rate: Any = getattr(optimizer, "_learning_rate", None)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        settings["schedule"] = type(rate).__name__
    settings = {key: value for key, value in settings.items() if value is not None}
    return Optimizer(type(optimizer).__name__.lower(), _first_rate(optimizer, rate), settings)


def _first_rate(optimizer: Any, rate: Any) -> float | None:
    """Return the learning rate of the first step, whatever it is given by."""
    with suppress(Exception):  # a schedule of the user's
        is_schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
        return short(keras.ops.convert_to_numpy(rate(0) if is_schedule else optimizer.learning_rate))
    return None


def _for_each(given: Any, model: keras.Model, names: Sequence[str]) -> list[Any]:
    """Return what was given to ``compile`` for each output: one for all, one for each, or by name."""
    if isinstance(given, Mapping):
        keys = _keys(model, names)
        return [next((given[key] for key in alike if key in given), None) for alike in keys]
    if isinstance(given, list | tuple) and len(names) > 1:
        flat = list(given)
        return flat if len(flat) == len(names) else [flat if len(flat) > 1 else flat[0] if flat else None] * len(names)
    if isinstance(given, list | tuple) and len(given) == 1:
        given = given[0]
    return [given] * len(names)


def _keys(model: keras.Model, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return by which names each output may be called: its layer's, and its key where the model returns a mapping."""
    with suppress(Exception):
        paths = keras.tree.flatten_with_path(model._outputs_struct)
        if len(paths) == len(names):
            return [(name, "/".join(map(str, path))) for name, (path, _) in zip(names, paths, strict=True)]
    return [(name,) for name in names]


def _loss(given: Any) -> Loss:
    name = loss_name(given)
    with suppress(Exception):  # a name that Keras does not know stays what it is
        given = keras.losses.get(given) if isinstance(given, str) else given
    settings: dict[str, Any] = {}
    if isinstance(given, partial):
        settings = dict(given.keywords)
        name, given = called(given.func), given.func
    with suppress(Exception):  # a loss of the user's may have no configuration
        settings |= (
            getattr(given, "_fn_kwargs", {}) | given.get_config() if isinstance(given, keras.losses.Loss) else {}
        )
    return Loss(
        name,
        is_custom=_is_custom(given),
        from_logits=settings.get("from_logits") is True,
        settings=plain_settings({key: value for key, value in settings.items() if key not in _NO_SETTINGS}),
    )


def _is_custom(loss: Any) -> bool:
    """Whether Keras does not have it."""
    if isinstance(loss, str):
        return False
    function = getattr(loss, "fn", None) or loss
    described = type(loss) if isinstance(loss, keras.losses.Loss) else function
    modules = (getattr(described, "__module__", ""), getattr(function, "__module__", ""))
    return not all(str(module).startswith("keras.") for module in modules)


def _metric_name(metric: Any) -> str:
    """Return what Keras calls a metric: ``acc`` is ``accuracy``, ``AUC()`` is ``auc``."""
    if isinstance(metric, str):
        return _full_name(metric)
    is_function = type(metric) is keras.metrics.MeanMetricWrapper
    return called(metric._fn if is_function else metric)


def _full_name(name: str) -> str:
    if name in ("acc", "accuracy"):
        return "accuracy"
    if name not in ("ce", "crossentropy"):  # the one or the other by the number of units
        with suppress(Exception):  # a name that Keras does not know stays what it is
            return called(keras.metrics.get(name))
    return name
