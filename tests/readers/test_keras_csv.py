"""Keras' CSVLogger, saved histories and tables of any writer -> runs."""

import json
import math

import numpy as np
import pytest

from diagnose.readers import read as read_source
from diagnose.readers.base import ReadError
from diagnose.run import Part, Split


def read(text, roles=()):
    return read_source("log.csv", dict(roles), content=text.encode())


def read_one(text, roles=()):
    (run,) = read(text, roles)
    return run


def refusal(text, roles=()):
    with pytest.raises(ReadError) as caught:
        read(text, roles)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def points(run, role):
    series = run.get(role)
    return dict(zip(series.epochs.tolist(), series.values.tolist(), strict=True))


KERAS = "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.3,1.2,0.35,1.1\n1,0.5,0.9,0.45,1.0\n2,0.6,0.7,0.5,0.9\n"


def test_csv_logger():
    run = read_one(KERAS)
    assert (run.format, run.axis, run.part, run.notes) == ("keras-csv", "epoch", None, ())
    assert [s.name for s in run.series] == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert points(run, "loss") == {0.0: 1.2, 1.0: 0.9, 2.0: 0.7}
    assert points(run, "val_accuracy") == {0.0: 0.35, 1.0: 0.45, 2.0: 0.5}


def test_epochs_are_numbered_as_in_the_log():
    assert list(points(read_one("epoch,loss\n5,0.9\n7,0.8\n"), "loss")) == [5.0, 7.0]


def test_without_an_epoch_column_they_count_from_zero():
    assert list(points(read_one("loss,val_loss\n0.9,1\n0.8,0.9\n"), "loss")) == [0.0, 1.0]


def test_the_index_of_pandas_counts_the_epochs():
    assert list(points(read_one(",val_loss,loss\n0,0.9,1\n1,0.8,0.9\n"), "loss")) == [0.0, 1.0]


def test_a_diverged_run_keeps_its_nan_and_infinity():
    values = list(points(read_one("epoch,loss\n0,0.5\n1,inf\n2,-inf\n3,nan\n4,NA\n5,\n"), "loss").values())
    assert values[:3] == [0.5, math.inf, -math.inf]
    assert len(values) == 4
    assert math.isnan(values[3])


def test_accuracy_in_percent_has_scale_100():
    run = read_one("Epoch,Train Loss,Train Accuracy,Val Loss,Val Accuracy\n1,1.9,25.6,1.7,36.8\n2,1.5,41.3,1.4,48.6\n")
    assert [run.get(role).scale for role in ("loss", "metric", "val_metric")] == [1.0, 100.0, 100.0]


def test_98_percent_against_54_percent_in_one_row():
    run = read_one("loss,accuracy,test_accuracy\n0.1,0.98,0.54\n")
    assert points(run, "metric") == {0.0: 0.98}
    assert points(run, "test_metric") == {0.0: 0.54}


def test_a_test_curve_of_every_epoch_stands_in_for_validation():
    run = read_one("epoch,train_loss,test_loss\n0,0.9,1\n1,0.8,0.9\n")
    assert points(run, "val_loss") == {0.0: 1.0, 1.0: 0.9}
    assert run.notes == ("no validation curve: test_loss taken as one",)


def test_names_are_shown_without_escape_sequences():
    assert read_one("epoch,loss,\x1b[31mevil\x1b[0m\n0,.9,1\n1,.8,1\n").series[1].name == "evil"


# Telemetry and run.json


def test_telemetry_of_layers_in_the_order_of_the_columns():
    run = read_one("epoch,loss,grad_norm/conv/a,grad_norm/dense,dead_fraction/dense,grad_norm_global\n"
                   "0,.9,1,2,0,3\n1,.8,1.5,,0.25,4\n")  # fmt: skip
    assert set(run.layers) == {"grad_norm", "dead_fraction"}
    assert run.layers["grad_norm"].layers == ("conv/a", "dense")
    assert np.array_equal(run.layers["grad_norm"].values, [[1, 2], [1.5, np.nan]], equal_nan=True)
    assert points(run, "grad_norm_global") == {0.0: 3.0, 1.0: 4.0}


