"""Models among the sources: what is taken for one, without importing Keras, and what stays a log."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import pytest

from diagnose.readers import ReadError, format_of, read, read_object
from diagnose.readers.base import Document
from diagnose.readers.keras_model import is_function_name
from diagnose.readers.sources import expand

CSV = "epoch,loss,val_loss\n0,1.0,1.1\n1,0.5,0.8\n2,0.25,0.7\n"
CONFIG = json.dumps({"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": []}})
HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)


def zipped(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, CONFIG)


def is_model(path) -> bool:
    module = format_of(Document(str(path), path=path))
    return module is not None and module.__name__.endswith(".keras_model")


class TestMatches:
    def test_an_archive(self, tmp_path):
        zipped(tmp_path / "any.bin", "metadata.json", "config.json", "model.weights.h5")
        zipped(tmp_path / "odd.keras", "x")
        zipped(tmp_path / "other.zip", "x")
        assert [is_model(tmp_path / name) for name in ("any.bin", "odd.keras", "other.zip")] == [True, True, False]

    def test_hdf5_and_a_pickle_that_is_named_like_a_model(self, tmp_path):
        for name, content in (("a.h5", HDF5), ("b", HDF5), ("c.h5", b"\x80\x04\x95"), ("d.pkl", b"\x80\x04\x95")):
            (tmp_path / name).write_bytes(content)
        assert [is_model(tmp_path / name) for name in ("a.h5", "b", "c.h5", "d.pkl")] == [True, True, True, False]

    def test_a_configuration_and_not_a_history(self, tmp_path):
        (tmp_path / "model.json").write_text(CONFIG)
        (tmp_path / "history.json").write_text('{"loss": [1, 0.5]}')
        assert is_model(tmp_path / "model.json")
        assert read(tmp_path / "history.json")[0].format == "keras-history-json"

    def test_folders(self, tmp_path):
        for name, file in (("saved", "saved_model.pb"), ("unpacked", "config.json"), ("other", "config.json")):
            (tmp_path / name).mkdir()
            (tmp_path / name / file).write_text(CONFIG if name == "unpacked" else "{}")
        (tmp_path / "unpacked" / "metadata.json").write_text('{"keras_version": "3.9.0"}')
        assert [is_model(tmp_path / name) for name in ("saved", "unpacked", "other")] == [True, True, False]

    def test_what_comes_from_standard_input_is_none(self):
        with pytest.raises(ReadError, match=r"HDF5 file.*not a log"):
            read("-", content=HDF5)

    def test_keras_is_not_imported_for_it(self, tmp_path):
        zipped(tmp_path / "m.keras", "metadata.json", "config.json")
        (tmp_path / "m.h5").write_bytes(HDF5)
        (tmp_path / "m.json").write_text(CONFIG)
        (tmp_path / "m.py").write_text("raise SystemExit(1)")
        code = (
            "import sys\nfrom pathlib import Path\nfrom diagnose.readers import format_of\n"
            "from diagnose.readers.base import Document\n"
            f"for path in Path({str(tmp_path)!r}).iterdir():\n"
            "    assert format_of(Document(str(path), path=path)).FORMAT == 'keras-model', path\n"
            "late = [m for m in ('keras', 'tensorflow', 'h5py', 'diagnose.audit') if m in sys.modules]\n"
            "assert not late, late\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


class TestFunctionName:
    @pytest.mark.parametrize("name", ["my_model.py:build", "a/b c/my_model.py:Net.make", "package.module:build", "m:f"])
    def test_is_one(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert is_function_name(name)

    @pytest.mark.parametrize(
        "name",
        ["run.csv", "mlflow:abc", "mlflow:experiment/x", "http://host/run", "C:\\logs\\run.csv", "a/b:c", "x:1", ":f",
         "m.py:", "", "-", "m.py:f g", "12:30"],
    )  # fmt: skip
    def test_is_none(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert not is_function_name(name)

    def test_a_log_whose_path_has_a_colon_is_still_read(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("run:first", "my_model.py:build"):
            (tmp_path / name).write_text(CSV)
            assert read(name)[0].format == "keras-csv"

    def test_a_file_of_python_is_not_run(self, tmp_path):
        (tmp_path / "m.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\ndef build_model():\n    pass\n")
        with pytest.raises(ReadError, match=r"name the function|not installed"):
            read(tmp_path / "m.py")
        assert not (tmp_path / "canary").exists()


class TestFolder:
    def test_models_in_a_folder_are_left_out(self, tmp_path):
        (tmp_path / "run.csv").write_text(CSV)
        (tmp_path / "model.json").write_text(CONFIG)
        (tmp_path / "my_model.py").write_text("raise SystemExit(1)")
        (tmp_path / "weights.h5").write_bytes(HDF5)
        zipped(tmp_path / "m.keras", "metadata.json", "config.json")
        (tmp_path / "saved" / "logs").mkdir(parents=True)
        (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
        (tmp_path / "saved" / "logs" / "run.csv").write_text(CSV)
        assert expand(str(tmp_path)) == [str(tmp_path / "run.csv"), str(tmp_path / "saved" / "logs" / "run.csv")]

    def test_one_that_is_named_is_a_model(self, tmp_path):
        (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
        (tmp_path / "run.csv").write_text(CSV)
        assert expand(str(tmp_path)) == [str(tmp_path)]


@pytest.mark.parametrize(
    "arguments",
    [["m.keras"], ["m.py:build"], ["m.keras", "--dry-run"], ["m.keras", "--fix"], ["m.py:build", "--batch-size", "8"]],
)
def test_without_keras_the_message_says_what_to_install(tmp_path, arguments):
    zipped(tmp_path / "m.keras", "metadata.json", "config.json")
    (tmp_path / "m.py").write_text("import keras\n\n\ndef build():\n    pass\n")
    code = (
        "import sys\nsys.modules['keras'] = None\nfrom diagnose.cli import command\n"
        f"command.main({arguments!r} + ['--no-settings'])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert result.stderr == (
        f"diagnose: {arguments[0]}: is a model, and looking at one needs keras, which is not installed; "
        "pip install 'kerasdx[tune]'\n"
    )


@pytest.mark.keras
class TestRead:
    @pytest.fixture
    def model(self):
        keras = pytest.importorskip("keras")
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax", name="head")])
        model.compile("adam", "categorical_crossentropy")
        return model

    @pytest.mark.parametrize(
        ("name", "format"), [("m.keras", "keras-model"), ("m.h5", "keras-hdf5"), ("m.json", "keras-json")]
    )
    def test_a_file(self, model, tmp_path, name, format):
        path = tmp_path / name
        path.write_text(model.to_json()) if name == "m.json" else model.save(path)
        (run,) = read(path)
        assert (run.source, run.format, run.is_planned) == (str(path), format, True)
        assert run.model.by_name["head"].output_shape == (None, 3)
        assert run.model.outputs[0].loss.name == "categorical_crossentropy"

    def test_a_function(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.py").write_text(
            "import keras\n\ndef build():\n    return keras.Sequential([\n        keras.Input((4,)),\n"
            "        keras.layers.Dense(3, name='head')])\n"
        )
        (run,) = read("mine.py:build")
        assert (run.source, run.format) == ("mine.py:build", "python")
        assert run.model.by_name["head"].line == 6

    def test_an_object(self, model):
        (run,) = read_object(model)
        assert run.is_planned
        assert run.model.by_name["head"].kind == "Dense"

    def test_an_object_whose_training_is_over_too(self, model):
        model.history = {"loss": [1.0, 0.5]}
        assert read_object(model)[0].is_planned
