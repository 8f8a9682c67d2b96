"""TensorBoard event files, written by TensorBoard's own writer and by Keras, read without TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorboard")

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from diagnose.readers import ReadError, read
from diagnose.run import Split

DT_FLOAT, DT_DOUBLE, DT_STRING, DT_INT64, DT_HALF = 1, 2, 7, 9, 19


def simple(tag, number):
    return summary_pb2.Summary.Value(tag=tag, simple_value=number)


def tensor(tag, **fields):
    return summary_pb2.Summary.Value(tag=tag, tensor=tensor_pb2.TensorProto(**fields))


def write(folder, steps, name="events.out.tfevents.2.host"):
    """Write (step, summary values) as one event file; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with path.open("wb") as stream:
        records = RecordWriter(stream)
        records.write(event_pb2.Event(file_version="brain.Event:2").SerializeToString())
        for step, values in steps:
            event = event_pb2.Event(step=step, summary=summary_pb2.Summary(value=values))
            records.write(event.SerializeToString())
    return path


def keras_epochs(losses):
    return [(i, [simple("epoch_loss", loss), simple("epoch_accuracy", 1 - loss / 4)]) for i, loss in enumerate(losses)]


def only(path):
    (run,) = read(path)
    return run


class TestFile:
    def test_simple_values(self, tmp_path):
        run = only(write(tmp_path, [(i, [simple("Loss/train", 1 / i), simple("Loss/val", 2 / i)]) for i in (1, 2, 3)]))
        assert run.format == "tensorboard"
        assert run.get("loss").epochs.tolist() == [1, 2, 3]
        assert run.get("val_loss").values.tolist() == pytest.approx([2, 1, 2 / 3])

    @pytest.mark.parametrize(
        "fields",
        [
            {"dtype": DT_FLOAT, "float_val": [0.5]},
            {"dtype": DT_DOUBLE, "double_val": [0.5]},
            {"dtype": DT_FLOAT, "tensor_content": np.float32(0.5).tobytes()},
            {"dtype": DT_DOUBLE, "tensor_content": np.float64(0.5).tobytes()},
            {"dtype": DT_HALF, "tensor_content": np.float16(0.5).tobytes()},
            {"dtype": DT_HALF, "half_val": [int(np.float16(0.5).view(np.uint16))]},
        ],
    )
    def test_tensors_of_every_kind_of_number(self, tmp_path, fields):
        run = only(write(tmp_path, [(0, [tensor("loss", **fields)]), (1, [tensor("loss", **fields)])]))
        assert run.get("loss").values.tolist() == [0.5, 0.5]

    def test_texts_and_vectors_are_no_curves(self, tmp_path):
        text = tensor("notes", dtype=DT_STRING, string_val=[b"hello"])
        vector = tensor("histogram", dtype=DT_FLOAT, float_val=[1.0, 2.0])
        run = only(write(tmp_path, [(0, [text, vector, simple("loss", 1.0)]), (1, [simple("loss", 0.5)])]))
        assert [s.name for s in run.series] == ["loss"]

    def test_a_large_event_is_skipped(self, tmp_path):
        image = tensor("image", dtype=DT_STRING, string_val=[b"x" * 2_000_000])
        run = only(write(tmp_path, [(0, [simple("loss", 1.0)]), (0, [image]), (1, [simple("loss", 0.5)])]))
        assert run.get("loss").values.tolist() == [1.0, 0.5]

    @pytest.mark.parametrize("cut", [1, 3, 5, 13, 20, 40])
    def test_a_torn_last_record_is_left_out(self, tmp_path, cut):
        path = write(tmp_path, keras_epochs([1.0, 0.5, 0.25]))
        path.write_bytes(path.read_bytes()[:-cut])
        assert only(path).get("loss").values.tolist() == [1.0, 0.5]

    def test_a_record_with_a_damaged_length(self, tmp_path):
        path = write(tmp_path, keras_epochs([1.0, 0.5, 0.25]))
        content = bytearray(path.read_bytes())
        first = 12 + int.from_bytes(content[:8], "little") + 4
        content[first] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(ReadError, match="wrong checksum"):
            read(path)

    def test_no_scalars(self, tmp_path):
        with pytest.raises(ReadError, match="without scalars"):
            read(write(tmp_path, []))

    def test_steps_that_count_iterations(self, tmp_path):
        run = only(write(tmp_path, [(s, [simple("train_loss", 100 / s)]) for s in (100, 200, 300)]))
        assert run.axis == "step"

    def test_lightning_tells_the_epoch_of_each_step(self, tmp_path):
        steps = [(s, [simple("epoch", s // 100), simple("val_loss", 1 / s)]) for s in (99, 199, 299)]
        steps += [(s, [simple("train_loss_step", 1 / s)]) for s in (49, 149, 249)]
        run = only(write(tmp_path, steps))
        assert run.axis == "epoch"
        assert run.get("val_loss").epochs.tolist() == [0, 1, 2]

    def test_content_without_a_file(self, tmp_path):
        content = write(tmp_path, keras_epochs([1.0, 0.5])).read_bytes()
        (run,) = read("-", content=content)
        assert run.get("loss").values.tolist() == [1.0, 0.5]

    def test_the_validation_half_of_a_keras_log_is_known_by_its_tags(self, tmp_path):
        steps = [(i, [simple("epoch_loss", 1.0)]) for i in range(3)]
        steps += [(100 * i, [simple("evaluation_loss_vs_iterations", 1.0)]) for i in range(3)]
        run = only(write(tmp_path, steps))
        assert [(s.quantity, s.split) for s in run.series] == [("loss", Split.VALIDATION)]
        assert run.axis == "epoch"


class TestFolder:
    def keras(self, folder):
        write(folder / "train", keras_epochs([1.0, 0.5, 0.25]))
        write(folder / "validation", keras_epochs([1.2, 0.8, 0.9]))
        return folder

    def test_train_and_validation_are_one_run(self, tmp_path):
        run = only(self.keras(tmp_path))
        assert run.source == str(tmp_path)
        assert run.get("loss").values.tolist() == [1.0, 0.5, 0.25]
        assert run.get("val_loss").values.tolist() == pytest.approx([1.2, 0.8, 0.9])
        assert run.get("metric").name == "accuracy"
        assert run.get("val_metric").name == "val_accuracy"

    def test_one_half_says_where_the_other_lies(self, tmp_path):
        path = next((self.keras(tmp_path / "logs") / "validation").iterdir())
        run = only(path)
        assert run.get("val_loss") is not None
        assert "pass the folder logs" in run.notes[0]

    def test_folders_that_add_scalars_makes(self, tmp_path):
        write(tmp_path / "Loss_train", [(i, [simple("Loss", 1 / i)]) for i in (1, 2)])
        write(tmp_path / "Loss_val", [(i, [simple("Loss", 2 / i)]) for i in (1, 2)])
        run = only(tmp_path)
        assert run.get("loss").values.tolist() == [1.0, 0.5]
        assert run.get("val_loss").values.tolist() == [2.0, 1.0]

    def test_files_of_one_folder_are_one_log(self, tmp_path):
        write(tmp_path, [(i, [simple("loss", 1 - i / 4)]) for i in (0, 1, 2)], "events.out.tfevents.1.host")
        write(tmp_path, [(i, [simple("loss", 1 - i / 4)]) for i in (3, 4)])
        assert only(tmp_path).get("loss").epochs.tolist() == [0, 1, 2, 3, 4]

    def test_a_second_training_in_the_same_folder(self, tmp_path):
        for number in (1, 2):
            write(tmp_path, keras_epochs([1.0, 0.9, 0.8, 0.7]), f"events.out.tfevents.{number}.host")
        first, second = read(tmp_path)
        assert first.get("loss").values.tolist() == second.get("loss").values.tolist()


def test_tensorflow_is_not_imported_and_nothing_of_it_is_switched_off(tmp_path):
    path = write(tmp_path, keras_epochs([1.0, 0.5]))
    code = (
        "import sys\nfrom diagnose.readers import read\n"
        f"read({str(path)!r})\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert 'tensorboard.compat.notf' not in sys.modules\n"
        "assert 'tensorboard.backend' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, keras_epochs([1.0, 0.5]))
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    with pytest.raises(ReadError, match=r"pip install 'kerasdx\[tensorboard\]'"):
        read(path)


@pytest.mark.keras
def test_what_the_callback_of_keras_writes(tmp_path):
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(64, 2))
    callback = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1, update_freq="batch")
    history = model.fit(x, x[:, :1], validation_split=0.25, epochs=4, verbose=0, callbacks=[callback]).history
    run = only(tmp_path)
    assert run.get("loss").values.tolist() == pytest.approx(history["loss"], rel=1e-5)
    assert run.get("val_loss").values.tolist() == pytest.approx(history["val_loss"], rel=1e-5)
    assert run.get("val_metric").values.tolist() == pytest.approx(history["val_mae"], rel=1e-5)