def test_run_json_beside_the_log_is_the_configuration(tmp_path):
    (tmp_path / "run.csv").write_text(KERAS)
    (tmp_path / "run.json").write_text(json.dumps({"batch_size": 32, "classes": 10}))
    (run,) = read_source(tmp_path / "run.csv")
    assert run.config == {"batch_size": 32, "classes": 10}


def test_a_json_file_with_the_name_of_the_log_is_the_configuration(tmp_path):
    (tmp_path / "second.csv").write_text(KERAS)
    (tmp_path / "second.json").write_text(json.dumps({"batch_size": 64}))
    (run,) = read_source(tmp_path / "second.csv")
    assert run.config == {"batch_size": 64}


@pytest.mark.parametrize("content", ["[1, 2]", "{not json", '{"a":' * 100_000, '"' + "x" * 2_000_000 + '"'])
def test_a_run_json_that_is_something_else_is_ignored(tmp_path, content):
    (tmp_path / "run.csv").write_text(KERAS)
    (tmp_path / "run.json").write_text(content)
    (run,) = read_source(tmp_path / "run.csv")
    assert run.config == {}


def test_a_history_in_json_with_the_name_of_the_log_is_no_configuration(tmp_path):
    (tmp_path / "history.csv").write_text(KERAS)
    (tmp_path / "history.json").write_text(json.dumps({"loss": [1.2, 0.9]}))
    (run,) = read_source(tmp_path / "history.csv")
    assert run.config == {}


FACTS = {"schema": "kerasdx-run/1", "batch_size": 32}


def test_the_facts_of_monitor_belong_to_the_log_of_their_own_name(tmp_path):
    for name in ("run.csv", "run-2.csv"):
        (tmp_path / name).write_text(KERAS)
    (tmp_path / "run.json").write_text(json.dumps(FACTS))
    (first,), (second,) = read_source(tmp_path / "run.csv"), read_source(tmp_path / "run-2.csv")
    assert (first.config, second.config) == (FACTS, {})


def test_the_facts_of_monitor_are_those_of_the_newest_training(tmp_path):
    (tmp_path / "run.csv").write_text("epoch,loss\n0,2.0\n1,1.0\n2,0.6\n3,0.5\n0,2.1\n1,1.1\n")
    (tmp_path / "run.json").write_text(json.dumps(FACTS))
    assert [run.config for run in read_source(tmp_path / "run.csv")] == [{}, FACTS]


def test_a_training_that_monitor_stopped_says_so():
    run = read_one("epoch,loss,stopped\n0,2.0,\n1,nan,nan-loss\n")
    assert run.notes == ("stopped by Monitor at epoch 1 because of nan-loss",)


def test_the_reason_of_a_stop_is_in_the_facts(tmp_path):
    (tmp_path / "run.csv").write_text("epoch,loss,stopped\n0,2.0,\n1,nan,nan-loss\n0,2.0,\n1,9.0,\n2,99,divergence\n")
    stops = [
        {"check": "nan-loss", "epoch": 1, "reason": "loss is NaN"},
        {"check": "divergence", "epoch": 2, "reason": "loss rises"},
    ]
    facts = {**FACTS, "earlier": [{"stopped": stops[0]}], "stopped": stops[1]}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    assert [run.notes for run in read_source(tmp_path / "run.csv")] == [
        ("stopped by Monitor at epoch 1 because of nan-loss: loss is NaN",),
        ("stopped by Monitor at epoch 2 because of divergence: loss rises",),
    ]


def test_the_reason_of_a_stop_whose_epochs_are_numbered_on(tmp_path):
    (tmp_path / "run.csv").write_text("epoch,loss,stopped\n0,2.0,\n1,1.0,\n2,.6,\n3,.5,\n0,.48,\n1,.47,plateau\n")
    (tmp_path / "run.json").write_text(
        json.dumps({**FACTS, "stopped": {"check": "plateau", "epoch": 1, "reason": "no progress"}})
    )
    (run,) = read_source(tmp_path / "run.csv")
    assert run.notes[-1] == "stopped by Monitor at epoch 5 because of plateau: no progress"


