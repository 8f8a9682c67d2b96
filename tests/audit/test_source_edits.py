"""Edits of a model in the user's source file: only what has to change is changed."""

from __future__ import annotations

import pytest

from diagnose.audit import source_edits
from diagnose.audit.configuration_edits import EditError
from diagnose.audit.source_edits import Place, difference
from diagnose.fix import Edit

DENSE = ("units", "activation", "use_bias", "kernel_initializer")
SOURCE = """import keras
from keras import layers

def build():
    model = keras.Sequential([
        layers.Input((4,)),
        layers.Dense(8, kernel_initializer="zeros"),  # größer?
        layers.Dropout(0.5),
        layers.Dense(
            3,
            "sigmoid",
        ),
    ])
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy", metrics=["accuracy"])
    return model
"""
PLACES = {
    "dense": Place(7, "Dense", DENSE),
    "dropout": Place(8, "Dropout", ("rate",)),
    "dense_1": Place(9, "Dense", DENSE),
}


def edited(*edits: Edit, source: str = SOURCE, places: dict[str, Place] = PLACES) -> str:
    after = source
    for edit in edits:
        after, places = source_edits.apply(after, edit, places, edits)
    compile(after.encode(), "my_model.py", "exec")
    return after


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (Edit("dense", "kernel_initializer", "he_normal"), '"zeros"', '"he_normal"'),
        (Edit("dense", "activation", "relu"), '"zeros")', '"zeros", activation="relu")'),
        (Edit("dense_1", "activation", "softmax"), '"sigmoid"', '"softmax"'),
        (Edit("dense_1", "units", 4), "            3,", "            4,"),
        (Edit("dense_1", "use_bias", False), '"sigmoid",', '"sigmoid", use_bias=False,'),
        (Edit("dropout", op="remove"), "        layers.Dropout(0.5),\n", ""),
        (Edit("", "loss", "mse"), '"binary_crossentropy"', '"mse"'),
        (Edit("", "learning_rate", 0.01), "SGD(1.0)", "SGD(0.01)"),
        (Edit("", "clipnorm", 1.0), "SGD(1.0)", "SGD(1.0, clipnorm=1.0)"),
    ],
    ids=lambda value: str(value) if isinstance(value, Edit) else "",
)
def test_an_edit_changes_one_place(edit: Edit, before: str, after: str) -> None:
    assert before in SOURCE
    assert edited(edit) == SOURCE.replace(before, after, 1)


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("Dense((8))", 'Dense((8), activation="relu")'),
        ("Dense((  # é (8)\n8  # )\n),)", 'Dense((  # é (8)\n8  # )\n), activation="relu",)'),
        ("Dense(8,  # a, b\n)", 'Dense(8, activation="relu",  # a, b\n)'),
    ],
)  # fmt: skip
def test_an_argument_is_put_behind_the_others(line: str, after: str) -> None:
    places = {"dense": Place(1, "Dense", DENSE)}
    assert edited(Edit("dense", "activation", "relu"), source=line, places=places) == after


def test_what_stands_behind_a_line_that_went_is_still_found() -> None:
    after = edited(Edit("dropout", op="remove"), Edit("dense_1", "activation", "softmax"), Edit("", "loss", "mse"))
    assert "Dropout" not in after
    assert '"softmax"' in after
    assert '"mse"' in after


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("x = layers.Dropout(0.5)(x)", "pass"),
        ("y = layers.Dropout(0.5)(x)", "y = x\npass"),
        ("model.add(layers.Dropout(0.5))", "pass"),
        ("m = Sequential([layers.Dropout(0.5), layers.Dense(3)])", "m = Sequential([layers.Dense(3)])\npass"),
        ("m = Sequential([layers.Dense(3), layers.Dropout(0.5)])", "m = Sequential([layers.Dense(3), ])\npass"),
    ],
)  # fmt: skip
def test_a_layer_is_taken_out_wherever_it_was_put(line: str, after: str) -> None:
    source = f"{line}\npass\n"
    places = {"dropout": Place(1, "Dropout", ("rate",))}
    assert edited(Edit("dropout", op="remove"), source=source, places=places).strip() == after


@pytest.mark.parametrize(
    ("line", "edit", "reason"),
    [
        ("d = Dense(*sizes)", Edit("dense", "activation", "relu"), "hides its arguments"),
        ("d = Dense(3, **settings)", Edit("dense", "activation", "relu"), "hides its arguments"),
        ("d = make(3)", Edit("dense", "activation", "relu"), "does not make dense in one call of Dense"),
        ("d = Dense(3), Dense(4)", Edit("dense", "activation", "relu"), "does not make dense in one call of Dense"),
        ("model.compile('adam', 'mse')", Edit("", "clipnorm", 1.0), "set its clipnorm by hand"),
        ("pass", Edit("", "loss", "mse"), "not one call of compile"),
        ("f(Dropout(0.5))", Edit("dropout", op="remove"), "take dropout out by hand"),
        ("d = Dense(3)", Edit("nobody", "units", 3), "not known where nobody is made"),
    ],
)
def test_what_cannot_be_changed_surely_is_left_to_a_person(line: str, edit: Edit, reason: str) -> None:
    places = {"dense": Place(1, "Dense", DENSE), "dropout": Place(1, "Dropout", ("rate",))}
    with pytest.raises(EditError, match=reason):
        source_edits.apply(f"{line}\n", edit, places)


def test_a_call_that_makes_several_layers_is_changed_only_for_all_of_them() -> None:
    source = "for n in sizes:\n    x = Dense(n, activation=kind)(x)\n"
    places = {name: Place(2, "Dense", DENSE) for name in ("dense", "dense_1", "dense_2")}
    edits = [Edit(name, "activation", "relu") for name in places]
    with pytest.raises(EditError, match="line 2 makes dense_1, dense_2 too"):
        source_edits.apply(source, edits[0], places)
    with pytest.raises(EditError, match="line 2 makes dense_1 too"):
        source_edits.apply(source, edits[0], places, [edits[0], Edit("dense_1", "activation", "elu"), edits[2]])
    after, places = source_edits.apply(source, edits[0], places, edits)
    assert after == source.replace("kind", '"relu"') == source_edits.apply(after, edits[1], places, edits)[0]


@pytest.mark.parametrize("first", ["", "\ufeff"], ids=["plain", "byte-order-mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_line_ends_and_odd_characters_stay(first: str, end: str) -> None:
    source = first + "# é\f\u2028 x\n".replace("\n", end) + SOURCE.replace("\n", end)
    places = {name: Place(place.line + 1, place.kind, place.parameters) for name, place in PLACES.items()}
    after = edited(Edit("dense_1", "activation", "softmax"), source=source, places=places)
    assert after == source.replace("sigmoid", "softmax")
    told = difference(source, after, "m.py")
    assert told.count("@@ -9,7 +9,7 @@") == 1
    assert f'+            "softmax",{end}' in told
    after = edited(Edit("dropout", op="remove"), source=source, places=places)
    assert after == source.replace(f"        layers.Dropout(0.5),{end}", "")


def test_the_difference_is_a_patch() -> None:
    after = edited(Edit("", "loss", "mse"))
    told = difference(SOURCE, after, "my_model.py")
    assert told.startswith("--- a/my_model.py\n+++ b/my_model.py\n@@ ")
    assert [line[0] for line in told.splitlines()[3:] if line[0] in "+-"] == ["-", "+"]


def test_a_file_without_a_last_line_break_stays_so() -> None:
    told = difference("a = 1", "a = 2", "m.py")
    assert told.count("\\ No newline at end of file") == 2
