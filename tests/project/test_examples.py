"""The lessons' recorded logs show what the lessons say, and the scripts still run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from diagnose import diagnose
from diagnose.finding import Severity

EXAMPLES = Path(__file__).parents[2] / "examples"
LAYERS = EXAMPLES / "layers"
LOGS = LAYERS / "logs"

#: Lesson -> layers that are sick in it, and layers that are not.
SICK = {
    "vanishing_gradient": (("hidden_1", "hidden_2", "hidden_3", "hidden_4"), ("hidden_10", "output")),
    "exploding_gradient": (("recurrent",), ()),
    "dying_relu": (("hidden_3",), ("hidden_1", "hidden_2")),
    "saturated_activation": (tuple(f"hidden_{i}" for i in range(1, 7)), ("output",)),
    "symmetric_weights": (("hidden_1", "hidden_2", "hidden_3"), ("output",)),
    "frozen_weights": (("hidden_1", "hidden_2"), ("hidden_3", "output")),
}
HEALTHY = ("healthy_deep",)


@pytest.mark.parametrize("name", SICK)
def test_the_log_of_a_lesson_leads_with_its_fault_and_names_the_layers(name: str) -> None:
    leading = diagnose(LOGS / f"{name}.csv").runs[0].findings[0]
    sick, well = SICK[name]
    assert leading.check == name.replace("_", "-")
    assert leading.severity != Severity.INFO
    assert set(sick) <= set(leading.layers)
    assert not set(well) & set(leading.layers)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_look_alike_has_no_fault(name: str) -> None:
    (run,) = diagnose(LOGS / f"{name}.csv").runs
    assert [f.check for f in run.findings if f.severity != Severity.INFO] == []
    assert {"grad_norm", "update_ratio", "dead_fraction"} <= set(run.run.layers)


def test_every_lesson_has_a_log_and_every_log_a_lesson() -> None:
    lessons = {path.stem for path in LAYERS.glob("*.py")} - {"digits"}
    assert lessons == {*SICK, *HEALTHY}
    assert {path.stem for path in LOGS.glob("*.csv")} == lessons
    assert {path.stem for path in LOGS.glob("*.json")} == lessons


@pytest.mark.parametrize("name", [*SICK, *HEALTHY])
def test_a_recording_tells_of_the_training_and_not_of_the_machine(name: str) -> None:
    facts = json.loads((LOGS / f"{name}.json").read_text(encoding="utf-8"))
    assert {"architecture", "optimizer", "loss", "samples", "batch_size"} <= facts.keys()
    assert not {"started", "ended", "environment"} & facts.keys()


@pytest.mark.parametrize("name", [*SICK, *HEALTHY])
def test_a_lesson_says_how_to_run_it_and_is_short(name: str) -> None:
    text = (LAYERS / f"{name}.py").read_text(encoding="utf-8")
    assert f"python examples/layers/{name}.py" in text
    assert f'Monitor("{name}.csv")' in text
    assert len(text.splitlines()) <= 45


@pytest.mark.keras
@pytest.mark.long
@pytest.mark.parametrize(
    ("script", "log", "fault"),
    [
        ("layers/symmetric_weights.py", "symmetric_weights.csv", "symmetric-weights"),
        ("monitor.py", "run.csv", "vanishing-gradient"),
    ],
)
def test_a_script_trains_and_says_live_what_its_log_shows(tmp_path: Path, script: str, log: str, fault: str) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("logs"))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "examples" / script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^kerasdx: epoch \d+: critical: {fault}: .*hidden_1", done.stdout, re.MULTILINE)
    assert diagnose(tmp_path / log).runs[0].findings[0].check == fault
    assert (tmp_path / log).with_suffix(".json").is_file()
