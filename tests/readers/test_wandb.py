"""Exports of Weights & Biases."""

import pytest

from diagnose.readers import read as read_source
from diagnose.readers.base import ReadError


def read(text):
    runs = read_source("export.csv", content=text.encode())
    assert {run.format for run in runs} == {"wandb"}
    return runs


def test_the_history_of_a_run():
    (run,) = read('"_step","_runtime","_timestamp","epoch","loss","val_loss"\n0,1.5,16,0,.9,1\n1,2.5,17,1,.8,.9\n')
    assert run.axis == "epoch"
    assert run.get("val_loss").values.tolist() == [1.0, 0.9]


def test_a_history_without_epochs_counts_steps():
    (run,) = read(",_step,_runtime,train/loss,eval/loss\n0,10,1.5,.9,\n1,20,2.5,,.9\n2,30,3.5,.8,\n")
    assert run.axis == "step"
    assert run.get("loss").epochs.tolist() == [10.0, 30.0]


def test_a_chart_holds_a_curve_for_each_run():
    first, second = read(
        '"Step","calm-sea-1 - val_loss","calm-sea-1 - val_loss__MIN","calm-sea-1 - val_loss__MAX","b - val_loss"\n'
        '"0","0.9","0.9","0.9","0.8"\n"1","0.8","0.8","0.8",""\n'
    )
    assert (first.part.label, second.part.label) == ("calm-sea-1", "b")
    assert first.get("val_loss").values.tolist() == [0.9, 0.8]
    assert second.get("val_loss").values.tolist() == [0.8]


@pytest.mark.parametrize(
    "text",
    [
        '"Name","model","hidden","best_val_acc"\n"a","gcn","64","0.7"\n"b","gcn","128","0.8"\n',
        "Name,State,Runtime,val_loss\na,finished,100,.5\nb,crashed,10,.6\n",
    ],
)
def test_a_runs_table_is_no_training_log(text):
    with pytest.raises(ReadError, match="one row per run, no training log; export the history of one run"):
        read(text)
