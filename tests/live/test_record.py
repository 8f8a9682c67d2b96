"""What Monitor sees while training is what the log tells afterwards, and it takes no more memory the longer it is."""

from __future__ import annotations

import copy
import functools
import math
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from diagnose.analyze import analyze
from diagnose.live.record import Record
from diagnose.readers import read
from diagnose.run import Run

Row = Mapping[str, float | None]


def curves(n: int) -> list[dict[str, float | None]]:
    loss = 0.1 + 2 * np.exp(-np.arange(n) / 8)
    return [{"accuracy": 1 - x / 3, "loss": x, "val_loss": x + 0.05, "learning_rate": 1e-3} for x in loss.tolist()]


def with_layers(n: int, layers: int = 4) -> list[dict[str, float | None]]:
    numbers = np.random.default_rng(0).lognormal(-3, 1, (n, 3, layers))
    return [
        row
        | {
            f"{statistic}/dense_{i}": float(numbers[e, s, i])
            for s, statistic in enumerate(("grad_norm", "weight_norm", "dead_fraction"))
            for i in range(layers)
        }
        | {"grad_norm_global": 1.0}
        for e, row in enumerate(curves(n))
    ]


def without(rows: list[dict[str, float | None]], name: str, where: Sequence[int]) -> list[dict[str, float | None]]:
    return [{k: None if k == name and e in where else v for k, v in row.items()} for e, row in enumerate(rows)]


def replaced(
    rows: list[dict[str, float | None]], name: str, where: Sequence[int], value: float
) -> list[dict[str, float | None]]:
    return [{k: value if k == name and e in where else v for k, v in row.items()} for e, row in enumerate(rows)]


LOGS: dict[str, list[dict[str, float | None]]] = {
    "one epoch": curves(1),
    "curves": curves(20),
    "layers": with_layers(12),
    "validation every second epoch": without(curves(12), "val_loss", range(0, 12, 2)),
    "a loss that becomes NaN": replaced(curves(12), "loss", range(7, 12), math.nan),
    "a loss that becomes infinite": replaced(with_layers(12), "loss", [3], math.inf),
    "a layer that was not sampled": without(with_layers(12), "grad_norm/dense_1", [0, 5]),
    "a gradient that overflows": replaced(with_layers(12), "grad_norm/dense_1", [4], math.inf),
    "percent": [{"accuracy": 50.0 + e, "val_accuracy": 49.0 + e, "loss": 1.0 - e / 50} for e in range(20)],
    "two outputs": [{"loss": 2.0 / (e + 1), "a_loss": 1.5 / (e + 1), "b_loss": 0.5 / (e + 1)} for e in range(9)],
    "counters of Keras": [{"auc_2": 0.5 + e / 20, "loss": 1.0, "val_auc_2": 0.5, "val_loss": 1.0} for e in range(9)],
    "layers in the order of the model": [
        {"loss": 1.0, **{f"{s}/{layer}": 0.1 for layer in "zab" for s in ("grad_norm", "weight_norm")}}
        for _ in range(3)
    ],
}


def recorded(rows: Sequence[Row], **limits: int) -> Record:
    record = Record("run.csv", **limits)
    for epoch, row in enumerate(rows):
        record.add(epoch, row)
    return record


def from_file(rows: Sequence[Row], folder: Path) -> Run:
    names = list(rows[0])
    lines = [",".join(["epoch", *names])]
    for epoch, row in enumerate(rows):
        lines.append(",".join([str(epoch), *("" if row[n] is None else repr(row[n]) for n in names)]))
    path = folder / "run.csv"
    path.write_text("\n".join(lines) + "\n")
    (run,) = read(path)
    return run


def assert_same(ours: Run, theirs: Run) -> None:
    facts = ("name", "quantity", "split", "direction", "output", "scale")
    assert [[getattr(s, f) for f in facts] for s in ours.series] == [
        [getattr(s, f) for f in facts] for s in theirs.series
    ]
    for a, b in zip(ours.series, theirs.series, strict=True):
        np.testing.assert_array_equal(a.epochs, b.epochs)
        np.testing.assert_array_equal(a.values, b.values)
    assert [(k, s.name, s.layers) for k, s in ours.layers.items()] == [
        (k, s.name, s.layers) for k, s in theirs.layers.items()
    ]
    for name, statistic in ours.layers.items():
        np.testing.assert_array_equal(statistic.epochs, theirs.layers[name].epochs)
        np.testing.assert_array_equal(statistic.values, theirs.layers[name].values)
    assert (ours.axis, ours.epochs, ours.part, ours.notes) == (theirs.axis, theirs.epochs, theirs.part, theirs.notes)


@pytest.mark.parametrize("name", LOGS)
def test_a_training_is_seen_as_its_log_is_read(name: str, tmp_path: Path) -> None:
    assert_same(recorded(LOGS[name]).run(), from_file(LOGS[name], tmp_path))


@pytest.mark.parametrize("name", LOGS)
def test_it_is_so_at_every_epoch(name: str, tmp_path: Path) -> None:
    record = Record("run.csv")
    for epoch, row in enumerate(LOGS[name]):
        record.add(epoch, row)
        assert len(record) == epoch + 1
        assert_same(record.run(), from_file(LOGS[name][: epoch + 1], tmp_path))


def test_the_findings_are_the_same(tmp_path: Path) -> None:
    rows = LOGS["a loss that becomes NaN"]
    assert analyze(recorded(rows).run()).findings == analyze(from_file(rows, tmp_path)).findings


