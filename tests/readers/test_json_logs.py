"""Histories as JSON, and the trainer state of Hugging Face."""

import json
import math

import pytest

from diagnose.readers import ReadError, read

HISTORY = {"loss": [2.0, 1.0, 0.5], "val_loss": [2.1, 1.2, 0.9], "accuracy": [0.1, 0.5, 0.8]}


def runs(content):
    text = content if isinstance(content, str) else json.dumps(content)
    return read("history.json", content=text.encode())


def run(content):
    (only,) = runs(content)
    return only


class TestHistory:
    def test_lists_by_name_as_history_history_has_them(self):
        log = run(HISTORY)
        assert log.format == "keras-history-json"
        assert log.get("loss").epochs.tolist() == [0, 1, 2]
        assert log.get("val_loss").values.tolist() == [2.1, 1.2, 0.9]

    def test_mappings_of_index_to_value_as_pandas_writes_them(self):
        log = run({name: {str(i): v for i, v in enumerate(values)} for name, values in HISTORY.items()})
        assert log.get("loss").values.tolist() == [2.0, 1.0, 0.5]

    def test_the_split_form_of_pandas(self):
        rows = [list(row) for row in zip(*HISTORY.values(), strict=True)]
        assert run({"columns": [*HISTORY], "index": [0, 1, 2], "data": rows}).get("loss").values.tolist() == [2, 1, 0.5]

    def test_a_list_of_rows_with_their_epochs(self):
        log = run([{"epoch": e, "loss": 1 / e, "val_loss": 2 / e} for e in (1, 2, 3)])
        assert log.get("loss").epochs.tolist() == [1, 2, 3]

    def test_a_history_object_turned_into_a_dictionary(self):
        log = run({"history": HISTORY, "epoch": [5, 6, 7], "params": {"epochs": 3, "steps": 10}})
        assert log.get("loss").epochs.tolist() == [5, 6, 7]

    def test_a_history_for_each_fold(self):
        first, second = runs({"fold_1": HISTORY, "fold_2": HISTORY})
        assert first.title == "history.json [fold_1]"
        assert second.get("accuracy").values.tolist() == [0.1, 0.5, 0.8]

    def test_null_was_not_logged_and_nan_was(self):
        log = run('{"loss": [1.0, NaN, Infinity, "nan"], "val_loss": [null, 0.5, null, 0.4]}')
        assert [math.isfinite(v) for v in log.get("loss").values] == [True, False, False, False]
        assert log.get("val_loss").epochs.tolist() == [1, 3]

    def test_numbers_too_large_for_a_double_are_infinite(self):
        log = run('{"loss": [1, 1e999, ' + "9" * 5000 + '], "val_loss": [1, 2, 3]}')
        assert [math.isinf(v) for v in log.get("loss").values] == [False, True, True]

    def test_lists_of_different_lengths(self):
        assert len(run({"loss": [3, 2, 1], "val_loss": [3, 2]}).get("val_loss")) == 2


class TestJsonLines:
    ROWS = "".join(json.dumps({"epoch": e, "loss": 1 / e}) + "\n" for e in (1, 2, 4))

    def test_a_row_in_each_line(self):
        assert run(self.ROWS).get("loss").epochs.tolist() == [1, 2, 4]

    def test_a_torn_last_line_is_left_out(self):
        assert run(self.ROWS + '{"epoch": 5, "lo').get("loss").epochs.tolist() == [1, 2, 4]

    def test_sparse_rows_of_steps(self):
        text = "".join(
            json.dumps({"step": s, "loss": 1 / s}) + "\n" + json.dumps({"step": s, "eval_loss": 2 / s}) + "\n"
            for s in (10, 20)
        )
        log = run(text)
        assert log.axis == "step"
        assert log.get("val_loss").values.tolist() == [0.2, 0.1]

    def test_a_line_in_the_middle_that_is_no_json(self):
        with pytest.raises(ReadError, match="line 2 is no JSON"):
            runs('{"loss": 1}\n{"loss": oops}\n{"loss": 2}\n')


