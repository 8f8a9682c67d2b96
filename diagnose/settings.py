"""Settings of a project: ``kerasdx.toml``, or ``[tool.kerasdx]`` in ``pyproject.toml``.

The nearest folder upward from the working directory that has one of the two counts, ``kerasdx.toml`` before
``pyproject.toml``; a ``pyproject.toml`` without the table is passed over. Nothing here knows the checks:
whether a named check exists is for `diagnose.analyze.Selection.validate` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMATS = ("terminal", "json", "html", "markdown", "github")
LIMITS = ("info", "warning", "critical", "never")

_KEYS = ("select", "ignore", "fail-on", "format", "roles", "options")


class SettingsError(Exception):
    """A settings file that cannot be used: one line with the file and the key."""


@dataclass(frozen=True)
class Settings:
    """What a settings file says; what it leaves out is empty or None.

    Parameters
    ----------
    path
        The file; None where there is none.
    select, ignore
        Ids or families of checks.
    fail_on
        The severity from which the exit code is 1.
    format
        The report's format.
    roles
        Column name -> role.
    options
        Check id -> option -> threshold.
    """

    path: Path | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str | None = None
    format: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def load(folder: Path) -> Settings:
    """Return the settings that hold in a folder.

    Raises
    ------
    SettingsError
        Where the file is no TOML, has a key that is not known, or a value of the wrong type.
    """
    for parent in (folder, *folder.parents):
        own = parent / "kerasdx.toml"
        if (content := _content(own)) is not None:
            return _parse(_Table(own, "", _decode(own, content)))
        shared = parent / "pyproject.toml"
        content = _content(shared)
        # Most projects' file says nothing of us: the TOML parser is not even imported for it.
        if content is not None and b"kerasdx" in content:
            tool = _Table(shared, "", _decode(shared, content)).table("tool")
            if "kerasdx" in tool.content:
                return _parse(tool.table("kerasdx"))
    return Settings()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; mend it or pass --no-settings") from error


def _decode(path: Path, content: bytes) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error


def _parse(table: _Table) -> Settings:
    table.refuse_unknown(_KEYS)
    options = table.table("options")
    return Settings(
        path=table.path,
        select=table.names("select"),
        ignore=table.names("ignore"),
        fail_on=table.choice("fail-on", LIMITS),
        format=table.choice("format", FORMATS),
        roles=table.table("roles").roles(),
        options={check: options.table(check).numbers() for check in options.content},
    )


class _Table:
    """One table of a settings file, with its place for messages."""

    def __init__(self, path: Path, place: str, content: Any) -> None:
        self.path = path
        self.place = place
        if not isinstance(content, dict):
            raise self._error("", "must be a table", content)
        self.content = content

    def refuse_unknown(self, known: tuple[str, ...]) -> None:
        for key in self.content:
            if key not in known:
                raise SettingsError(f"{self.path}: unknown key {self._name(key)}; known: {', '.join(known)}")

    def names(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self._error(key, 'must be a list of names, for example ["curves", "dying-relu"]', value)
        return tuple(value)

    def choice(self, key: str, choices: tuple[str, ...]) -> str | None:
        value = self.content.get(key)
        if value is not None and value not in choices:
            raise self._error(key, f"must be one of {', '.join(choices)}", value)
        return value

    def table(self, key: str) -> _Table:
        return _Table(self.path, self._name(key), self.content.get(key, {}))

    def roles(self) -> dict[str, str]:
        for column, role in self.content.items():
            if not isinstance(role, str):
                raise self._error(column, "must be a role in quotes", role)
        return self.content

    def numbers(self) -> dict[str, float]:
        for option, value in self.content.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not abs(value) < float("inf"):
                raise self._error(option, "must be a number", value)
        return self.content

    def _name(self, key: str) -> str:
        return ".".join(part for part in (self.place, key) if part)

    def _error(self, key: str, wanted: str, value: Any) -> SettingsError:
        return SettingsError(f"{self.path}: {self._name(key)} {wanted}, not {value!r}")
