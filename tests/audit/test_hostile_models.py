"""Crafted models: each ends in one line; nothing runs, and nothing outside of the file is read, written or fetched."""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import pickle
import resource
import stat
import zipfile
from contextlib import suppress

import pytest

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

from diagnose.audit.loading import load  # noqa: E402
from diagnose.readers.base import ReadError  # noqa: E402

pytestmark = pytest.mark.keras

#: A refusal takes at most so much more memory.
KILOBYTES = 600 * 1024
DENSE = {"class_name": "Dense", "config": {"units": 1, "name": "d"}}


@pytest.fixture
def canary(tmp_path):
    """A file that code in a model would write; it is never there."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*arguments, **named):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refused)
    monkeypatch.setattr("socket.getaddrinfo", refused)


def refused(path) -> str:
    """Load a model that must be refused, in little memory; return the line that is said."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ReadError) as caught:
        load(str(path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KILOBYTES
    message = str(caught.value)
    assert message.isprintable()  # not even a line feed
    return message


def archive(path, config, **more: bytes):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("metadata.json", json.dumps({"keras_version": "3.9.0"}))
        made.writestr("config.json", config if isinstance(config, str | bytes) else json.dumps(config))
        for name, content in more.items():
            made.writestr(name, content)
    return path


def hdf5(path, config, training=None):
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        file.create_group("model_weights")
    return path


def sequential(*layers, module="keras", **more):
    first = {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 4], "name": "i"}}
    return {"module": module, "class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers]}, **more}


def legacy(*layers):
    first = {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "name": "i"}}
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers]}}


def node(name, config=None, module="keras.layers", **more):
    return {"module": module, "class_name": name, "config": {} if config is None else config,
            "registered_name": None, **more}  # fmt: skip


def bytecode(canary) -> str:
    code = compile(f"lambda x: open({str(canary)!r}, 'w') and x", "x", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(code)).decode()


