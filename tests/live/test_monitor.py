"""Monitor as its users meet it: what it logs, says and stops, and that nothing of it ends a training."""

from __future__ import annotations

import copy
import csv
import errno
import json
import math
import pickle
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose import Monitor, diagnose  # noqa: E402
from diagnose.finding import Severity  # noqa: E402
from diagnose.live import monitor as monitor_module  # noqa: E402
from diagnose.live.log import Log  # noqa: E402
from diagnose.live.mirror import Mirror  # noqa: E402
from diagnose.live.sampling import Sampling  # noqa: E402

pytestmark = pytest.mark.keras

layers = keras.layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")
TARGET = X @ RNG.normal(size=(6, 1)).astype("float32")


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    keras.utils.set_random_seed(1)
    yield
    keras.utils.clear_session()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.csv"


def classifier(**settings: Any) -> Any:
    model = [keras.Input((6,)), layers.Dense(4, activation="relu", name="hidden"), layers.Dense(2, name="last")]
    model = keras.Sequential(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, **{"metrics": ["accuracy"], **settings})
    return model


def fitted(model: Any, monitor: Monitor | list[Any], **settings: Any) -> Any:
    """Return the history of a short training."""
    callbacks = monitor if isinstance(monitor, list) else [monitor]
    data = {"x": X, "y": Y, "batch_size": 16, "epochs": 2, "verbose": 0}
    return model.fit(**{**data, **settings}, callbacks=callbacks)


