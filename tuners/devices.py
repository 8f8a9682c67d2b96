"""What a training runs on: processors, graphics cards or a TPU, and in which precision."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import keras
import tensorflow as tf

from diagnose.deadline import within
from recipes.config import TrainingConfig
from recipes.errors import RecipeError

#: One of these is set where a TPU is. Without it none is looked for: the search waits for an answer from the network.
_TPU_VARIABLES = ("TPU_NAME", "COLAB_TPU_ADDR", "TPU_WORKER_ID", "TPU_ACCELERATOR_TYPE")
#: A TPU that is there answers within seconds; one that does not is waited for without end.
_TPU_SECONDS = 120.0

#: Precisions that graphics cards and TPUs have circuits for, and processors do not.
_HALVES = ("mixed_float16", "mixed_bfloat16")


def strategy(training: TrainingConfig) -> tf.distribute.Strategy:
    """Choose the devices; to be called before TensorFlow computes anything in the process.

    Parameters
    ----------
    training
        `accelerator` and `devices`. ``auto`` is the TPU where the environment names one, else graphics cards where
        there are any, else the processor.

    Returns
    -------
    tf.distribute.Strategy
        To build and to train the model in the scope of. TensorFlow's default one for a single device, so that nothing
        is different from Keras without a strategy. Batches are split among the devices.

    Raises
    ------
    RecipeError
        There are no such devices, or not so many, or TensorFlow has begun to use others.
    """
    accelerator = training.accelerator
    if accelerator == "auto":
        accelerator = "tpu" if _is_tpu_named() else "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
    chosen = {"tpu": _tpu, "gpu": _gpus, "cpu": _cpus}[accelerator]
    return chosen(training.devices)


def describe(strategy: tf.distribute.Strategy) -> str:
    """Return what a strategy computes on, for people: ``2 x CPU (MirroredStrategy)``."""
    count, name = strategy.num_replicas_in_sync, type(strategy).__name__
    if name.startswith("TPU"):
        return f"{count} x TPU ({name})"
    if name.startswith("_"):  # the default one, whose only device has no name
        return "1 x GPU" if tf.config.list_logical_devices("GPU") else "1 x CPU"
    kind = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0]).device_type
    return f"{count} x {kind} ({name})"


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Build layers in a precision, and in the former one again afterwards.

    Parameters
    ----------
    name
        ``float32``, ``mixed_float16``, ``mixed_bfloat16`` (computation in 16 bits, weights in 32) or ``float64``, with
        which losses and metrics are computed in 64 bits too.
    """
    policy, floats = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_dtype_policy(name)
    if name == "float64":
        keras.config.set_floatx(name)
    try:
        yield
    finally:
        keras.config.set_floatx(floats)
        keras.config.set_dtype_policy(policy)


def precision_note(name: str, strategy: tf.distribute.Strategy) -> str:
    """Return what to know of a precision on such devices, a sentence; empty where there is nothing."""
    if name in _HALVES and "CPU" in describe(strategy):
        return f"{name} makes a processor slower, not faster: it is for graphics cards and TPUs"
    return ""


def _is_tpu_named() -> bool:
    return any(os.environ.get(name) for name in _TPU_VARIABLES)


def _tpu(devices: int) -> tf.distribute.Strategy:
    if not _is_tpu_named():
        raise RecipeError("there is no TPU: the environment names none; set TPU_NAME, or training.accelerator to auto")
    found = _connected_tpu()
    count = found.num_replicas_in_sync
    if devices not in (0, count):
        raise RecipeError(f"the TPU has {count} cores, which are used together; set training.devices to 0")
    return found


@functools.cache  # a TPU that is initialized anew forgets what is on it
def _connected_tpu() -> tf.distribute.Strategy:
    name = os.environ.get("TPU_NAME") or "local"

    def connect() -> tf.distribute.Strategy:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)

    try:
        return within(_TPU_SECONDS, connect)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise RecipeError(
            f"the TPU {name!r} that the environment names cannot be used: {lines[0][:200]}; "
            "set training.accelerator to gpu or cpu to do without"
        ) from None


def _gpus(devices: int) -> tf.distribute.Strategy:
    found = tf.config.list_physical_devices("GPU")
    if not found:
        raise RecipeError(
            "there is no graphics card that TensorFlow can use; "
            "set training.accelerator to cpu, or pip install 'kerasdx[gpu]' where there is one"
        )
    _check_count(devices, len(found), "graphics card")
    used = found[: devices or len(found)]
    with suppress(RuntimeError):  # TensorFlow has begun: it holds all memory of all cards, and works all the same
        tf.config.set_visible_devices(used, "GPU")
        for card in used:
            tf.config.experimental.set_memory_growth(card, True)
    return _mirrored("GPU", len(used)) if len(used) > 1 else tf.distribute.get_strategy()


def _cpus(devices: int) -> tf.distribute.Strategy:
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        if tf.config.list_logical_devices("GPU"):
            raise RecipeError(
                "TensorFlow already uses a graphics card in this process; "
                "start another one, or set CUDA_VISIBLE_DEVICES=-1 to train on the processor"
            ) from None
    if devices <= 1:
        return tf.distribute.get_strategy()
    _split_processor(devices)
    return _mirrored("CPU", devices)


def _split_processor(devices: int) -> None:
    """Make so many devices of the processor; where TensorFlow has begun, those that there are have to do."""
    processor = tf.config.list_physical_devices("CPU")[0]
    try:
        parts = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(processor, parts)
    except RuntimeError:
        have = len(tf.config.list_logical_devices("CPU"))
        if have < devices:
            raise RecipeError(
                f"the processor cannot be made {devices} devices: TensorFlow already uses it as {have} in this "
                "process; start another one, or set training.devices to 0"
            ) from None


@functools.cache  # two of them on the same devices wait for each other
def _mirrored(kind: str, count: int) -> tf.distribute.Strategy:
    # Between processors sums are made on one of them: TensorFlow's collective operations, its default, wait for each
    # other, and on a busy machine with few cores all threads may come to do so.
    reduction: dict[str, Any] = {"cross_device_ops": tf.distribute.ReductionToOneDevice()} if kind == "CPU" else {}
    return tf.distribute.MirroredStrategy([f"{kind}:{i}" for i in range(count)], **reduction)


def _check_count(wanted: int, there: int, name: str) -> None:
    if wanted > there:
        raise RecipeError(
            f"training.devices is {wanted}, and there {'are' if there > 1 else 'is'} {there} {name}{'s' * (there > 1)}"
        )
