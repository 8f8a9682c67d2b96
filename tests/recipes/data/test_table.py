"""Tables as they are read: what columns hold, what is left out, and where a table is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.config import Config
from recipes.data import csv_file, table
from recipes.data.source import Columns, Part, Source
from recipes.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes, name: str = "houses.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def load(path: Path, target: str = "price", **settings: Any) -> Source:
    given = {"target": target, **settings}
    return table.load(path, Config.model_validate({}).replace({f"data.{name}": given[name] for name in given}).data)


def train(source: Source) -> tuple[Columns, Part]:
    part = source.parts["train"]
    assert isinstance(part.x, Columns)
    return part.x, part


def kinds(source: Source) -> dict[str, str]:
    return {column.name: column.kind for column in train(source)[0].columns}


HOUSES = """area,town,garden,built,price
50,Rome,yes,2001-05-01,1.5
,Oslo,no,2002-05-01,2.5
70,Rome,yes,1999-01-01,3.5
"""


def test_columns_are_numbers_truths_dates_or_words(write):
    source = load(write(HOUSES))
    assert kinds(source) == {"area": "number", "garden": "truth", "built": "date", "town": "category"}
    x, part = train(source)
    assert x.numeric[:, 0].tolist() == pytest.approx([50, np.nan, 70], nan_ok=True)
    assert x.numeric[:, 1].tolist() == [1, 0, 1]
    assert x.numeric[0, 2] == (pd.Timestamp("2001-05-01") - pd.Timestamp("1970-01-01")).days
    assert [x.words[0][code] for code in x.codes[:, 0]] == ["Rome", "Oslo", "Rome"]
    assert part.y.tolist() == [1.5, 2.5, 3.5]
    assert source.name == "houses.csv"
    assert any("days since 1970: built" in note for note in source.notes)


def test_ids_are_the_lines_of_the_file(write):
    source = load(write('a,price\n\n1,1\n"2\n",2\n\n3,3\n'))
    assert train(source)[1].ids.tolist() == [3, 4, 7]


def test_rows_without_a_target_are_left_out_and_counted(write):
    source = load(write("a,price\n1,1\n2,\n3,NA\n4,5\n"))
    assert train(source)[0].numeric[:, 0].tolist() == [1, 4]
    assert train(source)[1].ids.tolist() == [2, 5]
    assert source.notes == ("2 rows without a target left out, the first is line 3",)


def test_a_target_of_blanks_is_missing(write):
    left_out = ("1 rows without a target left out, the first is line 4",)
    source = load(write('a,b,kind\n1,4,cat\n2,2,dog\n3,1,"  "\n4,0,dog\n'), "kind")
    assert (source.classes, train(source)[1].y.tolist(), source.notes) == (("cat", "dog"), [0, 1, 1], left_out)
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [4, 2, 1, 0], "kind": ["cat", "dog", " ", "dog"]})
    source = table.of_frame(frame, "frame", Config.model_validate({"data": {"target": "kind"}}).data)
    assert (source.classes, train(source)[1].y.tolist()) == (("cat", "dog"), [0, 1, 1])


@pytest.mark.parametrize("missing", ["?", " ? ", "none", "NA", " ", None])
def test_what_is_missing_in_training_is_missing_in_new_rows(write, missing: str | None):
    cells = ["" if missing is None else missing, "gas", "wood"]
    rows = "".join(f'{n},"{cells[n % 3]}",{n}\n' for n in range(12))
    x, _ = train(load(write(f"a,heating,price\n{rows}")))
    assert x.codes[:3, 0].tolist() == [-1, 0, 1]
    new = pd.DataFrame({"a": [1.5, 2, missing], "heating": [missing, "gas", "wood"]}, dtype=object)
    given = table.raw_inputs(new, x.columns)
    assert [bytes(word).decode() for word in given["categorical"].numpy()[:, 0]] == ["", "gas", "wood"]
    assert np.isnan(np.asarray(given["numeric"])[:, 0]).tolist() == [False, False, True]


def test_columns_that_cannot_help_are_left_out_and_named(write):
    rows = "\n".join(f"{n},{n * 2},7,,free text number {n},{n % 5}" for n in range(30))
    source = load(write(f",a,same,empty,remark,price\n{rows}\n"))
    assert kinds(source) == {"a": "number"}
    notes = " | ".join(source.notes)
    for note in ("the same everywhere: same", "empty: empty", "text: remark"):
        assert note in notes


def test_a_column_that_counts_rows_is_left_out(write):
    rows = "\n".join(f"{n},{n * 2},{n % 5}" for n in range(30))
    source = load(write(f"house_id,a,price\n{rows}\n"))
    assert kinds(source) == {"a": "number"}
    assert source.notes == ("columns left out, different everywhere: house_id",)


def test_words_of_the_target_are_classes(write):
    x = load(write("a,b,kind\n1,2,cat\n2,5,dog\n3,1,ant\n4,4,dog\n"), "kind")
    assert x.classes == ("ant", "cat", "dog")
    assert train(x)[1].y.tolist() == [1, 2, 0, 2]


def test_several_targets_are_columns(write):
    source = load(write("a,y,z\n1,0,1\n2,1,1\n3,0,0\n"), "y,z")
    assert train(source)[1].y.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert source.targets == ("y", "z")


def test_groups_are_no_feature(write):
    source = load(write("a,who,price\n1,ann,1\n2,bob,2\n3,ann,3\n"), group="who")
    assert kinds(source) == {"a": "number"}
    assert train(source)[1].groups.tolist() == [0, 1, 0]


def test_columns_can_be_ignored(write):
    assert kinds(load(write(HOUSES), ignore="town,built")) == {"area": "number", "garden": "truth"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a\tb\tprice\n1.5\t2\t3\n2\t3\t4\n", "houses.tsv"),
        ("a;b;price\n1,5;2;3\n2,25;3;4\n", "houses.csv"),
        ("a|b|price\n1.5|2|3\n2.25|3|4\n", "houses.csv"),
        ("\ufeffa, b, price\r\n1.5, 2, 3\r\n2.25, 3, 4\r\n", "houses.csv"),
    ],
)
def test_separators_and_decimal_commas_are_seen(write, text: str, name: str):
    x, part = train(load(write(text, name)))
    assert [column.name for column in x.columns][-1] == "b"
    assert x.numeric[:, -1].tolist() == [2, 3]
    assert part.y.tolist() == [3, 4]


def test_decimal_commas_are_numbers(write):
    assert train(load(write("a;price\n1,5;3\n2,25;4\n")))[0].numeric[:, 0].tolist() == [1.5, 2.25]


def test_blocks_of_rows_make_no_difference(write, monkeypatch):
    rng = np.random.default_rng(0)
    rows = [
        f"{rng.normal():.3f},{'' if n % 7 == 0 else n % 3},{'k' if n >= 154 else n % 4},{rng.choice(['x', 'y'])}"
        for n in range(200)
    ]
    path = write("a,b,code,price\n" + "\n".join(rows) + "\n")
    whole = load(path)
    monkeypatch.setattr(csv_file, "BLOCK_CELLS", 28)
    parted = load(path, cache="none")
    assert isinstance(train(parted)[0].numeric, np.memmap)
    assert np.array_equal(train(whole)[0].numeric, train(parted)[0].numeric, equal_nan=True)
    assert train(whole)[1].y.tolist() == train(parted)[1].y.tolist()
    assert train(whole)[0].codes.tolist() == train(parted)[0].codes.tolist()
    assert [words.tolist() for words in train(whole)[0].words] == [words.tolist() for words in train(parted)[0].words]
    assert train(whole)[0].columns == train(parted)[0].columns
    assert (whole.classes, whole.notes) == (parted.classes, parted.notes)


def test_words_that_look_like_numbers_are_the_same_in_every_block(write, monkeypatch):
    rows = ["007,1", "7,2", "A1,3", "7.0,4", ",5", "7,6", "B2,7"]
    path = write("code,price\n" + "\n".join(rows) + "\n")
    known = []
    for cells in (1_000_000, 2):
        monkeypatch.setattr(csv_file, "BLOCK_CELLS", cells)
        x, _ = train(load(path))
        known.append([[*x.words[0], ""][code] for code in x.codes[:, 0]])
    assert known[0] == known[1] == ["007", "7", "A1", "7.0", "", "7", "B2"]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("code", [n % 9 for n in range(100)] + ["X"] * 100),
        ("code", [f"0{n}" for n in range(100)] + ["X", "Y"] * 50),
        ("code", ["true"] * 100 + ["yes"] * 100),
        ("code", ["true", "false"] * 50 + ["perhaps"] * 100),
        ("code", [n % 2 for n in range(100)] + ["a word"] * 10 + [f"word {n}" for n in range(90)]),
        ("shop_id", [n % 100 for n in range(200)]),
        ("shop_id", list(range(200, 0, -1))),
        ("shop_id", [*range(100), *[f"s{n % 100}" for n in range(100)]]),
        ("shop_id", [*range(100), *[f"s{n % 50}" for n in range(100)]]),
    ],
)
def test_what_is_known_of_a_column_is_the_same_over_many_blocks(write, monkeypatch, name: str, column: list[object]):
    rows = "".join(f"{n % 7},{cell},{n % 2}\n" for n, cell in enumerate(column))
    path = write(f"a,{name},price\n{rows}")
    known = []
    for cells in (1_000_000, 75):
        monkeypatch.setattr(csv_file, "BLOCK_CELLS", cells)
        source = load(path)
        x, _ = train(source)
        known.append((x.columns, source.notes, [words.tolist() for words in x.words], x.codes.tolist()))
    assert known[0] == known[1]


def test_a_column_called_as_an_id_is_left_out_only_if_no_two_rows_share_one(write, monkeypatch):
    monkeypatch.setattr(csv_file, "BLOCK_CELLS", 30)
    rows = [f"{n % 7},{n % 10},{n},{n % 2}" for n in range(40)]
    assert kinds(load(write("a,shop_id,row_id,price\n" + "\n".join(rows)))) == {"a": "number", "shop_id": "number"}


def test_infinity_is_a_word_among_words(write):
    rows = "".join(f"{n},{('Inf', 'Ann', '1e99')[n % 3]},{n}\n" for n in range(12))
    x, _ = train(load(write(f"a,name,price\n{rows}")))
    assert x.words[0].tolist() == ["Inf", "Ann", "1e99"]


NUMBERS = "".join(f"{n},{n}\n" for n in range(30))
COMMAS = "".join(f"{n},5;{n},25\n" for n in range(30))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n\n \n", "is empty"),
        ("a,price\n", "no row follows"),
        ("a,price\n1,\n2,\n", "no row has a value in the target"),
        ("a,price\n1,2\n1,2,3\n", "line 3 has 3 cells, and the header names 2 columns"),
        ("a,price\n1,2\n\n1\n", "line 4 has 1 cells"),
        ('a,price\n"x,1",2\n"x,1",2,3\n', "line 3 has 3 cells"),
        ('a,price\n1,2\n"x,2\n3,4\n', "line 3: a quote is not closed"),
        ("a,b,a,price\n1,2,3,4\n", r"line 1 names column 'a' twice \(columns 1 and 3\)"),
        (f"a,price\n{NUMBERS}twelve,3\n", "line 32, column 'a': 'twelve' is no number, and 30 of 31"),
        (f"a,price\n{NUMBERS}1,much\n", "line 32, column 'price': 'much' is no number"),
        (f"a;price\n{COMMAS}12,x;3,5\n", "line 32, column 'a': '12,x' is no number, and 30 of 31"),
        (f"a;price\n{COMMAS}1,5;much\n", "line 32, column 'price': 'much' is no number, and 30 of 31"),
        (f"a,price\n{NUMBERS}inf,3\n", "line 32, column 'a': the value is infinite"),
        (f"a,price\n{NUMBERS}1,-1e999\n", "line 32, column 'price': the value is infinite"),
        (f"a,price\n{NUMBERS}1e39,3\n", "line 32, column 'a': .* too large"),
        ("a,b\n1,2\n", "no column 'price'; there are a, b"),
        ("a,prices\n1,2\n", "no column 'price'; did you mean 'prices'"),
        (b"a,price\n1,2\n\xe9,3\n", "line 3: byte 0xe9 is not UTF-8"),
        ("a,price\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"a,price\n1,2\n\x00\x01,3\n", "binary"),
        (b"PK\x03\x04" + bytes(range(256)) * 40, "binary"),
        ("price\n1\n2\n", "no column is left"),
        ("a,price\n1,2\r2,3\n", "carriage return"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(write, text: str | bytes, says: str):
    path = write(text)
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).count(str(path)) == 1
    assert "\n" not in str(caught.value)


def test_settings_that_do_not_fit_are_refused(write, tmp_path):
    path = write(HOUSES)
    for settings_, says in [
        ({"target": ""}, "say which column .* area, town, garden, built, price"),
        ({"group": "twon"}, "data.group: there is no column 'twon'; did you mean 'town'"),
        ({"ignore": "towns"}, "data.ignore: there is no column 'towns'; did you mean 'town'"),
        ({"ignore": "price"}, "'price' is the target"),
        ({"target": "town,price"}, "target 'town' holds words"),
    ]:
        with pytest.raises(DataError, match=says):
            load(path, **settings_)
    with pytest.raises(DataError, match=r"no\.csv: No such file"):
        load(tmp_path / "no.csv")
    for blank in ("", '" "', "?"):
        with pytest.raises(DataError, match="line 3, column 'who': there is no group"):
            load(write(f"a,who,price\n1,x,1\n2,{blank},2\n"), group="who")


def test_a_missing_target_is_told_before_the_rest_is_read(write):
    with pytest.raises(DataError, match="no column"):
        load(write("a,b\n1,2\n1,2,3\n"))  # the ragged line is not reached


def test_a_column_of_numbers_and_words_is_noted(write):
    rows = "".join(f"{n},{n}\n" for n in range(15)) + "".join(f"n{n % 3},1\n" for n in range(6))
    source = load(write(f"a,price\n{rows}"))
    assert kinds(source) == {"a": "category"}
    assert source.notes == ("column 'a' is taken for words: line 17 has 'n0', no number",)


def test_frames_are_read_as_files_are():
    frame = pd.DataFrame(
        {
            "area": [50, None, 70, 80],
            "town": pd.Categorical(["Rome", "Oslo", None, "Rome"]),
            "garden": [True, False, True, True],
            "built": pd.to_datetime(["2001-05-01", "2002-05-01", None, "1999-01-01"]),
            "rooms": pd.array([1, 2, None, 3], dtype="Int64"),
            "price": [1.5, 2.5, None, 3.5],
        },
        index=[7, 7, 8, 9],
    )
    source = table.of_frame(frame, "frame", Config.model_validate({"data": {"target": "price"}}).data)
    assert kinds(source) == {
        "area": "number", "garden": "truth", "built": "date", "rooms": "number", "town": "category",
    }  # fmt: skip
    x, part = train(source)
    assert part.ids.tolist() == [1, 2, 4]
    assert x.numeric[:, 1].tolist() == [1, 0, 1]
    assert x.numeric[0, 2] == 11443
    assert part.y.tolist() == [1.5, 2.5, 3.5]


cell = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(
        ["", "1", "2.5", "-3e4", "nan", "inf", "yes", "no", "2020-01-01", "2020-13-99", '"', "a,b", "x\ny"]
    ),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(cell, min_size=2, max_size=4), max_size=12), st.sampled_from(",;\t"))
def test_any_table_is_read_or_refused_in_one_line(tmp_path, rows: list[list[str]], separator: str):
    path = tmp_path / "any.csv"
    path.write_text("\n".join(separator.join(row) for row in [["a", "b", "price"], *rows]), encoding="utf-8")
    check_read_or_refused(path)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path, content: bytes):
    path = tmp_path / "any.csv"
    path.write_bytes(b"a,b,price\n1,2,3\n" + content)
    check_read_or_refused(path)


def check_read_or_refused(path: Path) -> None:
    source, said = attempt(path)
    if source is None:
        assert said
        assert "\n" not in said
        return
    x, part = train(source)
    assert len(x.numeric) == len(x.codes) == len(part.y) == len(part.ids)
    assert np.isfinite(x.numeric[~np.isnan(x.numeric)]).all()


def attempt(path: Path) -> tuple[Source | None, str]:
    """Return the table, or what is said where it cannot be read."""
    try:
        return load(path), ""
    except DataError as error:
        return None, str(error)