class TestCode:
    def test_a_lambda_in_an_archive(self, tmp_path, canary):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])
        model.save(tmp_path / "m.keras")
        assert "a Lambda layer, which holds Python code" in refused(tmp_path / "m.keras")

    def test_code_in_an_archive(self, tmp_path, canary):
        inner = {"class_name": "__lambda__", "config": {"code": bytecode(canary), "defaults": None, "closure": None}}
        for layer in (
            node("Lambda", {"name": "l", "function": inner}),
            node("Activation", {"activation": inner}),
            node("Dense", {"units": 1, "kernel_initializer": inner}),
            node("TimeDistributed", {"layer": node("Lambda", {"function": inner})}),
            node("Lambda", {"function": inner}, module="keras.src.layers.core.lambda_layer"),
        ):
            assert "Python code" in refused(archive(tmp_path / "m.keras", sequential(layer)))
        assert "Python code" in refused(archive(tmp_path / "m.keras", inner))

    @pytest.mark.parametrize("unsafe", [False, True])
    def test_code_in_an_hdf5_file(self, tmp_path, canary, unsafe, monkeypatch):
        if unsafe:  # a configuration may have turned safe mode off for the process
            monkeypatch.setattr("keras.src.saving.serialization_lib.in_safe_mode", lambda: False)
        function = [bytecode(canary), None, None]
        layer = {"class_name": "Lambda", "config": {"name": "l", "function": function, "function_type": "lambda"}}
        assert "Python code" in refused(hdf5(tmp_path / "m.h5", legacy(layer)))
        assert "Python code" in refused(hdf5(tmp_path / "m.h5", sequential(node("Lambda", layer["config"]))))

    def test_code_in_the_compilation(self, tmp_path, canary):
        inner = {"class_name": "__lambda__", "config": {"code": bytecode(canary), "defaults": None, "closure": None}}
        config = sequential(node("Dense", {"units": 1}), compile_config={"loss": inner, "optimizer": "sgd"})
        assert "Python code" in refused(archive(tmp_path / "m.keras", config))
        training = {"loss": inner, "optimizer_config": {"class_name": "SGD", "config": {}}, "loss_weights": None}
        assert "Python code" in refused(hdf5(tmp_path / "m.h5", legacy(DENSE), training))

    @pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.json"])
    def test_a_pickle_under_another_name(self, tmp_path, canary, name):
        class Exploding:
            def __reduce__(self):
                return (open, (str(canary), "w"))

        (tmp_path / name).write_bytes(pickle.dumps(Exploding()))
        assert "pickle" in refused(tmp_path / name)

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("os", "system"),
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("subprocess", "Popen"),
            ("posix", "system"),
            ("keras.utils", "get_file"),
            ("keras.src.utils.file_utils", "get_file"),
            ("keras.models", "load_model"),
            ("keras.saving", "load_model"),
            ("keras.src.saving.saving_lib", "load_model"),
            ("keras.config", "enable_unsafe_deserialization"),
            ("keras.src.saving.serialization_lib", "enable_unsafe_deserialization"),
            ("keras.src.utils.python_utils", "func_load"),
            ("keras.src.backend.tensorflow.numpy", "tf"),
            ("keras.utils", "FeatureSpace"),
            ("keras.layers", "TFSMLayer"),
            ("keras.layers", "TorchModuleWrapper"),
            ("keras.layers", "deserialize"),
            ("keras.activations", "deserialize"),
            ("keras.callbacks", "BackupAndRestore"),
            ("keras_hub.models", "Backbone"),
            ("tensorflow.io", "read_file"),
            ("keras.layers.os", "system"),
            ("keras..layers", "Dense"),
            (".", "x"),
            ("", ""),
        ],
    )
    def test_what_a_configuration_may_not_name(self, tmp_path, canary, module, name):
        config = {"filepath": str(canary), "fname": str(canary), "origin": "http://example.com/x", "name": "x"}
        for layer in (
            node(name, config, module),
            node(name, config, module, registered_name=name),
            node("function", name, module),
            node("function", name, "builtins"),
            node("Activation", {"activation": node("function", name, module, registered_name=name)}),
            node("RNN", {"cell": node(name, {"name": "x"}, module)}),
        ):
            refused(archive(tmp_path / "m.keras", sequential(layer)))
            refused(archive(tmp_path / "m.keras", layer))
            refused(hdf5(tmp_path / "m.h5", sequential(layer)))
            refused(hdf5(tmp_path / "m.h5", legacy({"class_name": layer["class_name"], "config": layer["config"]})))

    @pytest.mark.parametrize("value", ["deserialize", "get", "keras_export"])
    def test_functions_that_lie_beside_the_layers(self, tmp_path, value):
        layer = {"class_name": "Dense", "config": {"units": 2, "activation": value}}
        assert "would call" in refused(hdf5(tmp_path / "m.h5", legacy(layer)))

    @pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup", "TextVectorization"])
    def test_a_vocabulary_from_a_file(self, tmp_path, name):
        (tmp_path / "secret.txt").write_text("alpha\nbeta\n")
        layer = node(name, {"name": "v", "vocabulary": str(tmp_path / "secret.txt")})
        assert "a file to read" in refused(archive(tmp_path / "m.keras", sequential(layer)))

    def test_a_library_on_keras_that_reads_files_is_none_of_keras_own(self, tmp_path, monkeypatch):
        class Backbone(keras.layers.Layer):
            pass

        Backbone.__module__ = "keras_hub.src.models"
        monkeypatch.setitem(keras.saving.get_custom_objects(), "keras_hub>Backbone", Backbone)
        layer = node("Backbone", {}, "keras_hub.models", registered_name="keras_hub>Backbone")
        assert "not Keras' own" in refused(archive(tmp_path / "m.keras", sequential(layer)))