def test_a_stop_that_only_the_facts_know(tmp_path):
    (tmp_path / "run.csv").write_text("epoch,loss\n0,2.0\n1,nan\n")
    (tmp_path / "run.json").write_text(
        json.dumps({**FACTS, "stopped": {"check": "nan-loss", "epoch": 1, "reason": "loss is NaN"}})
    )
    (run,) = read_source(tmp_path / "run.csv")
    assert run.notes == ("stopped by Monitor at epoch 1 because of nan-loss: loss is NaN",)


@pytest.mark.parametrize("text", ["True", "no", "early stopping", "1"])
def test_what_others_log_under_stopped_is_no_stop_of_monitor(text):
    run = read_one(f"epoch,loss,stopped\n0,2.0,\n1,1.5,\n2,1.2,{text}\n")
    assert run.notes == ()
    assert [s.name for s in run.series] == ["loss"]


@pytest.mark.parametrize("stopped", ["[1]", '"x"', '{"epoch": "a"}', '{"epoch": null, "check": [1]}', '{"epoch": 1}'])
def test_facts_that_are_damaged_do_no_harm(tmp_path, stopped):
    (tmp_path / "run.csv").write_text("epoch,loss\n0,2.0\n1,1.5\n")
    (tmp_path / "run.json").write_text(f'{{"schema": "kerasdx-run/1", "earlier": [1], "stopped": {stopped}}}')
    (run,) = read_source(tmp_path / "run.csv")
    assert run.epochs == 2


def test_a_layer_without_a_value_in_this_training_is_none_of_its_layers():
    first, second = read("epoch,loss,grad_norm/a,grad_norm/b\n0,2.0,1,\n1,1.0,1,\n0,2.0,,3\n1,1.0,,3\n")
    assert first.layers["grad_norm"].layers == ("a",)
    assert second.layers["grad_norm"].layers == ("b",)


# No header


def curve(*points_):
    return np.interp(np.linspace(0, 1, 20), np.linspace(0, 1, len(points_)), points_)


LOSS, ACCURACY = curve(2.3, 1.0, 0.6, 0.5), curve(0.1, 0.5, 0.7, 0.75)
VAL_LOSS, VAL_ACCURACY = curve(2.2, 1.2, 1.0, 1.1), curve(0.12, 0.45, 0.55, 0.56)


def lines(*columns, delimiter=","):
    return "".join(delimiter.join(map(repr, map(float, row))) + "\n" for row in zip(*columns, strict=True))


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ((LOSS, ACCURACY, VAL_LOSS, VAL_ACCURACY), "loss, accuracy, val_loss, val_accuracy"),
        ((ACCURACY, LOSS, VAL_ACCURACY, VAL_LOSS), "accuracy, loss, val_accuracy, val_loss"),
        ((LOSS, VAL_LOSS, ACCURACY, VAL_ACCURACY), "loss, val_loss, accuracy, val_accuracy"),
        ((LOSS, VAL_LOSS), "loss, val_loss"),
        ((LOSS, ACCURACY), "loss, accuracy"),
        ((np.arange(20), LOSS, VAL_LOSS), "epoch, loss, val_loss"),
        ((np.arange(500, 10_500, 500), LOSS, np.full(20, 0.005)), "step, loss, learning_rate"),
        ((LOSS,), "loss"),
        ((ACCURACY,), "accuracy"),
    ],
)
def test_without_a_header_the_values_tell(columns, names):
    run = read_one(lines(*columns))
    assert run.notes == (f"no header: columns taken as {names} by their values",)
    assert [s.name for s in run.series] == [n for n in names.split(", ") if n not in ("epoch", "step")]


def test_without_a_header_between_blanks():
    assert read_one(lines(LOSS, ACCURACY, VAL_LOSS, VAL_ACCURACY, delimiter=" ")).get("val_loss") is not None


