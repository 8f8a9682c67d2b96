"""Realistic reports, made by hand: what renderers are tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from diagnose.finding import (
    Comparison,
    Finding,
    Interval,
    LayerTable,
    Outcome,
    OutcomeKind,
    Point,
    Severity,
)
from diagnose.fix import Applicability, Change, Fix
from diagnose.report import Best, Report, RunReport, SourceError
from diagnose.run import Direction, LayerStatistic, Run, Series, Split

DROPOUT = Fix(
    id="add-dropout",
    title="Add dropout of 0.3 before the last dense layer",
    why="It keeps units from relying on each other, which is how a network memorizes.",
    cost="Training converges a little slower.",
    applicability=Applicability.SAFE,
    changes=(Change("regularization.dropout", "add", 0.2, high=0.6),),
    code=(
        "model = keras.Sequential([*model.layers[:-1], keras.layers.Dropout(0.3), model.layers[-1]])\n"
        'model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])'
    ),
)
STOP_EARLY = Fix(
    id="stop-early",
    title="Stop at epoch 14 and keep its weights",
    why="From there on the validation loss only rises",
    cost="None; it saves 46 epochs",
    applicability=Applicability.SAFE,
    changes=(Change("training.early_stopping", "set", 5),),
    code=(
        'stop = keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)\n'
        "model.fit(x_train, y_train, validation_data=(x_val, y_val), callbacks=[stop])"
    ),
)
LOWER_RATE = Fix(
    id="lower-learning-rate",
    title="Lower the learning rate tenfold",
    why="The step overshoots the minimum.",
    cost="More epochs to the same loss.",
    changes=(Change("optimizer.learning_rate", "multiply", 0.1, low=1e-6),),
    code="model.optimizer.learning_rate = 1e-4",
)
LOOK_AT_LABELS = Fix(
    id="check-labels",
    title="Look at twenty inputs beside their labels",
    why="Labels that do not belong to their inputs cannot be learned.",
    cost="Ten minutes.",
    applicability=Applicability.MANUAL,
    addresses="labels unrelated to inputs",
)

_HOW_TO_LOG = 'the callback Monitor("run.csv") logs it (or log a column STATISTIC/LAYER of each layer)'
UNSEEN = (
    Outcome(
        "dying-relu",
        OutcomeKind.NOT_APPLICABLE,
        f"no dead_fraction in the log; {_HOW_TO_LOG}",
    ),
    Outcome(
        "vanishing-gradient",
        OutcomeKind.NOT_APPLICABLE,
        f"no grad_norm in the log; {_HOW_TO_LOG}",
    ),
    Outcome(
        "exploding-gradient",
        OutcomeKind.NOT_APPLICABLE,
        f"no grad_norm in the log; {_HOW_TO_LOG}",
    ),
)
PASSED = tuple(
    Outcome(name, OutcomeKind.PASSED)
    for name in ("nan-loss", "divergence", "plateau", "not-learning", "oscillating-loss")
)


def series(
    name: str,
    values: Sequence[float] | np.ndarray,
    quantity: str = "",
    split: Split | None = None,
    direction: Direction | None = Direction.LOWER,
    first: float = 1,
) -> Series:
    values = np.asarray(values, dtype=float)
    side = Split.VALIDATION if name.startswith("val_") else Split.TRAIN
    return Series(
        name=name,
        quantity=quantity or name.removeprefix("val_"),
        split=split or side,
        epochs=np.arange(first, first + len(values), dtype=float),
        values=values,
        direction=direction,
    )


def curves(
    loss: np.ndarray, val_loss: np.ndarray, accuracy: np.ndarray, val_accuracy: np.ndarray
) -> tuple[Series, ...]:
    return (
        series("loss", loss),
        series("accuracy", accuracy, direction=Direction.HIGHER),
        series("val_loss", val_loss),
        series("val_accuracy", val_accuracy, direction=Direction.HIGHER),
    )


def run_report(
    source: str,
    series: tuple[Series, ...],
    verdict: str = "healthy",
    summary: str = "No fault found.",
    findings: tuple[Finding, ...] = (),
    best: Best | None = None,
    outcomes: tuple[Outcome, ...] = (*PASSED, *UNSEEN),
    layers: Mapping[str, LayerStatistic] | None = None,
    **run: object,
) -> RunReport:
    made = Run(source=source, format="keras-csv", series=series, layers=layers or {}, **run)  # type: ignore[arg-type]
    return RunReport(made, verdict, summary, best, findings, outcomes)


def overfitting_finding(**changes: object) -> Finding:
    fields: dict[str, object] = {
        "check": "overfitting",
        "severity": Severity.WARNING,
        "confidence": 0.97,
        "epoch": 14.0,
        "summary": (
            "val_loss rose from 0.412 at epoch 14 to 0.871 at epoch 60 while the training loss kept falling: "
            "the network memorizes its training data."
        ),
        "evidence": (
            Interval(
                label="rise of val_loss above its minimum, against its noise",
                value=23.1,
                threshold=4.0,
                unit="σ",
                series="val_loss",
                start=14.0,
                end=60.0,
            ),
            Interval(
                label="rise of val_loss",
                value=111.4,
                threshold=5.0,
                unit="%",
                series="val_loss",
                start=14.0,
                end=60.0,
            ),
        ),
        "fixes": (DROPOUT, STOP_EARLY),
    }
    return Finding(**{**fields, **changes})  # type: ignore[arg-type]


def gap_finding() -> Finding:
    return Finding(
        check="generalization-gap",
        severity=Severity.WARNING,
        confidence=0.9,
        epoch=31.0,
        summary="Training accuracy is 98 %, validation accuracy 84 %.",
        evidence=(
            Comparison(
                label="gap of accuracy",
                value=14.0,
                threshold=10.0,
                unit="points",
                left_name="accuracy",
                left=0.98,
                right_name="val_accuracy",
                right=0.84,
                epoch=60.0,
            ),
        ),
        fixes=(DROPOUT, LOOK_AT_LABELS),
        caused_by=("overfitting",),
    )


def overfit_run(source: str = "logs/mnist-small/run.csv", seed: int = 0) -> RunReport:
    random = np.random.default_rng(seed)
    t = np.arange(60)
    loss = 1.6 * np.exp(-t / 9) + 0.03 + random.normal(0, 0.006, 60)
    val_loss = 1.6 * np.exp(-t / 6) + 0.25 + 0.012 * np.maximum(0, t - 10) + random.normal(0, 0.02, 60)
    val_loss[13] = val_loss.min() - 0.02
    return run_report(
        source,
        curves(loss, val_loss, 0.99 - 0.6 * np.exp(-t / 9), 0.85 - 0.5 * np.exp(-t / 6) - 0.0005 * t),
        verdict="warning",
        summary=overfitting_finding().summary,
        findings=(overfitting_finding(), gap_finding()),
        best=Best(14, "val_loss", float(val_loss[13])),
    )


def nan_run(source: str = "logs/lr-1.0/run.csv") -> RunReport:
    t = np.arange(20)
    loss = 2.3 * np.exp(t / 2.0)
    loss[12:] = np.nan
    val_loss = np.where(np.isnan(loss), np.nan, loss * 1.1)
    accuracy = np.where(t < 12, 0.1 + 0.02 * np.sin(t), 0.1)
    nan = Finding(
        check="nan-loss",
        severity=Severity.CRITICAL,
        confidence=1.0,
        epoch=13.0,
        summary="loss became NaN at epoch 13; nothing trained after that counts.",
        evidence=(
            Point(
                label="values of loss that are not finite",
                value=8.0,
                threshold=0.0,
                unit="epochs",
                series="loss",
                epoch=13.0,
            ),
        ),
        fixes=(LOWER_RATE, LOOK_AT_LABELS),
    )
    divergence = Finding(
        check="divergence",
        severity=Severity.CRITICAL,
        confidence=0.99,
        epoch=3.0,
        summary="loss grew from 2.3 to 563 in 11 epochs.",
        evidence=(
            Interval(
                label="loss against its best",
                value=244.7,
                threshold=2.0,
                unit="times",
                series="loss",
                start=1.0,
                end=12.0,
            ),
        ),
        fixes=(LOWER_RATE,),
    )
    return run_report(
        source,
        curves(loss, val_loss, accuracy, accuracy - 0.01),
        verdict="critical",
        summary=nan.summary + " Also found: divergence.",
        findings=(nan, divergence),
        best=Best(1, "val_loss", 2.53),
    )


def healthy_run(source: str = "logs/baseline/run.csv", seed: int = 0) -> RunReport:
    random = np.random.default_rng(seed)
    t = np.arange(40)
    loss = 1.2 * np.exp(-t / 8) + 0.2 + random.normal(0, 0.004, 40)
    val_loss = 1.2 * np.exp(-t / 8) + 0.26 + random.normal(0, 0.012, 40)
    return run_report(
        source,
        curves(loss, val_loss, 0.94 - 0.5 * np.exp(-t / 8), 0.92 - 0.5 * np.exp(-t / 8)),
        summary="No fault found. Best val_loss 0.2611 at epoch 38.",
        best=Best(38, "val_loss", 0.2611),
    )


def telemetry(n_layers: int = 12, epochs: int = 40, dying: int = 4) -> dict[str, LayerStatistic]:
    """A stack of layers in which one dies from epoch 12 on and the first ones get small gradients."""
    random = np.random.default_rng(1)
    names = tuple(f"conv2d_{i}" if i < n_layers - 2 else f"dense_{i - n_layers + 2}" for i in range(n_layers))
    t = np.arange(1, epochs + 1, dtype=float)
    depth = np.linspace(-4, 0, n_layers)
    norms = 10 ** (depth + random.normal(0, 0.15, (epochs, n_layers)))
    dead = np.clip(random.normal(0.04, 0.02, (epochs, n_layers)), 0, 1)
    dead[:, dying] = np.clip((t - 8) / 14, 0, 1)
    norms[dead[:, dying] >= 1, dying] = 0.0
    ratios = norms * 1e-2
    return {
        name: LayerStatistic(name, names, t, values)
        for name, values in (("grad_norm", norms), ("dead_fraction", dead), ("update_ratio", ratios))
    }


def dying_run(source: str = "logs/deep/run.csv") -> RunReport:
    layers = telemetry()
    finding = Finding(
        check="dying-relu",
        severity=Severity.CRITICAL,
        confidence=0.98,
        epoch=12.0,
        layers=("conv2d_4",),
        summary="All units of conv2d_4 are zero for every probe sample from epoch 22 on.",
        evidence=(
            LayerTable(
                label="share of dead units",
                value=1.0,
                threshold=0.5,
                statistic="dead_fraction",
                epoch=40.0,
                rows=(("conv2d_4", 1.0), ("conv2d_5", 0.07), ("conv2d_1", 0.05)),
            ),
        ),
        fixes=(LOWER_RATE,),
    )
    effect = Finding(
        check="not-learning",
        severity=Severity.CRITICAL,
        confidence=0.8,
        epoch=1.0,
        summary="The loss stays at its chance level of 2.303 (ln 10).",
        evidence=(Point(label="distance of loss to chance", value=0.01, threshold=0.05, series="loss", epoch=40.0),),
        fixes=(LOOK_AT_LABELS, LOWER_RATE),
        caused_by=("dying-relu",),
    )
    t = np.arange(40)
    flat = 2.303 + 0.01 * np.sin(t)
    return run_report(
        source,
        curves(flat, flat + 0.004, 0.1 + 0.01 * np.cos(t), 0.1 + 0.01 * np.sin(t)),
        verdict="critical",
        summary=finding.summary + " Also found: not-learning.",
        findings=(finding, effect),
        best=Best(5, "val_loss", 2.297),
        layers=layers,
        notes=("2 columns had no name and were left out.",),
    )


def short_run(source: str = "logs/one-epoch.csv") -> RunReport:
    return run_report(
        source,
        curves(*np.array([[0.05], [1.9], [0.98], [0.54]])),
        verdict="unknown",
        summary="Too little in the log to judge the training (1 epochs).",
        best=Best(1, "val_loss", 1.9),
        outcomes=(Outcome("plateau", OutcomeKind.NOT_APPLICABLE, "needs 10 epochs, the log has 1"), *UNSEEN),
    )


def several() -> Report:
    return Report(
        runs=(
            overfit_run(),
            nan_run(),
            healthy_run(),
            healthy_run("logs/baseline/other-seed.csv", 3),
            short_run(),
        ),
        errors=(SourceError("logs/table.csv", "a table with one row per configuration; give one log per run"),),
    )


def single(run: RunReport) -> Report:
    return Report(runs=(run,))