class TestArchive:
    def entry(self, path, name, content=b"x", mode=None):
        archive(path, sequential(node("Dense", {"units": 1})))
        info = zipfile.ZipInfo(name)
        if mode is not None:
            info.create_system, info.external_attr = 3, mode << 16
        with zipfile.ZipFile(path, "a") as made:
            made.writestr(info, content)
        return path

    @pytest.mark.parametrize(
        "name", ["../canary", "assets/../../canary", "/tmp/canary", "..\\canary", "C:\\canary", "a/../../../b"]
    )
    def test_names_that_point_outside(self, tmp_path, canary, name):
        assert "outside" in refused(self.entry(tmp_path / "m.keras", name))

    def test_a_symbolic_link(self, tmp_path):
        link = stat.S_IFLNK | 0o777
        assert "symbolic link" in refused(self.entry(tmp_path / "m.keras", "assets", b"/etc", link))

    @pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
    @pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    def test_a_bomb(self, tmp_path, name, method):
        path = tmp_path / "m.keras"
        with zipfile.ZipFile(path, "w", method, compresslevel=1) as made:
            if name != "config.json":
                made.writestr("config.json", json.dumps(sequential()))
            with made.open(name, "w") as stream:
                for _ in range(70):
                    stream.write(bytes(2**20))
        assert path.stat().st_size < 2**20
        assert "would grow" in refused(path)

    def test_a_way_of_packing_that_unpacks_without_bounds(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_LZMA) as made:
            made.writestr("config.json", json.dumps(sequential()))
        assert "packed in a way" in refused(tmp_path / "m.keras")

    def test_a_size_that_is_a_lie(self, tmp_path):
        path = tmp_path / "m.keras"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("config.json", bytes(100 * 2**20))
        data = path.read_bytes().replace((100 * 2**20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
        path.write_bytes(data)
        refused(path)

    def test_an_archive_in_an_archive(self, tmp_path):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("config.json", bytes(2**20))
        refused(archive(tmp_path / "m.keras", inner.getvalue()))

    def test_thousands_of_entries(self, tmp_path):
        path = archive(tmp_path / "m.keras", sequential(), **{f"assets/{i}": b"" for i in range(3000)})
        assert "entries" in refused(path)

    def test_a_list_of_entries_without_end(self, tmp_path):
        path = archive(tmp_path / "m.keras", sequential(), **{f"{i:06d}" + "x" * 60_000: b"" for i in range(700)})
        assert "entries" in refused(path)

    def test_two_configurations(self, tmp_path):
        path = archive(tmp_path / "m.keras", sequential())
        with zipfile.ZipFile(path, "a") as made, pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("config.json", "{}")
        assert "several" in refused(path)

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
    def test_a_torn_one(self, tmp_path, part):
        path = archive(tmp_path / "m.keras", sequential(node("Dense", {"units": 1})))
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
        assert "torn or broken" in refused(path)

    def test_any_byte_changed(self, tmp_path):
        path = archive(tmp_path / "m.keras", sequential(node("Dense", {"units": 1})))
        data = path.read_bytes()
        for at in range(0, len(data), 7):
            path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
            with suppress(ReadError):  # no other exception
                load(str(path))

    def test_without_a_configuration(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as made:
            made.writestr("x", "y")
        assert "config.json" in refused(tmp_path / "m.keras")

    def test_one_that_is_locked(self, tmp_path):
        path = archive(tmp_path / "m.keras", sequential())
        data = bytearray(path.read_bytes())
        for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            start = 0
            while (start := data.find(magic, start)) >= 0:
                data[start + at] |= 1
                start += 4
        path.write_bytes(data)
        refused(path)


class TestHdf5:
    def test_links_to_other_files_are_not_followed(self, tmp_path):
        outside = tmp_path / "outside.h5"
        os.mkfifo(outside)  # opening it would block for ever
        path = hdf5(tmp_path / "m.h5", legacy({"class_name": "Dense", "config": {"units": 2, "name": "d"}}))
        with h5py.File(path, "a") as file:
            del file["model_weights"]
            file["model_weights"] = h5py.ExternalLink(str(outside), "/x")
            file["layers"] = h5py.SoftLink("/model_weights")
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource(str(outside), "x", (4,))
            file.create_virtual_dataset("vars", layout)
            file.create_dataset("raw", (10,), "u1", external=[(str(outside), 0, 10)])
        assert load(str(path)).model.count_params() == 10

    def test_weights_by_such_links(self, tmp_path):
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file["layers"] = h5py.ExternalLink(str(tmp_path / "missing.h5"), "/x")
        assert "weights only" in refused(tmp_path / "m.h5")

    @pytest.mark.parametrize("value", [7, [1.5, 2.5], ["{}", "{}"], h5py.Empty("f"), b"\xff\xfe", "", "null", "[]"])
    def test_a_configuration_that_is_none(self, tmp_path, value):
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file.attrs["model_config"] = value
        refused(tmp_path / "m.h5")

    @pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.95])
    def test_a_torn_one(self, tmp_path, part):
        path = hdf5(tmp_path / "m.h5", legacy())
        path.write_bytes(path.read_bytes()[: max(8, int(path.stat().st_size * part))])
        assert "torn or broken" in refused(path)


class TestSize:
    def test_a_layer_too_large_for_memory(self, tmp_path):
        for layers in (
            [node("Dense", {"units": 10**9, "name": "a"})],
            [node("Dense", {"units": 10**8, "name": "a"}), node("Dense", {"units": 10**8, "name": "b"})],
            [node("Embedding", {"input_dim": 10**8, "output_dim": 10**6})],
            [node("Embedding", {"input_dim": 10**15, "output_dim": 1})],
            [node("Dense", {"units": 10**30})],
            [node("Dense", {"units": 10_000, "name": f"d{i}"}) for i in range(7)],
        ):
            for path in (
                archive(tmp_path / "m.keras", sequential(*layers)),
                hdf5(tmp_path / "m.h5", sequential(*layers)),
            ):
                message = refused(path)
                assert any(word in message for word in ("parameters", "setting", "digits"))

    def test_what_was_refused_is_not_allocated_later(self, tmp_path):
        layers = [node("Dense", {"units": 10_000, "name": f"d{i}"}) for i in range(7)]
        refused(archive(tmp_path / "m.keras", sequential(*layers)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with keras.StatelessScope():
            pass  # at its end Keras makes up for the variables that have no numbers yet
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KILOBYTES

    def test_a_metric_too_large_for_memory(self, tmp_path):
        for metric in (
            node("AUC", {"num_thresholds": 10**8}, "keras.metrics"),
            node("MeanIoU", {"num_classes": 10**6}, "keras.metrics"),
        ):
            config = sequential(node("Dense", {"units": 1}), compile_config={"loss": "mse", "metrics": [metric]})
            refused(archive(tmp_path / "m.keras", config))

    def test_each_layer_of_many_is_called_once(self, tmp_path):
        """Keras calls all of a Sequential again for each one that it adds: half a minute for 200."""
        inner = sequential(*(node("Dense", {"units": 2, "name": f"e{i}"}) for i in range(3)))
        layers = [node("Dense", {"units": 4, "name": f"d{i}"}) for i in range(100)]
        add, from_config = keras.Sequential.add, keras.Sequential.from_config
        for path in (
            archive(tmp_path / "m.keras", sequential(*layers, inner)),
            hdf5(tmp_path / "m.h5", legacy(*({"class_name": "Dense", "config": one["config"]} for one in layers))),
        ):
            model = load(str(path)).model
            assert model.built
            assert {len(layer._inbound_nodes) for layer in model.layers if layer.name.startswith("d")} == {1}
        assert (keras.Sequential.add, keras.Sequential.from_config) == (add, from_config)

    def test_a_call_that_is_computed_at_once(self, tmp_path):
        """Without a tensor of the graph among its arguments: 900 million numbers of one."""
        hidden = {"class_name": "__keras_tensor__", "config": {}}
        one = {"class_name": "__numpy__", "config": {"value": [[[[1.0]]]], "dtype": "float32", "x": hidden}}
        layers = [
            {**node("InputLayer", {"batch_shape": [None, 4], "name": "i"}), "name": "i", "inbound_nodes": []},
            {**node("ZeroPadding2D", {"padding": 15_000, "name": "z"}), "name": "z",
             "inbound_nodes": [{"args": [one], "kwargs": {}}]},
        ]  # fmt: skip
        config = {"layers": layers, "input_layers": ["i", 0, 0], "output_layers": ["i", 0, 0], "name": "f"}
        path = archive(tmp_path / "m.keras", node("Functional", config, "keras.src.models.functional"))
        assert "called on numbers" in refused(path)

    def test_values_of_a_type_that_is_none(self, tmp_path):
        value = {"class_name": "__numpy__", "config": {"value": "x", "dtype": "S2000000000"}}
        layer = node("Normalization", {"mean": value, "variance": value})
        assert "unknown type" in refused(archive(tmp_path / "m.keras", sequential(layer)))

    def test_nesting_without_end(self, tmp_path):
        refused(archive(tmp_path / "m.keras", "[" * 100_000))
        refused(archive(tmp_path / "m.keras", '{"class_name": "Sequential", "config": ' * 100_000))
        config = node("Dense", {"units": 1})
        for _ in range(300):
            config = node("TimeDistributed", {"layer": config})
        (tmp_path / "m.json").write_text(json.dumps(sequential(config)))
        assert "nested" in refused(tmp_path / "m.json")

    def test_a_configuration_without_end(self, tmp_path):
        assert "MB" in refused(archive(tmp_path / "m.keras", b'{"class_name": "' + b"x" * (40 * 2**20) + b'"}'))
        assert "values" in refused(archive(tmp_path / "m.keras", b'{"x": [' + b"1," * 3_000_000 + b"1]}"))
        layers = [{"class_name": "Dense", "config": {}} for _ in range(60_000)]
        assert "objects" in refused(archive(tmp_path / "m.keras", sequential(*layers)))

    @pytest.mark.parametrize(
        "text",
        [
            '{"class_name": "Sequential"}', '{"class_name": "Sequential", "config": 5}', '{"class_name": 5}', "{}",
            '{"class_name": "Sequential", "config": {"layers": 5}}', '{"module": 5, "class_name": "Model"}',
            '{"class_name": "Functional", "config": {"layers": [{}], "input_layers": 1, "output_layers": []}}',
            '{"class_name": "Dense", "config": {"units": 3}}', '{"class_name": "Model", "config": {}}', '{"a": NaN',
            '{"module": "keras", "class_name": "Sequential", "config": null}', '{"class_name": "Sequential"} {}',
            '{"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}}', "null", "7", "[]", "\x00", "",
        ],
    )  # fmt: skip
    def test_a_configuration_of_no_sense(self, tmp_path, text):
        refused(archive(tmp_path / "m.keras", text))
        (tmp_path / "m.json").write_text(text)
        refused(tmp_path / "m.json")

    def test_a_graph_that_is_a_loop(self, tmp_path):
        tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "dtype": "float32",
                  "keras_history": ["d", 0, 0]}}  # fmt: skip
        layer = {**node("Dense", {"units": 4, "name": "d"}), "name": "d",
                 "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}  # fmt: skip
        config = {"layers": [layer], "input_layers": ["d", 0, 0], "output_layers": ["d", 0, 0], "name": "f"}
        refused(archive(tmp_path / "m.keras", node("Functional", config, "keras.src.models.functional")))


class TestNames:
    def test_terminal_escapes_are_left_out_of_names(self, tmp_path):
        bad = "\x1b[31mred\x07"
        tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "dtype": "float32",
                  "keras_history": [bad, 0, 0]}}  # fmt: skip
        nodes = [{"args": [tensor], "kwargs": {}}]
        layers = [
            {**node("InputLayer", {"batch_shape": [None, 4], "name": bad}), "name": bad, "inbound_nodes": []},
            {**node("Dense", {"units": 4, "name": "d"}), "name": "d", "inbound_nodes": nodes},
        ]  # fmt: skip
        config = {"layers": layers, "input_layers": [bad, 0, 0], "output_layers": ["d", 0, 0], "name": "f"}
        path = archive(tmp_path / "m.keras", node("Functional", config, "keras.src.models.functional"))
        model = load(str(path)).model
        assert model.layers[0].name == "[31mred"

    def test_terminal_escapes_are_left_out_of_messages(self, tmp_path):
        for name in ("\x1b[31mX", "\x1b]0;title\x07", "a\nb"):
            refused(archive(tmp_path / "m.keras", sequential(node(name, {}, "x"))))
            refused(archive(tmp_path / "m.keras", sequential(node("Dense", {"units": name}))))
            refused(archive(tmp_path / "m.keras", sequential(node("Dense", {name: 10**12}))))


class TestSavedModel:
    @pytest.mark.parametrize(
        "content", [b"\x0a", b"\x0a\xff\xff\xff\xff\x7f", b"\xff" * 100, b"\x0a\x02\x08", b"\x0b\x0c", b""]
    )
    def test_broken_metadata(self, tmp_path, content):
        (tmp_path / "keras_metadata.pb").write_bytes(content)
        refused(tmp_path)
