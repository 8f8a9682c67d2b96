"""Which reader takes a source, and which sources an argument stands for."""

import json
import os
import subprocess
import sys

import pytest

from diagnose.api import diagnose, expand_all
from diagnose.readers import ReadError, read
from diagnose.readers.sources import expand, find

CSV = "epoch,loss,val_loss\n0,1.0,1.1\n1,0.5,0.8\n2,0.25,0.7\n"
PROGRESS = "Epoch 1/1\n8/8 [=====] - 1s 1ms/step - loss: 0.5\n"
TEXT = "Epoch 1: loss=0.5\nEpoch 2: loss=0.4\n"
HISTORY = json.dumps({"loss": [1.0, 0.5]})
STATE = json.dumps({"log_history": [{"epoch": 1.0, "step": 5, "loss": 0.5}], "epoch": 1.0})


class TestFormat:
    @pytest.mark.parametrize(
        ("content", "format"),
        [
            (CSV, "keras-csv"),
            (PROGRESS, "keras-progress"),
            (TEXT, "text-log"),
            (HISTORY, "keras-history-json"),
            (STATE, "hf-trainer-state"),
        ],
    )
    def test_is_told_by_content_and_not_by_name(self, tmp_path, content, format):
        path = tmp_path / "anything.bin"
        path.write_text(content)
        assert read(path)[0].format == format

    @pytest.mark.parametrize("text", [CSV, PROGRESS, TEXT, HISTORY])
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
    def test_any_unicode_with_a_byte_order_mark(self, text, encoding):
        assert read("x", content=text.encode(encoding))[0].get("loss") is not None

    def test_latin_1(self):
        content = "# Läufe für Müller\nepoch,loss\n0,1.0\n1,0.5\n".encode("latin-1")
        assert read("x", content=content)[0].get("loss").values.tolist() == [1.0, 0.5]

    @pytest.mark.parametrize("text", [CSV, PROGRESS, TEXT])
    @pytest.mark.parametrize("end", ["\r\n", "\r\r\n"])
    def test_any_line_end(self, text, end):
        run = read("x", content=text.replace("\n", end).encode())[0]
        assert run.get("loss").values.tolist() == read("x", content=text.encode())[0].get("loss").values.tolist()

    def test_the_source_is_what_the_user_wrote(self, tmp_path, monkeypatch):
        (tmp_path / "run.csv").write_text(CSV)
        monkeypatch.chdir(tmp_path)
        assert read("./run.csv")[0].source == "./run.csv"

    def test_standard_input(self):
        code = "from diagnose.readers import read; print(read('-')[0].get('loss').values.tolist())"
        done = subprocess.run([sys.executable, "-c", code], input=CSV, text=True, capture_output=True, timeout=60)
        assert done.stdout == "[1.0, 0.5, 0.25]\n"

    def test_a_csv_imports_no_reader_of_another_kind(self, tmp_path):
        (tmp_path / "run.csv").write_text(CSV)
        code = (
            f"import sys\nfrom diagnose.readers import read\nread({str(tmp_path / 'run.csv')!r})\n"
            "late = [m for m in ('json', 'sqlite3', 'pandas', 'tensorboard', 'diagnose.readers.tensorboard', "
            "'diagnose.readers.keras_history_json', 'diagnose.readers.mlflow', 'diagnose.readers.sources') "
            "if m in sys.modules]\nassert not late, late\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_a_role_given_by_hand(self):
        run = read("x", {"q": "loss"}, content=b"Epoch 1: q=0.5 loss=9\nEpoch 2: q=0.4 loss=9\n")[0]
        assert run.get("loss").values.tolist() == [0.5, 0.4]


class TestNames:
    @pytest.mark.parametrize(("shape", "length"), [("csv", 150), ("json", 500), ("text", 50)])
    def test_from_a_log_have_no_control_characters_and_an_end(self, shape, length):
        name = "\x1b[31mloss\x07\u202e\uffff" + "x" * length + "_loss"
        content = {
            "csv": f"epoch,loss,{name}\n0,1,1\n1,0.5,2\n",
            "json": json.dumps({"loss": [1, 0.5], name: [1, 2]}),
            "text": f"Epoch 1: loss=1 {name}=2\nEpoch 2: loss=0.5 {name}=2\n",
        }[shape]
        for series in read("x", content=content.encode())[0].series:
            assert len(series.name) <= 200
            assert series.name.isprintable()

    def test_in_messages_too(self):
        with pytest.raises(ReadError) as caught:
            read("x", content=json.dumps({"\x1b[31mred\x07": 1}).encode())
        assert str(caught.value).isprintable()


class TestExpand:
    @pytest.mark.parametrize("argument", ["-", "mlflow:abc", "mlflow:experiment/digits", "missing.csv"])
    def test_what_is_no_folder_stays_itself(self, argument):
        assert expand(argument) == [argument]

    def test_a_file_stays_itself_whatever_it_is(self, tmp_path):
        (tmp_path / "x.bin").write_bytes(b"\0")
        assert expand(str(tmp_path / "x.bin")) == [str(tmp_path / "x.bin")]

    def test_a_folder_stands_for_the_logs_under_it_in_order(self, tmp_path):
        for name, text in (("b/run.csv", CSV), ("a/train.log", PROGRESS), ("a/deep/er/history.json", HISTORY)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        names = [os.path.relpath(s, tmp_path) for s in expand(str(tmp_path))]
        assert names == ["a/deep/er/history.json", "a/train.log", "b/run.csv"]

    def test_files_that_are_no_logs_are_left_out(self, tmp_path):
        (tmp_path / "run.csv").write_text(CSV)
        (tmp_path / "package.json").write_text('{"name": "x"}')
        (tmp_path / "README.txt").write_text("How the loss is computed.\nSee epoch.py\n")
        (tmp_path / "iris.csv").write_text("sepal,petal\n1,2\n3,4\n")
        (tmp_path / "empty.log").write_text("")
        (tmp_path / "weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n\0")
        assert expand(str(tmp_path)) == [str(tmp_path / "run.csv")]

    @pytest.mark.parametrize("facts", ['{"schema": "kerasdx-run/1"}', '{"loss": "mse", "batch_size": 32}'])
    def test_what_stands_beside_a_log_is_no_log(self, tmp_path, facts):
        (tmp_path / "run.csv").write_text(CSV)
        (tmp_path / "run.json").write_text(facts)
        assert expand(str(tmp_path)) == [str(tmp_path / "run.csv")]

    @pytest.mark.parametrize(
        ("name", "content"),
        [("run.csv", "epoch,loss,val_loss\n"), ("trainer_state.json", STATE[:-9]), ("history.json", HISTORY[:-3])],
    )
    def test_a_broken_log_is_a_source_so_that_it_is_reported(self, tmp_path, name, content):
        (tmp_path / name).write_text(content)
        assert expand(str(tmp_path)) == [str(tmp_path / name)]
        with pytest.raises(ReadError):
            read(tmp_path / name)

    @pytest.mark.parametrize("folder", [".git", ".venv", "node_modules", "__pycache__", ".hidden"])
    def test_folders_of_tools_are_not_searched(self, tmp_path, folder):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "run.csv").write_text(CSV)
        with pytest.raises(ReadError, match="without a training log; diagnose reads Keras CSVLogger"):
            expand(str(tmp_path))

    def test_a_folder_of_models_alone_tells_that_a_model_is_named_itself(self, tmp_path):
        (tmp_path / "best.keras").write_bytes(b"PK")
        with pytest.raises(ReadError, match=r"without a training log; a model in it is named itself: .*best\.keras"):
            expand(str(tmp_path))

    def test_a_loop_of_symbolic_links_ends(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "run.csv").write_text(CSV)
        (tmp_path / "a" / "up").symlink_to(tmp_path)
        (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
        assert expand(str(tmp_path)) == [str(tmp_path / "a" / "run.csv")]

    def test_the_search_is_bounded(self, tmp_path, monkeypatch):
        monkeypatch.setattr("diagnose.readers.sources.MAX_ENTRIES", 10)
        for i in range(30):
            (tmp_path / f"{i:02}.csv").write_text(CSV)
        found = find(str(tmp_path))
        assert not found.complete
        assert len(found.sources) == 10

    def test_a_search_that_was_cut_off_is_an_error_of_the_folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr("diagnose.readers.sources.MAX_ENTRIES", 2)
        for i in range(3):
            (tmp_path / f"{i}.csv").write_text(CSV)
        sources, errors = expand_all([str(tmp_path)])
        assert len(sources) == 2
        assert [(e.source, "searched in part only" in e.error) for e in errors] == [(str(tmp_path), True)]
        assert diagnose(str(tmp_path)).errors == tuple(errors)

    def test_a_folder_of_empty_files_is_said_to_be_one(self, tmp_path):
        (tmp_path / "run.csv").touch()
        with pytest.raises(ReadError, match="1 file has nothing in it yet"):
            expand(str(tmp_path))

    def test_the_depth_is_bounded(self, tmp_path):
        folder = tmp_path.joinpath(*"abcdefghijklmnop")
        folder.mkdir(parents=True)
        (folder / "run.csv").write_text(CSV)
        found = find(str(tmp_path))
        assert found.sources == []
        assert not found.complete

    def test_a_keras_tuner_project_is_one_source(self, tmp_path):
        project = tmp_path / "search"
        (project / "trial_0").mkdir(parents=True)
        (project / "oracle.json").write_text("{}")
        (project / "trial_0" / "trial.json").write_text("{}")
        assert expand(str(tmp_path)) == [str(project)]

    def test_an_mlflow_file_store_is_one_source(self, tmp_path):
        run = tmp_path / "mlruns" / "0" / "abc"
        (run / "metrics").mkdir(parents=True)
        (run / "meta.yaml").write_text("run_id: abc\n")
        (run / "metrics" / "loss").write_text("1 1.0 0\n2 0.5 1\n")
        assert expand(str(tmp_path / "mlruns")) == [str(tmp_path / "mlruns")]
        assert expand(str(tmp_path)) == [str(tmp_path / "mlruns")]

    def test_a_tensorboard_folder_is_one_source_and_a_csv_beside_it_another(self, tmp_path):
        for split in ("train", "validation"):
            (tmp_path / "logs" / split).mkdir(parents=True)
            (tmp_path / "logs" / split / "events.out.tfevents.1").write_bytes(b"")
        (tmp_path / "logs" / "run.csv").write_text(CSV)
        assert expand(str(tmp_path)) == [str(tmp_path / "logs"), str(tmp_path / "logs" / "run.csv")]

    def test_of_the_checkpoints_of_a_hugging_face_run_the_latest_has_it_all(self, tmp_path):
        for number in (5, 10, 100):
            (tmp_path / f"checkpoint-{number}").mkdir()
            (tmp_path / f"checkpoint-{number}" / "trainer_state.json").write_text(STATE)
        assert expand(str(tmp_path)) == [str(tmp_path / "checkpoint-100" / "trainer_state.json")]

    def test_a_folder_reads_as_the_runs_under_it(self, tmp_path):
        (tmp_path / "a.csv").write_text(CSV)
        (tmp_path / "b.csv").write_text(CSV)
        assert [run.source for run in read(tmp_path)] == [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
