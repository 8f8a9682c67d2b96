"""run.json: what is known of a training beside its curves, of models of any make."""

from __future__ import annotations

import json

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.keras

from diagnose import diagnose  # noqa: E402
from diagnose.live import facts as facts_module  # noqa: E402
from diagnose.live.anatomy import layers_of  # noqa: E402
from diagnose.live.facts import MAX_EARLIER, data_facts, facts_of, plain, write_facts  # noqa: E402
from diagnose.live.log import Log  # noqa: E402
from diagnose.readers import read  # noqa: E402
from diagnose.readers.curves import MAX_CONFIG_BYTES, facts_in  # noqa: E402

layers = keras.layers


def classifier(units: int = 3, activation: str = "softmax") -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, activation="relu", kernel_initializer=keras.initializers.RandomNormal(stddev=0.5)),
            layers.BatchNormalization(),
            layers.Dense(units, activation=activation, bias_initializer="ones"),
        ]
    )


def compiled(model: keras.Model | None = None, loss: object = "sparse_categorical_crossentropy", **options: object):
    model = classifier() if model is None else model
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": loss, **options})
    return model


def strict(facts: dict) -> dict:
    """Return facts as they come back from a file."""
    return json.loads(json.dumps(facts, allow_nan=False))


# The model


def test_the_names_that_checks_know():
    facts = strict(facts_of(compiled(optimizer=keras.optimizers.Adam(0.001))))
    expected = {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": "adam",
        "learning_rate": 0.001,
        "classes": 3,
        "parameters": {"total": 40 + 32 + 27, "trainable": 40 + 16 + 27},
    }
    assert {name: facts[name] for name in expected} == expected


def test_a_layer_is_described_under_its_name_in_the_log():
    model = compiled()
    first, second, third = facts_of(model)["architecture"]
    assert [layer["name"] for layer in (first, second, third)] == [layer.name for layer in layers_of(model)]
    assert first == {
        "name": first["name"],
        "class": "Dense",
        "activation": "relu",
        "initializer": "random_normal",
        "initializer_config": {"mean": 0.0, "stddev": 0.5},
        "bias_initializer": "zeros",
        "output_shape": [None, 8],
        "parameters": 40,
        "trainable": True,
    }
    assert "activation" not in second
    assert third["bias_initializer"] == "ones"


def test_frozen_layers_and_layers_without_weights():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.ReLU()])
    model.layers[0].trainable = False
    dense, relu = facts_of(compiled(model))["architecture"]
    assert (dense["trainable"], dense["parameters"]) == (False, 15)
    assert "trainable" not in relu
    assert "parameters" not in relu


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("mse", "mean_squared_error"),
        (keras.losses.MeanAbsoluteError(), "mean_absolute_error"),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="mine"), "sparse_categorical_crossentropy"),
        (keras.losses.binary_crossentropy, "binary_crossentropy"),
        (keras.losses.KLDivergence(), "kl_divergence"),
        (lambda y, p: keras.ops.mean(p), "lambda"),
        (["mse"], "mean_squared_error"),
    ],
)
def test_what_a_loss_is_called(loss, name):
    assert facts_of(compiled(loss=loss))["loss"] == name


def test_a_loss_on_logits_says_so():
    assert facts_of(compiled(loss=keras.losses.BinaryCrossentropy(from_logits=True)))["from_logits"] is True
    assert "from_logits" not in facts_of(compiled())


@pytest.mark.parametrize(
    ("units", "loss", "classes"),
    [
        (3, "categorical_crossentropy", 3),
        (3, "ce", 3),
        (1, "binary_crossentropy", 2),
        (1, "sparse_categorical_crossentropy", None),
        (3, "binary_crossentropy", None),
        (3, "mse", None),
    ],
)
def test_classes_are_told_from_the_output_and_the_loss(units, loss, classes):
    assert facts_of(compiled(classifier(units), loss)).get("classes") == classes


