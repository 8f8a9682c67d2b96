from __future__ import annotations

from pathlib import Path

import pytest

from diagnose.settings import Settings, SettingsError, load

FULL = """
select = ["curves", "dying-relu"]
ignore = ["plateau"]
fail-on = "critical"
format = "markdown"

[roles]
score = "val_accuracy"

[options.overfitting]
rise = 0.2
sigmas = 5
"""


def expected(path: Path) -> Settings:
    return Settings(
        path=path,
        select=("curves", "dying-relu"),
        ignore=("plateau",),
        fail_on="critical",
        format="markdown",
        roles={"score": "val_accuracy"},
        options={"overfitting": {"rise": 0.2, "sigmas": 5}},
    )


def in_pyproject(text: str) -> str:
    return "[tool.kerasdx]\n" + text.replace("[roles]", "[tool.kerasdx.roles]").replace(
        "[options", "[tool.kerasdx.options"
    )


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()


def test_kerasdx_toml_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "kerasdx.toml"
    path.write_text(FULL)
    assert load(tmp_path) == expected(path)


def test_pyproject_says_the_same_in_its_table(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n' + in_pyproject(FULL))
    assert load(tmp_path) == expected(path)


def test_the_nearest_file_upward_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(in_pyproject('format = "json"'))
    assert load(inner).format == "json"
    (tmp_path / "a" / "kerasdx.toml").write_text('format = "html"')
    assert load(inner).format == "html"


def test_kerasdx_toml_comes_before_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(in_pyproject('format = "json"'))
    (tmp_path / "kerasdx.toml").write_text('format = "html"')
    assert load(tmp_path).format == "html"


@pytest.mark.parametrize("text", ['[project]\nname = "kerasdx-user"\n', "broken and not ours"])
def test_a_pyproject_without_the_table_is_passed_over(tmp_path: Path, text: str) -> None:
    inner = tmp_path / "package"
    inner.mkdir()
    (inner / "pyproject.toml").write_text(text)
    (tmp_path / "kerasdx.toml").write_text('format = "html"')
    assert load(inner).format == "html"


def test_an_empty_table_ends_the_search(tmp_path: Path) -> None:
    inner = tmp_path / "package"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.kerasdx]\n")
    (tmp_path / "kerasdx.toml").write_text('format = "html"')
    assert load(inner).format is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("fail_on = 'never'", ["unknown key", "fail_on", "fail-on"]),
        ("select = 'curves'", ["select", "list of names", "'curves'"]),
        ("ignore = [1]", ["ignore", "list of names"]),
        ("fail-on = 'error'", ["fail-on", "info, warning, critical, never", "'error'"]),
        ("format = 3", ["format", "terminal, json", "3"]),
        ("format = ['json']", ["format", "terminal, json"]),
        ("roles = 'x'", ["roles", "table"]),
        ("[roles]\nscore = 1", ["roles.score", "quotes", "1"]),
        ("options = 3", ["options", "table"]),
        ("[options]\noverfitting = 3", ["options.overfitting", "table"]),
        ("[options.overfitting]\nrise = '0.2'", ["options.overfitting.rise", "number", "'0.2'"]),
        ("[options.overfitting]\nrise = true", ["options.overfitting.rise", "number"]),
        ("[options.overfitting]\nrise = nan", ["options.overfitting.rise", "number"]),
        ("select = [", ["not valid TOML"]),
    ],
)
def test_an_error_names_file_and_key(tmp_path: Path, text: str, parts: list[str]) -> None:
    for name, content, prefix in (
        ("pyproject.toml", in_pyproject(text), "tool.kerasdx"),
        ("kerasdx.toml", text, ""),
    ):
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises(SettingsError) as raised:
            load(tmp_path)
        message = str(raised.value)
        assert message.startswith(str(path))
        assert "TOML" in message or prefix in message
        assert all(part in message for part in parts), message


def test_tool_that_is_no_table_is_an_error_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('tool = "kerasdx"\n')
    with pytest.raises(SettingsError, match="tool must be a table"):
        load(tmp_path)


def test_this_project_has_valid_settings() -> None:
    load(Path(__file__).parent)