def test_numbers_without_an_order_are_no_curves():
    samples = np.random.default_rng(0).random((50, 4))
    assert "--role 'column 1=loss'" in refusal(lines(*samples.T))


def test_without_a_header_roles_name_the_columns():
    run = read_one("5,0.2\n0.1,0.3\n4,0.1\n", {"column 1": "loss", "column 2": "val_loss"})
    assert points(run, "val_loss") == {0.0: 0.2, 1.0: 0.3, 2.0: 0.1}


# Several trainings


def test_a_training_started_again_is_a_run_of_its_own():
    first, second = read("epoch,loss\n0,2.0\n1,1.0\n2,0.6\n3,0.5\n0,2.1\n1,1.1\n")
    assert (first.part, second.part) == (Part(1, 2), Part(2, 2))
    assert list(points(second, "loss")) == [0.0, 1.0]


def test_a_training_taken_up_again_is_one_run_numbered_on():
    run = read_one("epoch,loss\n0,2.0\n1,1.0\n2,0.6\n3,0.5\n0,0.48\n1,0.45\n")
    assert list(points(run, "loss")) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert run.restarts == (4.0,)
    assert run.notes == ("resumed after epoch 3: its epochs are numbered on from there",)


def test_a_training_taken_up_from_a_checkpoint_replaces_what_it_trains_again():
    run = read_one("epoch,loss\n0,2.0\n1,1.0\n2,0.6\n3,0.5\n2,0.7\n3,0.55\n4,0.5\n")
    assert points(run, "loss") == {0.0: 2.0, 1.0: 1.0, 2.0: 0.7, 3.0: 0.55, 4.0: 0.5}
    assert run.restarts == (2.0,)


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss\n0,2.0\n1,1.0\n2,0.6\nepoch,loss\n0,2.1\n1,1.1\n",
        "loss,acc\n2.0,.1\n1.0,.2\n0.6,.3\nloss,acc\n2.1,.1\n1.1,.2\n",
    ],
)
def test_a_header_in_the_middle_begins_a_training(text):
    runs = read(text)
    assert [points(run, "loss") for run in runs] == [{0.0: 2.0, 1.0: 1.0, 2.0: 0.6}, {0.0: 2.1, 1.0: 1.1}]


def test_rows_after_a_change_of_metrics_are_left_out_with_a_note():
    run = read_one("epoch;loss;val_loss\n0;1;1\n1;.9;1\n2;.8;1\n3;.7;.1;.6;.9;.2;.7\n4;.6;.1;.6;.9;.2;.7\n")
    assert len(run.get("loss")) == 3
    assert run.notes == ("2 of 5 rows left out: they have 7 fields, and the header names 3",)


def test_a_new_header_after_a_change_of_metrics_is_read():
    first, second = read("epoch,loss\n0,2.0\n1,1.0\nepoch,loss,val_loss\n0,2.0,2.1\n1,1.0,1.2\n")
    assert first.get("val_loss") is None
    assert len(second.get("val_loss")) == 2


def test_a_training_that_goes_on_under_another_header_is_one_run():
    run = read_one("epoch,loss\n0,2.0\n1,1.0\nepoch,loss,val_loss\n2,0.8,0.9\n3,0.7,0.8\n")
    assert points(run, "loss") == {0.0: 2.0, 1.0: 1.0, 2.0: 0.8, 3.0: 0.7}
    assert points(run, "val_loss") == {2.0: 0.9, 3.0: 0.8}
    assert run.restarts == (2.0,)


def test_a_checkpoint_taken_up_under_another_header_replaces_what_is_trained_again():
    run = read_one("epoch,loss,val_loss\n0,2.0,2\n1,1.0,1\n2,.7,.7\n3,.6,.6\nepoch,loss\n2,0.8\n3,0.7\n4,.6\n")
    assert points(run, "loss") == {0.0: 2.0, 1.0: 1.0, 2.0: 0.8, 3.0: 0.7, 4.0: 0.6}
    assert points(run, "val_loss") == {0.0: 2.0, 1.0: 1.0}


