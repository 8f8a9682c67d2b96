"""Ultralytics' results.csv."""

import pytest

from diagnose.readers import read as read_source
from diagnose.run import Split

DETECTION = (
    "epoch,time,train/box_loss,train/cls_loss,train/dfl_loss,metrics/precision(B),metrics/recall(B),metrics/mAP50(B),"
    "metrics/mAP50-95(B),val/box_loss,val/cls_loss,val/dfl_loss,lr/pg0,lr/pg1,lr/pg2\n"
    "1,10.5,1,2,1,.6,.5,.6,.4,1.25,2.5,1,.07,.001,.001\n"
    "2,20.5,.5,1,1,.7,.6,.7,.5,1,2,1,.04,.002,.002\n"
)


def read_one(text):
    (run,) = read_source("results.csv", content=text.encode())
    assert run.format == "yolo"
    return run


def test_components_of_the_loss_are_outputs_and_their_sum_is_the_loss():
    run = read_one(DETECTION)
    assert {s.output for s in run.series if s.is_loss and s.split == Split.TRAIN} == {"box", "cls", "dfl", ""}
    assert run.get("loss").values.tolist() == [4.0, 2.5]
    assert run.get("val_loss").values.tolist() == [4.75, 4.0]
    assert run.get("val_loss").name == "val/loss (sum)"


def test_metrics_are_measured_on_validation_data():
    assert read_one(DETECTION).get("val_metric").name == "metrics/mAP50-95(B)"


def test_the_learning_rate_is_that_of_the_weights():
    run = read_one(DETECTION)
    assert [s.name for s in run.series if s.quantity == "learning_rate"] == ["lr/pg1"]


def test_yolov5_pads_its_columns():
    names = [
        "epoch",
        "train/box_loss",
        "train/obj_loss",
        "metrics/mAP_0.5",
        "metrics/mAP_0.5:0.95",
        "val/box_loss",
        "val/obj_loss",
        "x/lr0",
        "x/lr1",
    ]
    rows = [
        names,
        ["0", ".1", ".2", ".3", ".2", ".1", ".2", ".1", ".01"],
        ["1", ".1", ".1", ".4", ".3", ".1", ".1", ".09", ".01"],
    ]
    run = read_one("".join(",".join(f"{cell:>20}" for cell in row) + "\n" for row in rows))
    assert run.get("val_map50_95").values.tolist() == [0.2, 0.3]
    assert run.get("loss").values.tolist() == pytest.approx([0.3, 0.2])
    assert run.get("learning_rate").name == "x/lr1"


def test_classification():
    run = read_one("epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0\n"
                   "1,5,1.2,.7,.9,.6,.001\n2,9,.8,.8,.95,.5,.001\n")  # fmt: skip
    assert run.get("loss").name == "train/loss"
    assert run.get("val_metric").name == "metrics/accuracy_top1"


def test_masks_are_an_output_beside_the_boxes():
    run = read_one(
        "epoch,train/box_loss,train/seg_loss,metrics/mAP50-95(B),metrics/mAP50-95(M)\n1,1,2,.3,.2\n2,1,1,.4,.3\n"
    )
    assert [(s.quantity, s.output) for s in run.series if s.quantity == "map50_95"] == [
        ("map50_95", ""),
        ("map50_95", "mask"),
    ]
