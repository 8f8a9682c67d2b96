"""Text -> table: delimiters, preambles, headers, ragged rows, what is a number and what is none."""

import math

import numpy as np
import pytest

from diagnose.readers import table as table_module
from diagnose.readers.base import Document, ReadError
from diagnose.readers.table import parse_number, read_tables, sniff, split_line


def document(text, encoding="utf-8"):
    return Document("log.csv", content=text if isinstance(text, bytes) else text.encode(encoding))


def tables_of(text, encoding="utf-8"):
    log = document(text, encoding)
    layout = sniff(log)
    assert layout is not None
    return read_tables(log, layout)


def table_of(text, encoding="utf-8"):
    (table,) = tables_of(text, encoding)
    return table


def rows_of(table):
    return [list(row) for row in zip(*(column.tolist() for column in table.columns), strict=True)]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0.5", 0.5), (" 0.5 ", 0.5), ('"0.5"', 0.5), ("1e-05", 1e-5), ("-3", -3.0), ("0,53", 0.53), ("inf", math.inf),
        ("-inf", -math.inf), ("tensor(0.5)", 0.5), ("tensor(0.5, device='cuda:0')", 0.5), ("np.float32(0.5)", 0.5),
        ("[0.5]", 0.5), ("tf.Tensor(0.5, shape=(), dtype=float32)", 0.5), ("87%", 87.0),
    ],
)  # fmt: skip
def test_what_is_a_number(cell, number):
    assert parse_number(cell) == number


def test_nan_is_a_number_that_was_logged():
    assert math.isnan(parse_number("nan"))


@pytest.mark.parametrize(
    "cell", ["", "NA", "0.53 ± 0.02", "resnet", "1/3", "0.5s", "__import__('os')", "0x1F", "1,2,3"]
)
def test_what_is_no_number(cell):
    assert parse_number(cell) is None


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " ", "|"])
def test_delimiters(delimiter):
    text = "\n".join(delimiter.join(row) for row in (("epoch", "loss"), ("0", "0.5"), ("1", "0.4"))) + "\n"
    table = table_of(text)
    assert table.names == ("epoch", "loss")
    assert rows_of(table) == [[0.0, 0.5], [1.0, 0.4]]


def test_decimal_commas_between_semicolons():
    assert rows_of(table_of("epoch;loss\n0;0,53\n1;0,43\n")) == [[0.0, 0.53], [1.0, 0.43]]