def line_fit(rate: float) -> Any:
    """Return a model that, at a high rate, moves away from the solution ever faster."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, name="line")])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def diverging(monitor: Monitor | list[Any], rate: float = 0.9, **settings: Any) -> Any:
    return fitted(line_fit(rate), monitor, **{"y": TARGET, "epochs": 20, **settings})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def findings(monitor: Monitor) -> list[str]:
    return [finding.check for finding in monitor.report.runs[0].findings]


# The log.


def test_a_row_holds_what_keras_logs_and_then_one_column_for_each_statistic_of_each_layer(path):
    history = fitted(classifier(), Monitor(path), validation_data=(X, Y))
    logged = rows(path)
    assert list(logged[0]) == [
        *("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"),
        *("grad_norm/hidden", "grad_norm/last", "grad_norm_max/hidden", "grad_norm_max/last"),
        *("weight_norm/hidden", "weight_norm/last", "update_ratio/hidden", "update_ratio/last", "grad_norm_global"),
        *("dead_fraction/hidden", "duplicate_fraction/hidden", "duplicate_fraction/last", "stopped"),
    ]
    assert [row["epoch"] for row in logged] == ["0", "1"]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [float(row[name]) for row in logged] == pytest.approx(history.history[name])
    assert float(logged[0]["learning_rate"]) == pytest.approx(0.001)
    assert all(float(value) >= 0 for row in logged for name, value in row.items() if name != "stopped")
    assert [row["stopped"] for row in logged] == ["", ""]


def test_facts_about_the_model_and_the_data_lie_beside_the_log(path):
    fitted(classifier(), Monitor(path))
    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["optimizer"] == "adam"
    assert (facts["samples"], facts["batch_size"], facts["steps_per_epoch"], facts["epochs"]) == (48, 16, 3, 2)
    assert facts["inputs"][0]["shape"] == [6]
    assert "stopped" not in facts


def test_the_report_of_the_log_is_that_of_the_monitor(path):
    monitor = Monitor(path)
    diverging(monitor, epochs=4)
    assert [f.check for f in diagnose(path).runs[0].findings] == findings(monitor)


def test_without_a_path_nothing_is_written_and_there_is_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monitor = Monitor()
    diverging(monitor, epochs=4)
    assert "divergence" in findings(monitor)
    assert list(tmp_path.iterdir()) == []


def test_there_is_a_report_before_and_while_the_model_is_trained():
    monitor, seen = Monitor(), []
    assert monitor.report.runs[0].verdict == "unknown"
    end = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(monitor.report.runs[0].run.epochs)
    )
    fitted(classifier(), [monitor, end])
    assert seen == [1, 2]


def test_curves_alone_are_recorded_where_layers_are_not_asked_for(path):
    fitted(classifier(), Monitor(path, layers=False))
    assert list(rows(path)[0]) == ["epoch", "accuracy", "loss", "learning_rate", "stopped"]


def test_activations_are_looked_at_on_samples_that_were_given(path):
    model = classifier()
    model.get_layer("hidden").set_weights([np.eye(6, 4, dtype="float32"), np.zeros(4, "float32")])
    model.optimizer.learning_rate = 0.0
    fitted(model, Monitor(path, probe=np.array([[1, 1, 1, -1, 0, 0]], "float32")), epochs=1)
    assert rows(path)[0]["dead_fraction/hidden"] == "0.25"


@pytest.mark.parametrize("probe", ["data set", "own data set"])
def test_samples_may_be_given_as_a_data_set(probe, path):
    class Own(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return X, Y

    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16) if probe == "data set" else Own()
    fitted(classifier(), Monitor(path, probe=data), epochs=1)
    assert 0 <= float(rows(path)[0]["dead_fraction/hidden"]) <= 1


def test_metrics_that_are_logged_in_some_epochs_only_are_empty_in_the_others(path):
    fitted(classifier(), Monitor(path), validation_data=(X, Y), validation_freq=2, epochs=4)
    assert [bool(row["val_loss"]) for row in rows(path)] == [False, True, False, True]


def test_epochs_are_counted_as_keras_counts_them(path):
    fitted(classifier(), Monitor(path), initial_epoch=3, epochs=5)
    assert [row["epoch"] for row in rows(path)] == ["3", "4"]


def test_one_epoch_is_enough(path):
    fitted(classifier(), Monitor(path), epochs=1)
    assert len(rows(path)) == 1


def test_a_training_without_an_epoch_is_logged_as_such(path, capsys):
    model = classifier()
    monitor = Monitor(path)
    fitted(model, monitor, epochs=0)
    assert monitor.report.runs[0].verdict == "unknown"
    assert capsys.readouterr().out == ""
    assert "train_step" not in vars(model)


@pytest.mark.filterwarnings("ignore:.*ran out of data")
def test_an_epoch_without_a_step_is_no_error(path, capsys):
    nothing = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16).take(0)
    monitor = Monitor(path)
    with suppress(ValueError):  # Keras' own
        fitted(classifier(), monitor, x=nothing, y=None, batch_size=None)
    assert "left out" not in capsys.readouterr().out
    assert monitor.report.runs[0].verdict == "unknown"


# What is said.


def test_a_healthy_training_is_not_spoken_to(path, capsys):
    model = classifier()
    model.optimizer.learning_rate = 0.02
    fitted(model, Monitor(path), epochs=8, validation_data=(X, Y))
    assert capsys.readouterr().out == ""


def test_a_finding_is_one_line_with_its_epoch_its_severity_and_its_name(capsys):
    diverging(Monitor())
    lines = capsys.readouterr().out.splitlines()
    assert any(re.match(r"kerasdx: epoch \d+: critical: divergence: ", line) for line in lines)
    assert all(line.startswith("kerasdx: ") for line in lines)
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("verbose", [1, 2])
def test_lines_begin_where_the_progress_bar_has_ended(verbose, capsys):
    diverging(Monitor(), verbose=verbose, epochs=6)
    output = capsys.readouterr().out
    assert "kerasdx: epoch" in output
    screen = [line.rpartition("\r")[2] for line in re.sub("\x1b\\[[0-9;]*m|\x08", "", output).split("\n")]
    assert all(line.startswith("kerasdx: ") for line in screen if "kerasdx" in line)
    done = [line for line in screen if "loss:" in line]
    assert len(done) == 6
    assert all(re.search(r"loss: [-+.\de]+\s*$", line) for line in done)


def test_findings_below_the_severity_are_not_told(capsys):
    monitor = Monitor(severity="critical")
    told: list[str] = []
    diverging([monitor, Monitor(on_finding=lambda finding: told.append(finding.severity), severity="critical")])
    assert told
    assert set(told) == {Severity.CRITICAL}
    assert ": warning: " not in capsys.readouterr().out


def test_only_the_checks_that_were_asked_for_are_made(capsys):
    diverging(Monitor(select="nan-loss"), epochs=4)
    assert capsys.readouterr().out == ""


def test_a_function_is_given_each_finding_once(capsys):
    told = []
    diverging(Monitor(on_finding=told.append), epochs=6)
    assert "divergence" in [finding.check for finding in told]
    assert len(told) == len({(finding.check, finding.severity) for finding in told})
    assert capsys.readouterr().out == ""


def test_what_is_asked_for_must_be_something_that_there_is():
    with pytest.raises(ValueError, match='on_finding is "warn", "stop" or a function, not \'halt\''):
        Monitor(on_finding="halt")
    with pytest.raises(ValueError, match="severity"):
        Monitor(severity="fatal")
    with pytest.raises(ValueError, match="nan-los"):
        Monitor(select=["nan-los"])


# What is stopped.


def assert_stopped(check: str, history: Any, path: Path, monitor: Monitor) -> None:
    """The reason is in the last row of the log and in no other, beside it, in the history and in the callback."""
    assert [row["stopped"] for row in rows(path)] == [""] * (len(history.epoch) - 1) + [check]
    assert history.stopped["check"] == monitor.stopped["check"] == check
    assert history.stopped["reason"]
    assert json.loads(path.with_suffix(".json").read_text())["stopped"] == history.stopped


@pytest.mark.parametrize("on_finding", ["warn", "stop"])
@pytest.mark.parametrize("settings", [{}, {"jit_compile": True}, {"run_eagerly": True}], ids=["graph", "xla", "eager"])
def test_weights_that_are_no_numbers_end_the_training_within_a_few_steps(on_finding, settings, path, capsys):
    model = line_fit(0.01)
    model.compile(keras.optimizers.SGD(1e30), "mse", **settings)
    batches: list[int] = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    monitor = Monitor(path, on_finding=on_finding)
    history = fitted(model, [monitor, count], y=TARGET, batch_size=1, epochs=9)
    assert len(batches) < 8
    assert_stopped("nan-loss", history, path, monitor)
    assert "the training is stopped because of nan-loss: " in capsys.readouterr().out


def test_a_step_that_loss_scaling_leaves_out_ends_nothing():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = classifier()
        model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=2.0**40), model.loss)
        monitor = Monitor()
        assert len(fitted(model, monitor, epochs=3).epoch) == 3
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert monitor.stopped is None


def test_a_training_that_diverges_is_stopped_where_that_was_asked_for(path):
    monitor = Monitor(path, on_finding="stop")
    history = diverging(monitor)
    assert len(history.epoch) <= 4
    assert_stopped("divergence", history, path, monitor)


def test_a_training_that_diverges_goes_on_where_nothing_else_was_asked_for():
    monitor = Monitor()
    assert len(diverging(monitor, epochs=6).epoch) == 6
    assert monitor.stopped is None


def dead() -> Any:
    model = [
        keras.Input((6,)),
        layers.Dense(4, activation="relu", bias_initializer=keras.initializers.Constant(-50), name="hidden"),
        layers.Dense(2, use_bias=False, name="last"),
    ]
    model = keras.Sequential(model)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def test_a_training_of_which_all_units_are_dead_is_stopped_where_that_was_asked_for(path):
    monitor = Monitor(path, on_finding="stop")
    history = fitted(dead(), monitor, epochs=20)
    assert len(history.epoch) <= 3
    assert_stopped("dying-relu", history, path, monitor)
    assert "hidden" in history.stopped["reason"]


def test_with_a_severity_any_finding_from_there_on_stops_the_training(path):
    monitor = Monitor(path, on_finding="stop", severity="warning", select="divergence")
    history = diverging(monitor)
    assert_stopped("divergence", history, path, monitor)


def test_a_function_stops_the_training_by_what_it_returns(path):
    monitor = Monitor(path, on_finding=lambda finding: "stop" if finding.check == "divergence" else None)
    assert_stopped("divergence", diverging(monitor), path, monitor)


# What goes wrong.


def test_a_function_that_fails_is_named_once_and_lines_take_its_place(capsys):
    def failing(finding):
        raise KeyError("no such thing")

    assert len(diverging(Monitor(on_finding=failing), epochs=6).epoch) == 6
    output = capsys.readouterr().out
    assert output.count("no such thing") == 1
    assert "divergence" in output


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("it broke")


#: What fails -> where, and columns that are logged all the same.
PARTS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "the log cannot be opened": (Log, "open", ()),
    "a row cannot be written": (Log, "write", ()),
    "the log cannot be closed": (Log, "close", ("loss", "grad_norm/last", "dead_fraction/hidden")),
    "facts cannot be told": (monitor_module.facts, "facts_of", ("loss", "grad_norm/last", "dead_fraction/hidden")),
    "facts cannot be written": (monitor_module.facts, "write_facts", ("loss", "grad_norm/last")),
    "checks fail": (Monitor, "_judged", ("loss", "grad_norm/last", "dead_fraction/hidden")),
    "the step cannot be changed": (Sampling, "__init__", ("loss",)),
    "no gradients": (Sampling, "_steps", ("loss", "dead_fraction/hidden", "duplicate_fraction/last")),
    "no activations": (Sampling, "_activity", ("loss", "grad_norm/last", "duplicate_fraction/last")),
    "no copies": (Sampling, "_copies", ("loss", "grad_norm/last", "dead_fraction/hidden")),
    "no epoch is begun": (Sampling, "begin_epoch", ("loss",)),
    "no epoch is ended": (Sampling, "end_epoch", ("loss",)),
    "the step cannot be changed back": (Sampling, "close", ("loss", "grad_norm/last", "dead_fraction/hidden")),
    "no events": (Mirror, "__init__", ("loss", "grad_norm/last", "dead_fraction/hidden")),
    "no event": (Mirror, "write", ("loss", "grad_norm/last", "dead_fraction/hidden")),
    "events are not closed": (Mirror, "close", ("loss", "grad_norm/last", "dead_fraction/hidden")),
}


@pytest.mark.parametrize("part", PARTS)
def test_an_error_in_one_part_is_told_once_and_the_other_parts_go_on(part, path, monkeypatch, capsys):
    owner, name, columns = PARTS[part]
    monkeypatch.setattr(owner, name, fail)
    history = fitted(classifier(), Monitor(path, tensorboard=path.parent / "events"), epochs=3)
    assert len(history.epoch) == 3
    output = capsys.readouterr().out
    assert output.count("it broke") == 1
    assert "Traceback" not in output
    if columns:
        logged = rows(path)
        assert len(logged) == 3
        assert set(columns) <= logged[-1].keys()
        assert all(row[column] for row in logged for column in columns)


def test_an_error_that_nobody_thought_of_is_told_once_and_monitor_steps_aside(monkeypatch, capsys):
    monkeypatch.setattr(Monitor, "_curves", fail)
    model = classifier()
    assert len(fitted(model, Monitor(), epochs=3).epoch) == 3
    assert capsys.readouterr().out.count("it broke") == 1
    assert "train_step" not in vars(model)


def test_rows_for_which_there_is_no_room_are_written_once_there_is(path, monkeypatch, capsys):
    write, calls = Log.write, []

    def full_for_a_while(self: Log, row: Any) -> None:
        calls.append(row["epoch"])
        if len(calls) in (2, 3):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, row)

    monkeypatch.setattr(Log, "write", full_for_a_while)
    fitted(classifier(), Monitor(path), epochs=5)
    assert [row["epoch"] for row in rows(path)] == ["0", "1", "2", "3", "4"]
    assert capsys.readouterr().out.count("No space left on device") == 1


def test_inputs_of_which_no_samples_can_be_taken_cost_the_activations_only(path, capsys):
    class OfSparse(keras.Model):
        def __init__(self):
            super().__init__()
            self.line = layers.Dense(2, activation="relu", name="line")
            self.line.build((None, 6))
            self.built = True

        def call(self, x):
            return self.line(tf.sparse.to_dense(x))

    model = OfSparse()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = tf.data.Dataset.from_tensor_slices((tf.sparse.from_dense(X), Y)).batch(16)
    fitted(model, Monitor(path), x=data, y=None, batch_size=None)
    assert capsys.readouterr().out.count("Monitor(probe=x)") == 1
    assert {"loss", "grad_norm/line", "duplicate_fraction/line"} <= rows(path)[1].keys()


def test_a_model_that_is_built_by_its_first_batch_is_watched_like_any_other(path):
    class Unbuilt(keras.Model):
        def __init__(self):
            super().__init__()
            self.line = layers.Dense(2, name="line")

        def call(self, x):
            return self.line(x)

    model = Unbuilt()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fitted(model, Monitor(path))
    assert float(rows(path)[0]["grad_norm/line"]) > 0


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_a_model_without_weights_to_train_is_logged_without_gradients(path, capsys):
    model = classifier()
    model.trainable = False
    model.compile("sgd", model.loss)
    fitted(model, Monitor(path))
    (row, _) = rows(path)
    assert float(row["weight_norm/hidden"]) > 0
    assert float(row["update_ratio/hidden"]) == 0
    assert not any(name.startswith("grad_norm/") for name in row)
    assert "left out" not in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_a_model_without_any_weights_is_logged_by_its_curves(path):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.ops.mean(inputs, axis=1, keepdims=True))
    model.compile("sgd", "mse")
    fitted(model, Monitor(path), y=TARGET)
    assert float(rows(path)[1]["loss"]) > 0


# Copies.


def pickled(monitor: Monitor) -> Monitor:
    return pickle.loads(pickle.dumps(monitor))  # noqa: S301


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
class TestCopies:
    """KerasTuner copies callbacks for every trial; some ship them to other processes."""

    def test_before_a_training(self, copied, path):
        monitor = copied(Monitor(path, on_finding="stop", select="divergence"))
        assert_stopped("divergence", diverging(monitor), path, monitor)

    def test_in_a_training(self, copied, path):
        monitor, copies = Monitor(path), []
        copying = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: copies.append(copied(monitor)))
        fitted(classifier(), [monitor, copying], epochs=3)
        assert [one.report.runs[0].run.epochs for one in copies] == [1, 2, 3]
        assert len(rows(path)) == 3

    def test_after_a_training(self, copied, path):
        monitor = Monitor(path)
        diverging(monitor, epochs=4)
        other = copied(monitor)
        assert findings(other) == findings(monitor)
        fitted(classifier(), other)
        assert other.report.runs[0].run.epochs == 2
        assert monitor.report.runs[0].run.epochs == 4

    def test_for_each_trial(self, copied, path):
        monitor = Monitor(path)
        for _ in range(3):
            fitted(classifier(), copied(monitor))
        assert [row["epoch"] for row in rows(path)] == ["0", "1"] * 3


# With others, and again.


def test_the_usual_callbacks_work_beside_it(path, capsys):
    folder = path.parent
    callbacks = [
        keras.callbacks.ModelCheckpoint(folder / "best.keras", save_best_only=True, monitor="loss"),
        keras.callbacks.ModelCheckpoint(folder / "best.weights.h5", save_weights_only=True),
        keras.callbacks.BackupAndRestore(folder / "backup"),
        keras.callbacks.EarlyStopping(monitor="loss", patience=1, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1),
        keras.callbacks.CSVLogger(folder / "keras.csv"),
        keras.callbacks.TensorBoard(folder / "keras", histogram_freq=1),
        Monitor(path),
    ]
    model = classifier()
    for order in (callbacks, callbacks[::-1]):
        fitted(model, order, validation_data=(X, Y))
    assert "left out" not in capsys.readouterr().out
    best = keras.models.load_model(folder / "best.keras")
    assert best.predict(X, verbose=0).shape == (48, 2)
    ours = [float(row["loss"]) for row in rows(path) if row["epoch"] != "epoch"]
    theirs = [float(row["loss"]) for row in rows(folder / "keras.csv")]
    assert ours[-len(theirs) :] == pytest.approx(theirs)


def test_after_an_interrupted_training_the_next_one_goes_on_in_the_same_file(path, capsys):
    def interrupt(batch: int, logs: Any) -> None:
        if batch == 2:
            raise KeyboardInterrupt

    model = classifier()
    fitted(model, Monitor(path))
    interrupting = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted(model, [Monitor(path), interrupting])
    fitted(model, Monitor(path), initial_epoch=2, epochs=4)
    assert [row["epoch"] for row in rows(path)] == ["0", "1", "2", "3"]
    assert [file.name for file in path.parent.glob("*.csv")] == ["run.csv"]
    assert "train_step" not in vars(model)
    assert "left out" not in capsys.readouterr().out


def test_one_monitor_watches_one_training_after_another(path):
    monitor = Monitor(path)
    diverging(monitor, epochs=4)
    fitted(classifier(), monitor, epochs=3)
    assert monitor.report.runs[0].run.epochs == 3
    assert "divergence" not in findings(monitor)
    assert monitor.stopped is None


def test_a_monitor_that_stepped_aside_is_back_in_the_next_training(path, monkeypatch):
    monitor = Monitor(path)
    with monkeypatch.context() as patched:
        patched.setattr(Monitor, "_curves", fail)
        fitted(classifier(), monitor)
    fitted(classifier(), monitor)
    assert [row["epoch"] for row in rows(path)] == ["0", "1"]


@pytest.mark.parametrize("settings", [{}, {"jit_compile": True}, {"run_eagerly": True}], ids=["graph", "xla", "eager"])
def test_a_model_is_watched_again_and_again(settings, path):
    model = classifier(**settings)
    for i in range(3):
        fitted(model, Monitor(path), initial_epoch=2 * i, epochs=2 * i + 2)
        fitted(model, [])
    logged = rows(path)
    assert [row["epoch"] for row in logged] == list("012345")
    assert all(float(row["grad_norm/last"]) > 0 and row["dead_fraction/hidden"] for row in logged)


def test_two_monitors_of_one_training_log_the_same(path):
    other = path.with_name("other.csv")
    fitted(classifier(), [Monitor(path), Monitor(other)])
    assert path.read_text() == other.read_text()


def test_the_numbers_are_mirrored_as_events_for_tensorboard(path):
    pytest.importorskip("tensorboard")
    folder = path.parent / "events"
    fitted(classifier(), Monitor(path, tensorboard=folder), epochs=3)
    ours = diagnose(path).runs[0].run
    (mirrored,) = (report.run for report in diagnose(folder).runs)
    assert mirrored.layers.keys() == ours.layers.keys()
    for name, statistic in ours.layers.items():
        other = mirrored.layers[name]
        assert set(other.layers) == set(statistic.layers)
        order = [other.layers.index(layer) for layer in statistic.layers]
        np.testing.assert_allclose(other.values[:, order], statistic.values, rtol=1e-6)


def test_a_loop_of_ones_own_may_call_it(path):
    model, monitor = classifier(), Monitor(path)
    callbacks = keras.callbacks.CallbackList([monitor], model=model)
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        for batch in range(3):
            callbacks.on_train_batch_begin(batch)
            logs = model.train_on_batch(X, Y, return_dict=True)
            callbacks.on_train_batch_end(batch, logs)
        callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()
    assert [float(row["grad_norm/last"]) > 0 for row in rows(path)] == [True, True]


def test_nan_in_a_metric_ends_nothing(path):
    model = classifier(metrics=[lambda y, p: tf.constant(math.nan)])
    assert len(fitted(model, Monitor(path)).epoch) == 2