def test_the_set_up_is_that_of_the_call() -> None:
    assert recorded(curves(3)).run({"classes": 3}).config == {"classes": 3}


def test_nothing_logged_is_a_run_without_curves() -> None:
    for record in (Record("run.csv"), recorded([{}, {}]), recorded([{"stopped": None}])):
        run = record.run()
        assert (run.series, dict(run.layers)) == ((), {})
        assert analyze(run, live=True).verdict == "unknown"


def test_what_is_no_number_was_not_logged() -> None:
    run = recorded([{"loss": np.float32(0.5), "val_loss": None, "stopped": "nan-loss", "accuracy": True}]).run()
    assert [(s.name, s.values.tolist()) for s in run.series] == [("loss", [0.5])]


def test_a_column_may_come_later() -> None:
    rows = [{"loss": 1.0}, {"loss": 0.9}, {"loss": 0.8, "val_loss": 1.0, "grad_norm/dense": 0.1}]
    run = recorded(rows).run()
    assert run.get("val_loss").epochs.tolist() == [2.0]
    np.testing.assert_array_equal(run.layers["grad_norm"].values, [[np.nan], [np.nan], [0.1]])


def test_epochs_are_numbered_as_they_come() -> None:
    record = Record("run.csv")
    for epoch in (5, 6, 9):
        record.add(epoch, {"loss": 1.0})
    assert record.run().get("loss").epochs.tolist() == [5.0, 6.0, 9.0]


def test_another_training_begins_where_the_epochs_start_over() -> None:
    record = recorded(with_layers(5))
    record.add(0, {"loss": 3.0})
    run = record.run()
    assert (len(record), run.get("loss").values.tolist(), dict(run.layers)) == (1, [3.0], {})


def test_a_run_that_was_given_away_stays_as_it_is() -> None:
    record = recorded(with_layers(10), curve_rows=16, layer_rows=8)
    run = record.run()
    before = [s.values.copy() for s in (*run.series, *run.layers.values())]
    for epoch, row in enumerate(with_layers(100)):
        record.add(10 + epoch, row)
    for series, values in zip((*run.series, *run.layers.values()), before, strict=True):
        np.testing.assert_array_equal(series.values, values)


@pytest.mark.parametrize("through", [copy.deepcopy, lambda record: pickle.loads(pickle.dumps(record))])  # noqa: S301
def test_a_copy_goes_on_by_itself(through) -> None:
    record = recorded(with_layers(5))
    other = through(record)
    other.add(5, with_layers(6)[5])
    assert (record.run().epochs, other.run().epochs) == (5, 6)


LIMITS = {"curve_rows": 64, "layer_rows": 32}


@functools.cache
def long() -> list[dict[str, float | None]]:
    rows = with_layers(2000, layers=2)
    rows[701]["val_loss"] = -1.0  # the best
    rows[1203]["loss"] = math.nan
    rows[1205]["loss"] = math.nan
    rows[901]["grad_norm/dense_1"] = math.inf
    return rows


@functools.cache
def thinned() -> Run:
    return recorded(long(), **LIMITS).run()


class TestLongTrainings:
    def test_nothing_is_thinned_up_to_the_limit(self, tmp_path: Path) -> None:
        assert_same(recorded(long()[:32], **LIMITS).run(), from_file(long()[:32], tmp_path))
        run = recorded(long()[:64], **LIMITS).run()
        assert len(run.get("loss")) == 64
        assert len(run.layers["grad_norm"].epochs) < 64

    def test_rows_do_not_grow_beyond_it(self) -> None:
        record = Record("run.csv", **LIMITS)
        for epoch, row in enumerate(long()):
            record.add(epoch, row)
            run = record.run()
            assert len(run.get("val_loss")) <= 64 + 8
            assert len(run.layers["grad_norm"].epochs) <= 32 + 8

    def test_the_epochs_are_counted_all_the_same(self) -> None:
        assert thinned().epochs == 2000
        assert thinned().notes == ("of 2,000 epochs one in 32 is kept",)

    def test_what_is_kept_is_spaced_evenly(self) -> None:
        epochs = thinned().get("val_loss").epochs
        assert set(range(0, 2000, 32)) <= set(epochs.tolist())
        assert len(epochs) <= 64 + 8

    def test_the_first_and_the_last_epochs_are_whole(self) -> None:
        for epochs in (thinned().get("val_loss").epochs, thinned().layers["grad_norm"].epochs):
            assert epochs[0] == 0
            assert epochs[-1] == 1999
        assert thinned().get("val_loss").epochs[:2].tolist() == [0, 1]
        assert thinned().get("val_loss").epochs[-2:].tolist() == [1998, 1999]

    def test_the_best_epoch_is_kept(self) -> None:
        best = analyze(thinned()).best
        assert (best.epoch, best.value) == (701, -1.0)

    def test_what_broke_is_known_from_the_first_epoch_in_which_it_did(self) -> None:
        loss, gradients = thinned().get("loss"), thinned().layers["grad_norm"]
        assert loss.epochs[~np.isfinite(loss.values)].tolist() == [1203]
        assert gradients.epochs[~np.isfinite(gradients.values).all(axis=1)].tolist() == [901]

    def test_memory_does_not_grow(self) -> None:
        def size(epochs: int) -> int:
            return len(pickle.dumps(recorded(with_layers(epochs, layers=2), **LIMITS)))

        assert size(1500) <= 1.01 * size(300)