def test_several_outputs_have_a_loss_each():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [layers.Dense(3, name="a")(inputs), layers.Dense(1, name="b")(inputs)])
    facts = facts_of(compiled(model, {"a": "sparse_categorical_crossentropy", "b": "mse"}))
    assert facts["loss"] == {"a": "sparse_categorical_crossentropy", "b": "mean_squared_error"}
    assert "classes" not in facts
    assert facts_of(compiled(model, ["mae", "mse"]))["loss"]["a"] == "mean_absolute_error"


def test_a_schedule_is_told_as_what_it_is():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.9)
    facts = strict(facts_of(compiled(optimizer=keras.optimizers.SGD(schedule, momentum=0.9, clipnorm=1.0))))
    assert facts["learning_rate"] == 0.1
    config = facts["optimizer_config"]
    assert (config["momentum"], config["clipnorm"]) == (0.9, 1.0)
    assert config["learning_rate"]["class"] == "ExponentialDecay"
    assert config["learning_rate"]["decay_steps"] == 100


def test_under_mixed_precision_the_optimizer_is_the_one_inside():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype="mixed_float16")])
    facts = facts_of(compiled(model, optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))))
    assert (facts["optimizer"], facts["learning_rate"]) == ("adam", 0.01)
    assert facts["optimizer_config"]["loss_scaling"] == "LossScaleOptimizer"


def test_the_seed_is_told_where_one_was_set():
    keras.utils.set_random_seed(11)
    assert facts_of(compiled())["seeds"]["keras"] == 11


def test_versions_and_surroundings_without_names_of_people_machines_and_folders(monkeypatch):
    import getpass
    import socket

    facts = strict(facts_of(compiled()))
    assert facts["versions"]["keras"] == keras.__version__
    assert facts["environment"]["cpus"] >= 1
    text = json.dumps([facts["versions"], facts["environment"]])
    for private in (socket.gethostname(), getpass.getuser(), "/home", "/root"):
        assert private not in text


class OwnModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)


class OwnOptimizer(keras.optimizers.SGD):
    def get_config(self):
        raise RuntimeError("not today")


def test_what_cannot_be_told_is_left_out_and_the_rest_stays():
    model = compiled(OwnModel(), optimizer=OwnOptimizer(0.5))
    facts = strict(facts_of(model))
    assert facts["optimizer"] == "ownoptimizer"
    assert facts["learning_rate"] == 0.5
    assert facts["loss"] == "sparse_categorical_crossentropy"
    assert {"optimizer_config", "classes", "parameters"}.isdisjoint(facts)
    assert facts["architecture"][0]["class"] == "Dense"


def test_a_model_that_was_not_compiled_is_no_error():
    assert strict(facts_of(OwnModel()))["schema"] == "kerasdx-run/1"


def test_asking_changes_no_random_number():
    def drawn(ask: bool) -> list[float]:
        keras.utils.set_random_seed(3)
        model = compiled()
        if ask:
            facts_of(model)
        return [*keras.ops.convert_to_numpy(keras.random.normal((3,))), *np.random.rand(3)]

    assert drawn(ask=True) == drawn(ask=False)


# The data


def test_counts_shapes_and_scale_of_the_data():
    inputs = np.array([[0.0, 255.0], [0.0, 255.0]], dtype=np.float32)
    facts = strict(data_facts(inputs, samples=100, batch_size=32, steps_per_epoch=4))
    assert facts == {
        "samples": 100,
        "batch_size": 32,
        "steps_per_epoch": 4,
        "inputs": [
            {"name": "", "shape": [2], "dtype": "float32", "min": 0.0, "max": 255.0, "mean": 127.5, "std": 127.5}
        ],
    }


def test_several_inputs_are_told_by_name_and_unknown_counts_are_left_out():
    inputs = {"ids": np.array([[1, 2]]), "text": np.array([["a"]])}
    facts = strict(data_facts(inputs))
    assert [told["name"] for told in facts["inputs"]] == ["ids", "text"]
    assert "samples" not in facts


def test_inputs_that_are_not_finite_are_counted():
    (told,) = strict(data_facts(np.array([[1.0, np.nan, np.inf, 3.0]])))["inputs"]
    assert (told["not_finite"], told["min"], told["max"]) == (0.5, 1.0, 3.0)