def test_quoted_names_and_numbers():
    table = table_of('"epoch","loss"\n"0","0.5"\n"1","0,4"\n')
    assert table.names == ("epoch", "loss")
    assert rows_of(table) == [[0.0, 0.5], [1.0, 0.4]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
def test_line_ends(end):
    assert rows_of(table_of(end.join(["epoch,loss", "0,0.5", "1,0.4", ""]))) == [[0.0, 0.5], [1.0, 0.4]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings(encoding):
    assert table_of("epoch,loss\n0,0.5\n1,0.4\n", encoding).names == ("epoch", "loss")


def test_windows_1252():
    assert table_of("epoch,Verlust für loss\n0,0.5\n1,0.4\n", "cp1252").names == ("epoch", "Verlust für loss")


def test_padded_names_and_numbers():
    table = table_of("     epoch,    train/loss\n        0,       0.5\n        1,       0.4\n")
    assert table.names == ("epoch", "train/loss")
    assert rows_of(table) == [[0.0, 0.5], [1.0, 0.4]]


def test_a_preamble_of_settings_is_skipped():
    settings = "epochs,3\nkernel size,4,4,5\ntrain size,10,20\nactivation,relu\nbatch size,32\n\n"
    table = table_of(settings + "acc,loss\n.1,.9\n.2,.8\n")
    assert table.names == ("acc", "loss")
    assert len(table) == 2
    assert table.first_line == 8


def test_a_preamble_of_results_is_skipped():
    results = "Best Accuracy:\t0.87% at Epoch 5\nSpeed:\t11 samples/sec\n"
    table = table_of(results + "Epoch\tloss_t\tloss_v\n1\t.9\t.8\n2\t.7\t.6\n")
    assert table.names == ("Epoch", "loss_t", "loss_v")
    assert len(table) == 2


def test_a_header_behind_a_comment_sign():
    assert table_of("# epoch loss\n0 0.5\n1 0.4\n").names == ("epoch", "loss")


def test_the_printed_frame_of_pandas_has_an_index_without_a_name():
    assert table_of("   loss  val_loss\n0   0.9       0.8\n1   0.7       0.6\n").names == ("", "loss", "val_loss")


def test_the_same_name_twice_is_told_apart():
    assert table_of("epoch,loss,loss\n0,1,2\n1,1,2\n").names == ("epoch", "loss", "loss 2")


def test_a_header_alone_is_a_layout_without_rows():
    log = document("Test Accuracy:\t0.9%\nEpoch\tloss_t\tloss_v\n")
    layout = sniff(log)
    assert (layout.names, layout.rows) == (("Epoch", "loss_t", "loss_v"), 0)
    assert read_tables(log, layout) == []


def test_no_header():
    table = table_of("0.9,0.1\n0.8,0.2\n0.7,0.3\n")
    assert table.names == ()
    assert len(table) == 3


def test_columns_numbered_by_pandas_are_no_header_and_no_row():
    assert len(table_of(",0,1\n0,0.9,0.1\n1,0.8,0.2\n2,0.7,0.3\n")) == 3


@pytest.mark.parametrize("text", ["", "\n\n", "just some prose\nin two lines\n", "{}\n", "<html>\n<body>\n"])
def test_no_table(text):
    assert sniff(document(text)) is None


def test_empty_and_na_were_not_logged_but_nan_was():
    table = table_of("epoch,loss\n0,0.5\n1,\n2,NA\n3,nan\n")
    assert table.is_logged(1).tolist() == [True, False, False, True]


def test_rows_of_another_width_are_left_out_and_counted():
    table = table_of("epoch,loss\n0,0.5\n1,0.4,0.3,0.2\n2,0.3\n3\n")
    assert rows_of(table) == [[0.0, 0.5], [2.0, 0.3]]
    assert table.left_out == {4: 1, 1: 1}


def test_a_delimiter_at_the_end_of_each_row_does_not_make_them_ragged():
    assert table_of("epoch,loss\n0,0.5,\n1,0.4,\n").left_out == {}


def test_a_repeated_header_is_a_break():
    table = table_of("epoch,loss\n0,0.5\n1,0.4\nepoch,loss\n0,0.5\n")
    assert table.breaks == (2,)
    assert len(table) == 3


def test_a_changed_header_begins_a_table():
    first, second = tables_of("epoch,loss\n0,0.5\nepoch,loss,val_loss\n0,0.5,0.6\n")
    assert (first.names, second.names) == (("epoch", "loss"), ("epoch", "loss", "val_loss"))
    assert second.first_line == 4


@pytest.mark.parametrize("tail", ["2,0.3345,0.4", "2,0.3345", "2,", "2", "2,0.3345,1e-"])
def test_a_last_line_cut_off_while_written_is_left_out(tail):
    table = table_of("epoch,loss,val_loss\n0,0.5345,0.6345\n1,0.4345,0.5345\n" + tail)
    assert len(table) == 2
    assert table.torn


def test_a_last_line_without_a_line_end_that_is_whole_is_read():
    table = table_of("epoch,loss\n0,0.5345\n1,0.4345")
    assert len(table) == 2
    assert not table.torn


def test_an_exponent_cut_off_does_not_read_as_an_explosion():
    table = table_of("epoch,loss\n0,5.345e-05\n1,5.245e-05\n2,5.1")
    assert table.columns[1].max() < 1e-3


def test_text_columns_keep_their_labels():
    table = table_of("model,loss\na,0.5\na,0.4\nb,0.5\n")
    assert table.text == {0}
    assert table.labels[0] == ["a", "a", "b"]


def test_a_quote_that_is_not_closed_ends_with_its_line():
    assert split_line('1,"0.5', ",") == ["1", "0.5"]
    assert len(table_of('epoch,loss\n0,"0.5\n1,0.4\n2,0.3\n')) == 3


def test_a_long_file_is_read_in_blocks_like_a_short_one(monkeypatch):
    monkeypatch.setattr(table_module, "_BLOCK", 1000)
    rows = [f"{i},{1 / (i + 1)!r},{'' if i % 7 else 0.5}\r\n" for i in range(20_000)]
    table = table_of("epoch,loss,val_loss\r\n" + "".join(rows))
    assert np.array_equal(table.columns[0], np.arange(20_000))
    assert table.is_logged(2).sum() == math.ceil(20_000 / 7)
    assert table.left_out == {}


def test_thousands_of_columns():
    names = ["epoch", "loss", *(f"metric_number_{i}" for i in range(10_000))]
    text = "\n".join([",".join(names), *(",".join([str(i)] * len(names)) for i in range(3))]) + "\n"
    assert len(table_of(text).columns) == 10_002


def test_a_line_without_end_is_refused_with_bounded_memory():
    text = "epoch,loss\n" + "0,0.5\n" * 12_000 + "1" * (9 * 1024 * 1024)
    with pytest.raises(ReadError, match="line 12002 is longer than 4 MiB"):
        table_of(text)


def test_garbage_behind_a_good_head_is_refused_early():
    text = "epoch,loss\n" + "0,0.5\n" * 12_000 + "some garbage, that goes, on and on\n" * 50_000
    with pytest.raises(ReadError, match="most lines have no 2 fields"):
        table_of(text)


def test_a_nul_is_no_number():
    assert table_of("epoch,loss\n0,0.5\n1,0.\x004\n2,0.3\n").is_logged(1).tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>_loss", "acc>0.5", "f1 {macro}", "note: any"])
def test_a_name_may_hold_any_sign_beside_a_plain_one(name):
    table = table_of(f"epoch,loss,{name}\n0,0.9,1\n1,0.8,2\n")
    assert table.names == ("epoch", "loss", name)