def test_a_short_training_before_another_header_is_no_preamble():
    first, second = read("epoch,loss,grad_norm/a\n0,2.0,1\nepoch,loss,grad_norm/b\n0,2.0,1\n1,1.5,1\n2,1.2,1\n")
    assert (first.epochs, second.epochs) == (1, 3)


def test_a_header_that_begins_like_the_first_may_name_anything():
    _first, second = read("epoch,loss,m=1\n0,2.0,1\n1,1.0,1\nepoch,loss,m=1,{x}\n0,2.0,1,2\n1,1.0,1,2\n")
    assert [s.name for s in second.series] == ["loss", "m=1", "{x}"]


def test_a_column_of_models_tells_runs_apart():
    runs = read("model,loss,val_loss,epochs\nA,.9,1,1\nA,.8,.9,2\nB,.7,1,1\nB,.6,.9,2\n")
    assert [run.part.label for run in runs] == ["A", "B"]
    assert points(runs[1], "loss") == {1.0: 0.7, 2.0: 0.6}


def test_a_column_of_numbered_folds_tells_runs_apart():
    runs = read("fold,epoch,loss\n1,0,.9\n1,1,.8\n2,0,.9\n2,1,.7\n")
    assert [run.part.label for run in runs] == ["fold 1", "fold 2"]


def test_stages_of_one_training_are_one_run():
    assert len(read_one("stage,epoch,loss\n1,0,.9\n1,1,.8\n2,2,.7\n2,3,.6\n").get("loss")) == 4


def test_folds_side_by_side_are_runs():
    runs = read("Train_Acc_Fold_1,Val_Acc_Fold_1,Train_Acc_Fold_2,Val_Acc_Fold_2\n.2,.3,.25,.35\n.4,.5,.45,.55\n")
    assert [run.part.label for run in runs] == ["fold 1", "fold 2"]
    assert points(runs[1], "val_metric") == {0.0: 0.35, 1.0: 0.55}
    assert runs[1].get("val_metric").output == ""


@pytest.mark.parametrize(
    "rows",
    ["0,train,.9\n0,val,1\n1,train,.8\n1,val,.9\n", "0,train,.9\n1,train,.8\n0,val,1\n1,val,.9\n"],
)
def test_a_column_of_phases_is_the_split(rows):
    run = read_one("epoch,phase,loss\n" + rows)
    assert points(run, "loss") == {0.0: 0.9, 1.0: 0.8}
    assert points(run, "val_loss") == {0.0: 1.0, 1.0: 0.9}


def test_a_row_per_batch_is_averaged_over_the_epoch():
    run = read_one("epoch,batch,loss\n0,0,1.0\n0,1,0.8\n1,0,0.7\n1,1,0.5\n")
    assert points(run, "loss") == pytest.approx({0.0: 0.9, 1.0: 0.6})


def test_a_row_per_batch_of_a_single_epoch_counts_steps():
    run = read_one("epoch,batch,loss\n0,0,1.0\n0,1,0.8\n0,2,0.7\n")
    assert (run.axis, list(points(run, "loss"))) == ("step", [0.0, 1.0, 2.0])


def test_the_losses_of_a_generator_and_a_discriminator_have_no_sum():
    run = read_one("Epoch,Batch,Gen Loss,Disc Loss\n0,0,.7,1.3\n0,1,.7,1.3\n1,0,.8,1.2\n1,1,.8,1.2\n")
    assert [s.output for s in run.series] == ["gen", "disc"]


def test_components_of_a_loss_without_a_total_get_their_sum():
    run = read_one("epoch,seg_loss,cls_loss,val_seg_loss,val_cls_loss\n0,1,.5,1,.75\n1,.5,.25,1,.5\n")
    assert (run.get("loss").name, points(run, "loss")) == ("train/loss (sum)", {0.0: 1.5, 1.0: 0.75})
    assert (run.get("val_loss").name, points(run, "val_loss")) == ("val/loss (sum)", {0.0: 1.75, 1.0: 1.5})


