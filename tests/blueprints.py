"""Models and data before a training, made by hand: what checks of the families ``model`` and ``data`` look at.

Every function is pure; randomness comes from a fixed seed. Tests with real Keras models are in tests/audit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diagnose.analyze import Selection, analyze
from diagnose.blueprint import (
    Activation,
    Blueprint,
    Curve,
    DryRun,
    Initializer,
    Layer,
    LayerScale,
    Loss,
    Optimizer,
    Output,
    Shape,
)
from diagnose.check import load_checks
from diagnose.finding import Finding, OutcomeKind
from diagnose.report import RunReport
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample

ACTIVATIONS = {
    "linear": Activation("linear", Curve.LINEAR),
    "relu": Activation("relu", Curve.RECTIFIER, low=0.0, gradient_share=0.5),
    "leaky_relu": Activation("leaky_relu", Curve.RECTIFIER_LIKE),
    "elu": Activation("elu", Curve.RECTIFIER_LIKE, low=-1.0),
    "selu": Activation("selu", Curve.RECTIFIER_LIKE, low=-1.76),
    "gelu": Activation("gelu", Curve.RECTIFIER_LIKE, low=-0.17),
    "silu": Activation("silu", Curve.RECTIFIER_LIKE, low=-0.28),
    "sigmoid": Activation("sigmoid", Curve.SQUASHING, 0.0, 1.0),
    "tanh": Activation("tanh", Curve.SQUASHING, -1.0, 1.0),
    "softmax": Activation("softmax", Curve.SOFTMAX, 0.0, 1.0),
    "step": Activation("step", Curve.STEP, 0.0, 10.0, gradient_share=0.0),
}
GLOROT, HE, LECUN = Initializer("GlorotUniform"), Initializer("HeNormal"), Initializer("LecunNormal")
ZEROS = Initializer("Zeros")


def layer(kind: str, shape: Shape = (None, 32), *, name: str = "", given: Shape | None = None, **more: Any) -> Layer:
    """Return a layer whose output has `shape`; `given` is the shape of its input, the same where it is left out."""
    return Layer(
        name=name or kind.lower(),
        kind=kind,
        input_shapes=(shape if given is None else given,),
        output_shapes=(shape,),
        **more,
    )


def dense(
    units: int, activation: str = "linear", *, given: int = 32, initializer: Initializer = GLOROT, **more: Any
) -> Layer:
    """Return a Dense layer as Keras makes it."""
    use_bias = more.pop("use_bias", True)
    numbers = (given + use_bias) * units
    return layer(
        "Dense", (None, units), given=(None, given), activation=ACTIVATIONS[activation], initializer=initializer,
        bias_initializer=ZEROS if use_bias else None, parameters=numbers, trainable_parameters=numbers,
        settings={"units": units, "activation": activation, "use_bias": use_bias, **more.pop("settings", {})}, **more,
    )  # fmt: skip


def chain(*layers: Layer) -> tuple[Layer, ...]:
    """Return the layers one behind the other, with names of their own."""
    linked: list[Layer] = []
    for number, each in enumerate(layers):
        name = each.name if each.name not in {other.name for other in linked} else f"{each.name}_{number}"
        inputs = (linked[-1].name,) if linked else ()
        linked.append(dataclasses.replace(each, name=name, inputs=inputs))
    return tuple(linked)


def model(
    *layers: Layer,
    loss: str | None = "sparse_categorical_crossentropy",
    from_logits: bool = False,
    metrics: Sequence[str] = ("accuracy",),
    optimizer: Optimizer | None = Optimizer("adam", 1e-3),  # noqa: B008  # frozen
    given: Shape = (None, 32),
    **more: Any,
) -> Blueprint:
    """Return a chain of layers behind an input, its last layer the output, compiled."""
    linked = chain(layer("InputLayer", given, name="input"), *layers)
    last = linked[-1]
    output = Output(
        name=last.name,
        layer=last.name,
        shape=last.output_shapes[0],
        activation=last.activation or ACTIVATIONS["linear"],
        loss=Loss(loss, from_logits=from_logits) if loss else None,
        metrics=tuple(metrics) if loss else (),
    )
    return Blueprint(
        name="model", kind="Sequential", layers=linked, outputs=(output,), optimizer=optimizer if loss else None, **more
    )


def classifier(classes: int = 10, **more: Any) -> Blueprint:
    """Return a sound network for classes that are numbered."""
    return model(dense(64, "relu", initializer=HE), dense(classes, "softmax", given=64), **more)


def data(
    classes: int = 10,
    n: int = 600,
    *,
    labels: np.ndarray | None = None,
    inputs: np.ndarray | None = None,
    seed: int = 0,
    **more: Any,
) -> DataSample:
    """Return scaled inputs of 32 features that say something about their labels, split at random in three."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n) if labels is None else labels
    if inputs is None:
        centres = rng.normal(0, 1, (max(classes, 1), 32))
        inputs = (centres[y.astype(int) % max(classes, 1)] + rng.normal(0, 1, (n, 32))).astype("float32")
    first, second = int(0.6 * n), int(0.8 * n)
    places = {Split.TRAIN: slice(0, first), Split.VALIDATION: slice(first, second), Split.TEST: slice(second, n)}
    splits = {
        split: SplitSample(inputs={"x": inputs[at]}, labels={"y": y[at]}, count=len(y[at]))
        for split, at in places.items()
    }
    return DataSample(source="data.npz", splits=splits, **more)


def dry_run(**more: Any) -> DryRun:
    """Return what a sound classifier of ten classes does with its first batch."""
    scales = tuple(
        LayerScale(layer=name, output_mean=0.1, output_std=1.0, zero_fraction=0.0, grad_norm=0.3, weight_norm=5.0)
        for name in ("dense", "dense_2")
    )
    sound = DryRun(
        samples=32, initial_loss=2.4, expected_loss=float(np.log(10)), spread=0.05, losses=(2.4, 1.2, 0.3, 0.02),
        scales=scales,
    )  # fmt: skip
    return dataclasses.replace(sound, **more)


def planned(model: Blueprint | None = None, data: DataSample | None = None, **more: Any) -> Run:
    """Return a run that has not begun."""
    return Run("model.keras", "keras-model", model=model, data=data, is_planned=True, **more)


def report(id: str, run: Run, options: Mapping[str, float] | None = None) -> RunReport:
    """Return what one check says."""
    only = [check for check in load_checks() if check.id == id]
    return analyze(run, Selection(options={id: dict(options)} if options else {}), only)


def findings(id: str, run: Run, options: Mapping[str, float] | None = None) -> tuple[Finding, ...]:
    """Return what one check found; it must have been able to look."""
    told = report(id, run, options)
    (outcome,) = told.outcomes
    assert outcome.kind in (OutcomeKind.FOUND, OutcomeKind.PASSED), outcome
    return told.findings


def one_finding(id: str, run: Run, options: Mapping[str, float] | None = None) -> Finding:
    """Return the one thing that one check found."""
    (found,) = findings(id, run, options)
    return found
