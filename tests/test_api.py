from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import diagnose as package
from diagnose import ReadError, Report, Run, diagnose
from diagnose.readers import read
from tests import training_logs

CURVES = {"loss": [1.0, 0.5, math.nan], "val_loss": [1.1, 0.6, math.nan]}


class History:
    """What ``model.fit`` returns, as far as it matters here."""

    def __init__(self) -> None:
        self.history = CURVES
        self.epoch = [0, 1, 2]


def found(report: Report) -> set[str]:
    return {finding.check for run in report.runs for finding in run.findings}


@pytest.mark.parametrize("source", [CURVES, History()], ids=["dict", "History"])
def test_takes_curves_in_memory(source: object) -> None:
    assert "nan-loss" in found(diagnose(source))


def test_takes_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    assert "nan-loss" in found(diagnose(pandas.DataFrame(CURVES)))


@pytest.mark.parametrize("as_type", [str, Path])
def test_takes_a_path(tmp_path: Path, as_type: type) -> None:
    path = training_logs.write(tmp_path, "run.csv", training_logs.nan())
    report = diagnose(as_type(path))
    assert [run.source for run in report.runs] == [str(path)]
    assert "nan-loss" in found(report)


def test_takes_a_run(tmp_path: Path) -> None:
    (run,) = read(training_logs.write(tmp_path, "run.csv", training_logs.nan()))
    assert diagnose(run).runs[0].run is run


def test_takes_a_list_of_anything(tmp_path: Path) -> None:
    path = training_logs.write(tmp_path, "run.csv", training_logs.healthy())
    assert [run.verdict for run in diagnose([path, CURVES]).runs] == ["healthy", "critical"]


@pytest.mark.parametrize("end", ["", "/"])
def test_takes_a_folder(tmp_path: Path, end: str) -> None:
    training_logs.write(tmp_path, "a.csv", training_logs.healthy())
    training_logs.write(tmp_path, "b.csv", training_logs.nan())
    assert [Path(run.source).name for run in diagnose(f"{tmp_path}{end}").runs] == ["a.csv", "b.csv"]


def test_a_single_unreadable_source_raises(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="does not exist"):
        diagnose(tmp_path / "missing.csv")
    with pytest.raises(ReadError):
        diagnose(tmp_path)
    with pytest.raises(ReadError):
        diagnose(42)


def test_of_several_the_unreadable_are_collected(tmp_path: Path) -> None:
    good = training_logs.write(tmp_path, "run.csv", training_logs.healthy())
    report = diagnose([tmp_path / "missing.csv", good, 42])
    assert [run.source for run in report.runs] == [str(good)]
    assert [error.source for error in report.errors] == [str(tmp_path / "missing.csv"), "int"]


def test_select_and_ignore_take_one_name_or_several() -> None:
    assert found(diagnose(CURVES, select="nan-loss")) == {"nan-loss"}
    assert found(diagnose(CURVES, select=["curves"], ignore=["nan-loss"])).isdisjoint({"nan-loss"})


def test_options_change_thresholds(tmp_path: Path) -> None:
    path = training_logs.write(tmp_path, "run.csv", training_logs.overfitting())
    assert "overfitting" in found(diagnose(path))
    assert "overfitting" not in found(diagnose(path, options={"overfitting": {"rise": 100.0}}))


def test_roles_name_columns(tmp_path: Path) -> None:
    text = training_logs.overfitting().replace("val_loss", "zeta")
    path = training_logs.write(tmp_path, "run.csv", text)
    assert "overfitting" in found(diagnose(path, roles={"zeta": "val_loss"}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"select": ["nan-los"]}, "did you mean nan-loss"),
        ({"options": {"overfitting": {"height": 1.0}}}, "height"),
        ({"roles": {"zeta": "no role"}}, "zeta"),
    ],
)
def test_an_unknown_name_is_a_value_error(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        diagnose(CURVES, **arguments)


def test_a_report_is_worth_reading_as_text_and_as_a_dictionary() -> None:
    report = diagnose(CURVES)
    assert "nan-loss" in str(report)
    assert report.to_dict()["schema"] == "kerasdx/1"


class TestPackage:
    def test_holds_the_function_of_its_own_name(self) -> None:
        assert package.diagnose is diagnose
        assert isinstance(diagnose(CURVES).runs[0].run, Run)

    def test_lists_what_is_public(self) -> None:
        assert set(package.__all__) <= set(dir(package))
        for name in {*package.__all__} - {"Monitor"}:
            assert getattr(package, name) is not None

    def test_says_what_the_callback_needs_where_keras_is_missing(self, tmp_path: Path) -> None:
        (tmp_path / "keras.py").write_text("raise ModuleNotFoundError(\"No module named 'keras'\", name='keras')\n")
        code = "from diagnose import Monitor"
        path = os.pathsep.join((str(tmp_path), str(Path(package.__file__).parents[1])))
        missing = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        assert "ImportError: Monitor needs Keras and TensorFlow: pip install 'kerasdx[tune]'" in missing.stderr

    def test_has_no_other_attribute(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'cure'"):
            _ = package.cure

    def test_import_alone_is_light(self) -> None:
        code = "import diagnose, sys; print('numpy' in sys.modules, len(sys.modules))"
        light = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert light.stdout.startswith("False")