@pytest.mark.parametrize("inputs", [None, np.full((1, 2), np.nan), np.zeros((0, 3)), object(), [None]])
def test_odd_data_is_no_error(inputs):
    strict(data_facts(inputs, samples=3))


# The file


def test_values_that_json_cannot_hold_are_named():
    told = plain({"nan": np.nan, "inf": -np.inf, "f": len, "a": np.float32(0.5), "n": np.int64(3), 1: {"set"}})
    assert strict(told) == {
        "nan": "nan", "inf": "-inf", "f": "builtin_function_or_method", "a": 0.5, "n": 3, "1": ["set"],
    }  # fmt: skip


def test_a_value_that_holds_itself_ends():
    endless: list = []
    endless.append(endless)
    strict(plain(endless))


def test_facts_are_read_back_as_the_configuration_of_the_log(tmp_path):
    with Log(tmp_path / "run.csv") as log:
        log.write({"epoch": 0, "loss": 1.1})
        write_facts(log.facts_path, facts_of(compiled()))
    (run,) = read(tmp_path / "run.csv")
    assert (run.config["classes"], run.config["optimizer"]) == (3, "sgd")


def test_a_folder_with_log_and_facts_is_one_log(tmp_path):
    for name in ("run.csv", "fit-7.csv"):
        with Log(tmp_path / name) as log:
            for epoch in range(12):
                log.write({"epoch": epoch, "loss": 1.1 * 0.8**epoch, "accuracy": 1 - 0.6 * 0.8**epoch})
            write_facts(log.facts_path, {**facts_of(compiled()), **data_facts(np.ones((2, 4)), samples=10)})
    report = diagnose(str(tmp_path))
    assert len(report.runs) == 2
    assert report.errors == ()


def test_a_training_before_this_one_is_remembered(tmp_path):
    path = tmp_path / "run.json"
    stopped = {"check": "nan-loss", "epoch": 3, "reason": "The loss is NaN."}
    write_facts(path, {**facts_of(compiled()), "stopped": stopped, "epochs": 4, "ended": "now"})
    second = facts_of(compiled())
    write_facts(path, second)
    write_facts(path, {**second, "epochs": 7})
    told = json.loads(path.read_text())
    assert told["epochs"] == 7
    (earlier,) = told["earlier"]
    assert (earlier["stopped"], earlier["epochs"], earlier["ended"]) == (stopped, 4, "now")
    assert "architecture" not in earlier


def test_only_the_last_trainings_are_remembered(tmp_path):
    for i in range(MAX_EARLIER + 5):
        write_facts(tmp_path / "run.json", {"schema": "kerasdx-run/1", "started": str(i)})
    earlier = json.loads((tmp_path / "run.json").read_text())["earlier"]
    assert [training["started"] for training in earlier] == [str(i) for i in range(4, MAX_EARLIER + 4)]


def test_a_file_that_is_not_monitors_stays_as_it_is(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"my": "settings"}')
    with pytest.raises(FileExistsError, match="did not write"):
        write_facts(path, facts_of(compiled()))
    assert path.read_text() == '{"my": "settings"}'


def test_a_failure_leaves_the_old_facts(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_facts(path, {"schema": "kerasdx-run/1", "started": "a"})
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(facts_module.os, "replace", fail)
    with pytest.raises(OSError, match="no room"):
        write_facts(path, {"schema": "kerasdx-run/1", "started": "b"})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_facts_of_a_huge_model_are_small_enough_to_be_read(tmp_path):
    many = [{"name": "x" * 400, "class": "Dense", "output_shape": [None] * 90} for _ in range(2_000)]
    facts = {"schema": "kerasdx-run/1", "started": "a", "loss": "mse", "architecture": many, "layers": 9_999}
    write_facts(tmp_path / "run.json", facts)
    assert (tmp_path / "run.json").stat().st_size < MAX_CONFIG_BYTES
    told = facts_in(tmp_path / "run.json")
    assert told["loss"] == "mse"
    assert 100 < len(told["architecture"]) < 2_000
