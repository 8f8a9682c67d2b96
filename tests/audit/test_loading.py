"""Models of every kind are loaded: what is taken over, which lines are known, and what is said where it cannot be."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

from diagnose.audit.loading import load  # noqa: E402
from diagnose.readers.base import ReadError  # noqa: E402

pytestmark = pytest.mark.keras


def compiled():
    layers = [keras.Input((8,)), keras.layers.Dense(4, "relu", name="hidden"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers, name="small")
    model.compile(keras.optimizers.SGD(0.25, momentum=0.5), "binary_crossentropy", ["accuracy", keras.metrics.AUC()])
    return model


def residual():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 3, padding="same")(image)
    x = keras.ops.mean(x * 2.0 + image, axis=(1, 2))[:, 1:]
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)], name="inner")
    return keras.Model(image, inner(inner(x)))


def recurrent():
    words = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(100, 8, mask_zero=True)(words)
    x = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(x)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    return keras.Model(words, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(x)))


def error(source, **more) -> str:
    with pytest.raises(ReadError) as caught:
        load(str(source), **more)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into the current folder."""
    monkeypatch.chdir(tmp_path)

    def written(code: str, name: str = "own.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))
        return path

    return written


class TestStored:
    @pytest.mark.parametrize(("name", "format"), [("m.keras", "keras-model"), ("m.h5", "keras-hdf5")])
    def test_a_file_with_the_compilation(self, tmp_path, name, format):
        compiled().save(tmp_path / name)
        loaded = load(str(tmp_path / name))
        assert (loaded.format, loaded.path, loaded.source) == (format, tmp_path / name, str(tmp_path / name))
        assert [layer.name for layer in loaded.model.layers] == ["hidden", loaded.model.layers[1].name]
        assert loaded.model.count_params() == 41
        assert float(loaded.model.optimizer.learning_rate) == 0.25
        assert loaded.model.optimizer.momentum == 0.5
        assert "binary_crossentropy" in str(loaded.model.loss)
        assert loaded.notes == ()

    def test_the_optimizer_gets_no_variables_of_the_weights_size(self, tmp_path):
        compiled().save(tmp_path / "m.keras")
        assert len(load(str(tmp_path / "m.keras")).model.optimizer.variables) <= 2

    @pytest.mark.parametrize("make", [residual, recurrent])
    @pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.json"])
    def test_graphs(self, tmp_path, make, name):
        model, path = make(), tmp_path / name
        path.write_text(model.to_json()) if name == "m.json" else model.save(path)
        loaded = load(str(path)).model
        assert loaded.output_shape == model.output_shape
        assert loaded.count_params() == model.count_params()
        assert len(loaded.layers) == len(model.layers)

    def test_json(self, tmp_path):
        (tmp_path / "m.json").write_text(compiled().to_json())
        loaded = load(str(tmp_path / "m.json"))
        assert loaded.format == "keras-json"
        assert loaded.model.loss == "binary_crossentropy"

    def test_json_of_keras_2(self, tmp_path):
        dense = {"class_name": "Dense", "config": {"name": "d", "units": 3, "batch_input_shape": [None, 5],
                 "activation": "softmax", "dtype": "float32",
                 "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}}}  # fmt: skip
        config = {"class_name": "Sequential", "config": {"name": "old", "layers": [dense]},
                  "keras_version": "2.11.0", "backend": "tensorflow"}  # fmt: skip
        (tmp_path / "m.json").write_text(json.dumps(config))
        model = load(str(tmp_path / "m.json")).model
        assert model.layers[-1].activation is keras.activations.softmax

    def test_an_unpacked_archive_and_its_configuration_alone(self, tmp_path):
        import zipfile

        compiled().save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            archive.extractall(tmp_path / "m")
        assert load(str(tmp_path / "m")).model.count_params() == 41
        assert load(str(tmp_path / "m" / "config.json")).format == "keras-json"

    def test_the_metadata_of_a_saved_model_of_keras_2(self, tmp_path):
        layers = [
            {"class_name": "InputLayer", "config": {"batch_input_shape": {"class_name": "__tuple__",
             "items": [None, 4]}, "dtype": "float32", "sparse": False, "ragged": False, "name": "i"}},
            {"class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "relu"}},
        ]  # fmt: skip
        metadata = {"class_name": "Sequential", "name": "old", "config": {"name": "old", "layers": layers},
                    "training_config": {"loss": "mse", "metrics": None, "weighted_metrics": None, "loss_weights": None,
                    "optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.5}}}}  # fmt: skip
        (tmp_path / "keras_metadata.pb").write_bytes(saved_metadata(metadata))
        (tmp_path / "saved_model.pb").write_bytes(b"")
        loaded = load(str(tmp_path))
        assert loaded.format == "saved-model"
        assert loaded.model.input_shape == (None, 4)
        assert float(loaded.model.optimizer.learning_rate) == 0.5

    def test_an_exported_model_has_no_layers(self, tmp_path):
        (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
        assert "model.save('model.keras')" in error(tmp_path)

    @pytest.mark.parametrize("name", ["m.weights.h5", "old.h5"])
    def test_weights_alone_are_no_model(self, tmp_path, name):
        if name == "old.h5":
            with h5py.File(tmp_path / name, "w") as file:
                file.attrs["layer_names"] = [b"dense"]
        else:
            compiled().save_weights(tmp_path / name)
        assert "weights only" in error(tmp_path / name)

    def test_another_hdf5_file(self, tmp_path):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["x"] = [1, 2]
        assert "without a Keras model" in error(tmp_path / "x.h5")

    def test_a_layer_of_the_users_own_is_to_be_named_with_its_module(self, tmp_path):
        class Mine(keras.layers.Layer):
            pass

        keras.Sequential([keras.Input((2,)), Mine()]).save(tmp_path / "m.keras")
        assert "Mine'" in error(tmp_path / "m.keras")
        assert "my_model.py:build" in error(tmp_path / "m.keras")

    def test_a_registered_layer_is_known(self, tmp_path):
        @keras.saving.register_keras_serializable("tests")
        class Registered(keras.layers.Layer):
            pass

        try:
            keras.Sequential([keras.Input((2,)), Registered()]).save(tmp_path / "m.keras")
            assert isinstance(load(str(tmp_path / "m.keras")).model.layers[0], Registered)
        finally:
            del keras.saving.get_custom_objects()["tests>Registered"]

    @pytest.mark.parametrize("name", ["m.keras", "m.h5"])
    def test_without_a_loss_that_is_not_known_the_model_is_still_looked_at(self, tmp_path, name):
        def my_loss(y_true, y_pred):
            return keras.ops.mean(y_true - y_pred)

        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("adam", my_loss)
        model.save(tmp_path / name)
        loaded = load(str(tmp_path / name))
        assert loaded.model.count_params() == 3
        assert not getattr(loaded.model, "compiled", False)
        assert "my_loss" in loaded.notes[0]

    def test_layers_that_have_learned_from_data(self, tmp_path):
        words = keras.layers.StringLookup(vocabulary=["get", "vocabulary", "x" * 50], name="words")
        text = keras.Input((1,), dtype="string")
        keras.Model(text, words(text)).save(tmp_path / "m.keras")
        loaded = load(str(tmp_path / "m.keras"))
        assert loaded.model.layers[1].get_vocabulary()[1:] == ["get", "vocabulary", "x" * 50]
        assert "what words took from data" in loaded.notes[0]

    def test_a_pipe_is_not_opened(self, tmp_path):
        os.mkfifo(tmp_path / "m.keras")
        assert "pipe" in error(tmp_path / "m.keras")

    def test_a_missing_file(self, tmp_path):
        assert "no such file" in error(tmp_path / "missing.keras")


def saved_metadata(metadata) -> bytes:
    """Return the message that Keras 2 wrote as keras_metadata.pb, of one node."""

    def field(number: int, content: bytes) -> bytes:
        length, size = b"", len(content)
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    version = field(6, b"\x08\x01\x10\x01")
    node = field(3, b"root") + field(4, b"_tf_keras_sequential") + field(5, json.dumps(metadata).encode()) + version
    return field(1, b"\x10\x01" + field(3, b"root.layer-0") + field(4, b"_tf_keras_layer")) + field(1, node)


class TestFunction:
    CODE = """\
    import keras
    from keras import layers

    def block(x, units):
        x = layers.Dense(
            units,
        )(x)
        return layers.ReLU()(x)

    def build():
        inputs = keras.Input((4,))
        x = inputs
        for units in (8, 8):
            x = block(x, units)
        x = x + 1.0
        return keras.Model(inputs, layers.Dense(1, name="head")(x))

    def stack():
        model = keras.Sequential()
        model.add(keras.Input((4,)))
        model.add(layers.Dense(3))
        model.add(layers.Dense(1))
        return model

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(1)

        def call(self, x):
            return self.head(x)

    ready = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    """

    def lines(self, loaded) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for layer in loaded.model._flatten_layers(include_self=False):
            found.setdefault(type(layer).__name__, []).append(loaded.lines.get(id(layer)))
        return found

    def test_each_layer_has_the_line_on_which_it_is_made(self, write):
        path = write(self.CODE)
        loaded = load("own.py:build")
        assert loaded.format == "python"
        assert loaded.path.resolve() == path
        lines = self.lines(loaded)
        assert lines["Dense"] == [5, 5, 16]
        assert lines["ReLU"] == [8, 8]
        assert lines["InputLayer"] == [11]
        added = next(op for op in loaded.model.operations if type(op).__name__ == "Add")
        assert loaded.lines[id(added)] == 15

    def test_of_a_sequential_model_a_class_and_a_variable_too(self, write):
        write(self.CODE)
        assert self.lines(load("own.py:stack"))["Dense"] == [21, 22]
        assert self.lines(load("own.py:Own"))["Dense"] == [28]
        assert self.lines(load("own.py:ready"))["Dense"] == [33]

    def test_a_module_in_a_package(self, write):
        write("", "pack_of_models/__init__.py")
        write("from pack_of_models.deep import build", "pack_of_models/nets.py")
        write(self.CODE, "pack_of_models/deep.py")
        loaded = load("pack_of_models.nets:build")
        assert loaded.path.name == "deep.py"
        assert self.lines(loaded)["Dense"] == [5, 5, 16]

    def test_keras_is_as_it_was(self, write):
        before = keras.Operation.__new__
        write(self.CODE + "\n    def fails():\n        raise KeyError('x')\n")
        load("own.py:build")
        error("own.py:fails")
        assert keras.Operation.__new__ is before
        assert keras.layers.Dense(1).name

    def test_a_text_in_place_of_the_file(self, write):
        path = write(self.CODE)
        changed = path.read_text().replace("(8, 8)", "(8, 8, 8)")
        assert self.lines(load("own.py:build", text=changed))["ReLU"] == [8, 8, 8]
        assert self.lines(load("own.py:build"))["ReLU"] == [8, 8]

    def test_hyperparameters_at_their_defaults(self, write):
        pytest.importorskip("keras_tuner")
        write("""
        import keras, keras_tuner

        def build(hp):
            return keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.Int("units", 3, 9))])

        class Hyper(keras_tuner.HyperModel):
            def build(self, hp):
                return build(hp)
        """)
        assert load("own.py:build").model.output_shape == (None, 3)
        assert load("own.py:Hyper").model.output_shape == (None, 3)

    def test_what_it_prints_is_not_on_standard_output(self, write, capsys):
        write("import keras\nprint('hello')\ndef build():\n    print('there')\n    return keras.Sequential()\n")
        load("own.py:build")
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "hello\nthere\n" in captured.err

    def test_arguments_of_this_program_are_not_for_it(self, write, monkeypatch):
        monkeypatch.setattr("sys.argv", ["diagnose", "--fix", "own.py:build"])
        write("""
        import argparse, keras
        argparse.ArgumentParser().parse_args()
        def build():
            return keras.Sequential()
        """)
        assert load("own.py:build").format == "python"

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("raise KeyError('x')", r"KeyError: 'x' at .*own\.py:3$"),
            ("import sys; sys.exit('enough')", r"SystemExit: enough at .*own\.py:3$"),
            ("return", r"returns nothing; end it with: return model"),
            ("return (1, 2)", r"makes a tuple, and no Keras model"),
            ("return keras.layers.Dense(1)", r"makes a Dense, and no Keras model"),
            ("return keras.layers.Dense(units=-1)", r"ValueError: .*own\.py:3$"),
        ],
    )
    def test_what_fails_is_said_in_one_line(self, write, body, said):
        import re

        write(f"import keras\ndef build():\n    {body}\n")
        assert re.search(said, error("own.py:build"))

    @pytest.mark.parametrize("body", ["import sys; sys.exit(3)", "import no_such_module", "def broken(:", "1 / 0"])
    def test_a_module_that_fails(self, write, body):
        write(f"import keras\n{body}\ndef build():\n    return 1\n")
        assert "own.py:2" in error("own.py:build")

    def test_the_users_interrupt_goes_on(self, write):
        write("def build():\n    raise KeyboardInterrupt\n")
        with pytest.raises(KeyboardInterrupt):
            load("own.py:build")

    def test_arguments_that_nobody_gives(self, write):
        write("def build(width, depth):\n    return 1\n")
        assert "needs arguments (width, depth)" in error("own.py:build")

    def test_names_that_are_not_there(self, write):
        write(self.CODE)
        assert "own.py:build or own.py:stack or own.py:Own or own.py:ready" in error("own.py:bild")
        assert "there is no file" in error("missing.py:build")
        assert "no module 'no_such_package_at_all'" in error("no_such_package_at_all:build")

    def test_a_file_without_a_function_is_not_run(self, write, tmp_path):
        path = write(self.CODE + f"\n    open({str(tmp_path / 'canary')!r}, 'w')\n")
        assert f"{path}:build or {path}:stack" in error(path)
        assert not (tmp_path / "canary").exists()

    @pytest.mark.parametrize("code", ["", "def (", "(" * 5000, "x = 1\0"])
    def test_a_file_without_anything_to_suggest(self, write, code):
        path = write(code)
        assert f"{path}:build" in error(path)