class TestOtherJson:
    @pytest.mark.parametrize(
        "content", [{}, [], {"name": "x"}, [1, 2, 3], {"a": {"b": [1]}}, {"scripts": {"build": "make"}}, [[1, 2]]]
    )
    def test_is_said_to_have_no_curve(self, content):
        with pytest.raises(ReadError, match="without a curve"):
            runs(content)

    def test_the_facts_beside_a_log_are_said_to_be_none(self):
        with pytest.raises(ReadError, match="pass the log"):
            runs({"schema": "kerasdx-run/1", "loss": "mse"})

    @pytest.mark.parametrize("cut", range(1, len(json.dumps(HISTORY)) - 1, 3))
    def test_cut_anywhere_is_said_to_be_torn(self, cut):
        with pytest.raises(ReadError, match="torn"):
            runs(json.dumps(HISTORY)[:cut])

    def test_nested_too_deeply(self):
        with pytest.raises(ReadError, match="nested too deeply"):
            runs('{"loss":' * 100_000)

    def test_wrong_in_the_middle(self):
        with pytest.raises(ReadError, match=r"no valid JSON: .* at line 1, column 1[0-9]"):
            runs('{"loss": [1, x, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}')

    def test_too_large(self, monkeypatch):
        monkeypatch.setattr("diagnose.readers.json_text.MAX_BYTES", 100)
        with pytest.raises(ReadError, match="too large"):
            runs({"loss": [0.1] * 100})

    @pytest.mark.parametrize("text", ["[" + "[]," * 40 + "[]]", '{"loss": [' + "1," * 40 + "1]}", '{"loss": 1}\n' * 41])
    def test_too_many_values(self, monkeypatch, text):
        monkeypatch.setattr("diagnose.readers.json_text.MAX_VALUES", 40)
        with pytest.raises(ReadError, match="more than 40 values"):
            runs(text)

    @pytest.mark.parametrize("content", [{"loss": [0.1] * 41}, [{"loss": 0.1}] * 41])
    def test_too_many_rows(self, monkeypatch, content):
        monkeypatch.setattr("diagnose.readers.keras_history_json.MAX_ROWS", 40)
        with pytest.raises(ReadError, match="more than 40"):
            runs(content)

    def test_a_table_of_configurations(self):
        with pytest.raises(ReadError):
            runs([{"optimizer": o, "accuracy": a} for o, a in (("adam", 0.5), ("sgd", 0.4), ("lion", 0.6))])


def trainer_state(rows, **other):
    return {"epoch": 1.4, "global_step": 700, "log_history": rows, "train_batch_size": 8, **other}


class TestTrainerState:
    ROWS = tuple(
        row
        for i in range(1, 8)
        for row in (
            {"epoch": i / 5, "step": i * 100, "loss": 1 / i, "grad_norm": 2.0, "learning_rate": 1e-5},
            {"epoch": i / 5, "step": i * 100, "eval_loss": 1.1 / i, "eval_accuracy": 0.5, "eval_runtime": 3.0},
        )
    )

    def test_training_and_evaluation_lie_at_the_same_fractional_epochs(self):
        log = run(trainer_state(self.ROWS))
        assert log.format == "hf-trainer-state"
        assert log.axis == "epoch"
        assert log.get("loss").epochs.tolist() == log.get("val_loss").epochs.tolist() == [i / 5 for i in range(1, 8)]
        assert log.get("val_metric").values.tolist() == [0.5] * 7

    def test_rate_and_gradient_norm_are_kept_and_speeds_are_not(self):
        log = run(trainer_state(self.ROWS))
        assert log.get("learning_rate").values.tolist() == [1e-5] * 7
        assert log.get("grad_norm") is not None
        assert "eval_runtime" not in {s.name for s in log.series}

    def test_the_epochs_are_counted_and_not_the_points(self):
        assert run(trainer_state(self.ROWS)).epochs == 2

    def test_the_batch_size_is_known(self):
        assert run(trainer_state(self.ROWS)).config["batch_size"] == 8

    def test_the_summary_at_the_end_is_no_point_of_the_curve(self):
        summary = {"epoch": 1.4, "step": 700, "train_loss": 0.7, "train_runtime": 9.0, "total_flos": 1e9}
        assert [len(s) for s in run(trainer_state([*self.ROWS, summary])).series if s.is_loss] == [7, 7]

    def test_epochs_rounded_to_the_same_number_fall_back_on_the_step(self):
        rows = [{"epoch": round(s / 1000, 2), "step": s, "loss": 1 / s} for s in range(1, 30)]
        log = run(trainer_state(rows))
        assert log.axis == "step"
        assert len(log.get("loss")) == 29

    def test_nothing_logged_yet(self):
        with pytest.raises(ReadError, match="logged nothing yet"):
            runs(trainer_state([]))

    def test_torn(self):
        with pytest.raises(ReadError, match="torn"):
            runs(json.dumps(trainer_state(self.ROWS))[:-300])