def test_a_total_that_was_logged_needs_no_sum():
    run = read_one("epoch,loss,a_loss,b_loss,val_loss,val_a_loss,val_b_loss\n0,1,.5,.5,1,.5,.5\n1,1,.5,.5,1,.5,.5\n")
    assert run.get("loss").name == "loss"
    assert len(run.series) == 6


def test_losses_beside_a_reward_are_not_judged():
    run = read_one("timesteps,reward,loss\n100,1,2\n200,2,3\n")
    assert run.axis == "step"
    assert run.get("loss") is None
    assert points(run, "metric") == {100.0: 1.0, 200.0: 2.0}


# Tables that are no training log


@pytest.mark.parametrize(
    "text",
    [
        ",lr,dpr,batch_size,train_loss,val_loss\n0,.01,.1,16,.4,.3\n1,.01,.1,32,.4,.3\n2,.01,.5,16,.4,.3\n",
        "model,accuracy,f1\nresnet,.9,.8\nvgg,.8,.7\nvit,.95,.9\n",
        "optimizer,loss\nadam,.9\nadam,.8\nsgd,.7\nsgd,.6\n",
        "epochs,batch_size,val_accuracy\n10,16,.9\n20,32,.8\n50,64,.7\n",
    ],
)
def test_one_row_per_configuration_is_no_training_log(text):
    message = refusal(text)
    assert "one row per configuration" in message
    assert "pass the log of one training" in message


@pytest.mark.parametrize(
    "text",
    [
        "sepal_length,sepal_width,species\n5.1,3.5,setosa\n4.9,3.0,setosa\n6.1,2.8,virginica\n",
        "epoch,temperature,pressure\n0,1,2\n1,2,3\n",
        "title,score,price\na,1,2\nb,1,3\n",
        "x,score\n1,2\n2,5\n",
    ],
)
def test_any_other_table_is_no_training_log(text):
    assert "no training log" in refusal(text)


def test_what_is_no_training_log_is_one_if_the_user_says_so():
    run = read_one("day,temperature\n0,9\n1,8\n", {"temperature": "loss", "day": "epoch"})
    assert points(run, "loss") == {0.0: 9.0, 1.0: 8.0}


def test_several_trainings_with_their_settings_in_columns_are_read():
    assert len(read("batch_size,epoch,val_acc\n16,0,.3\n16,1,.4\n32,0,.2\n32,1,.25\n")) == 2


def test_a_setting_logged_once_does_not_vary():
    assert len(read_one("epoch,loss,batch_size\n0,.9,32\n1,.8,\n2,.7,\n").get("loss")) == 3


def test_a_header_without_a_row_says_that_no_epoch_has_ended():
    assert "no epoch yet: line 1 is a header" in refusal("epoch,loss,val_loss\n")


def test_text_where_numbers_belong_is_named():
    assert "no number in column 'loss' from line 2 on, but text: '0.53 ± 0.02'" in refusal(
        "epoch,loss\n0,0.53 ± 0.02\n1,0.5 ± 0.1\n"
    )


def test_a_role_for_a_column_that_is_not_there():
    assert refusal(KERAS, {"los": "loss"}).startswith("has no column 'los'; its columns are epoch, accuracy")


def test_a_wrong_role():
    assert "a role is" in refusal(KERAS, {"loss": "the loss"})


def test_a_custom_name_and_its_role():
    run = read_one("epoch,energy,val_energy\n0,9,10\n1,8,9\n", {"energy": "loss", "val_energy": "val_loss"})
    assert run.get("val_loss").split == Split.VALIDATION


# Size


def test_a_long_log_is_read_whole():
    rows = "".join(f"{i},{0.5 + 1 / (i + 1)!r},0.6\n" for i in range(50_000))
    assert len(read_one("epoch,loss,val_loss\n" + rows).get("loss")) == 50_000


def test_thousands_of_layers():
    header = ",".join(["epoch", "loss", *(f"grad_norm/layer_{i}" for i in range(10_000))])
    rows = "".join(",".join([str(e)] + ["0.5"] * 10_001) + "\n" for e in range(3))
    assert read_one(header + "\n" + rows).layers["grad_norm"].values.shape == (3, 10_000)
