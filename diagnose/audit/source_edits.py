"""Edits of a model, made in the user's source file: the calls that make its layers, and the call of ``compile``.

The text is changed where the syntax tree says that an argument stands; all else stays as it was written.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from diagnose.audit.configuration_edits import EditError
from diagnose.fix import Edit

#: Settings of the optimizer, which is an argument of ``compile`` and has arguments of its own.
_OF_OPTIMIZER = ("learning_rate", "clipnorm")


@dataclass(frozen=True)
class Place:
    """Where a layer is made: its line, its Keras class, and the class's parameters by position."""

    line: int
    kind: str
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class _Replacement:
    start: int
    end: int
    text: str


def apply(
    source: str, edit: Edit, places: Mapping[str, Place], wanted: Sequence[Edit] = ()
) -> tuple[str, dict[str, Place]]:
    """Return the source with the edit made, and where the layers are made then.

    Parameters
    ----------
    source
        Of the user's file.
    edit
        A change of a layer by its name in the blueprint, or of the compilation.
    places
        Layer's name -> where it is made.
    wanted
        All that is to be changed, now or later: a call that makes several layers is changed where each of them is to.

    Raises
    ------
    EditError
        A call cannot be found, makes other layers too, or its arguments are not written out.
    """
    text = _Text(source)
    change = _compile(text, edit) if not edit.layer else _layer(text, edit, places, [edit, *wanted])
    return text.with_change(change), _moved(places, change, text)


def difference(before: str, after: str, name: str) -> str:
    """Return what has changed, as ``patch`` and ``git apply`` take it."""
    # Lines as patch has them: str.splitlines would break them at form feeds too.
    lines = difflib.unified_diff(list(io.StringIO(before)), list(io.StringIO(after)), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def parameters_of(kind: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of a class's parameters by position."""
    try:
        listed = list(inspect.signature(kind).parameters.values())
    except (TypeError, ValueError):
        return ()
    return tuple(each.name for each in listed if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD))


class _Text:
    """A source with its syntax tree, and where its lines begin."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tree = ast.parse(source.encode("utf-8"))  # bytes may begin with a byte order mark
        self._encoded = source.encode("utf-8")
        self._starts = [0]
        for line in self._encoded.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node begins and ends, in bytes: that is how the tree counts columns."""
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return start, end

    def with_change(self, change: _Replacement) -> str:
        return (self._encoded[: change.start] + change.text.encode("utf-8") + self._encoded[change.end :]).decode(
            "utf-8"
        )

    def between(self, start: int, end: int) -> str:
        return self._encoded[start:end].decode("utf-8", errors="replace")

    def line_of(self, at: int) -> int:
        return sum(start <= at for start in self._starts)

    def calls(self) -> list[ast.Call]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]


def _layer(text: _Text, edit: Edit, places: Mapping[str, Place], wanted: Sequence[Edit]) -> _Replacement:
    place = places.get(edit.layer)
    if place is None:
        raise EditError(f"it is not known where {edit.layer} is made")
    fitting = [
        call
        for call in text.calls()
        if _called(call) == place.kind and call.lineno <= place.line <= (call.end_lineno or call.lineno)
    ]
    if len(fitting) != 1:
        raise EditError(f"line {place.line} does not make {edit.layer} in one call of {place.kind}: change it by hand")
    others = [name for name, other in places.items() if other == place and replace(edit, layer=name) not in wanted]
    if others:
        raise EditError(f"line {place.line} makes {', '.join(others[:3])} too: change it by hand")
    if edit.op == "remove":
        return _removal(text, fitting[0], edit.layer)
    return _argument(text, fitting[0], edit.setting, _literal(edit), place.parameters)


def _compile(text: _Text, edit: Edit) -> _Replacement:
    calls = [call for call in text.calls() if _called(call) == "compile" and isinstance(call.func, ast.Attribute)]
    if len(calls) != 1:
        raise EditError("there is not one call of compile in the file")
    if edit.setting not in _OF_OPTIMIZER:
        return _argument(text, calls[0], edit.setting, _literal(edit), ("optimizer", "loss"))
    keywords = {keyword.arg: keyword.value for keyword in calls[0].keywords}
    optimizer = keywords.get("optimizer", calls[0].args[0] if calls[0].args else None)
    if not isinstance(optimizer, ast.Call):
        raise EditError(f"the optimizer is not made in the call of compile: set its {edit.setting} by hand")
    return _argument(text, optimizer, edit.setting, _literal(edit), ("learning_rate",))


def _argument(text: _Text, call: ast.Call, name: str, literal: str, parameters: Sequence[str]) -> _Replacement:
    """Return the change that gives a call this argument."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return _Replacement(*text.span(keyword.value), literal)
    if any(isinstance(argument, ast.Starred) for argument in call.args) or any(k.arg is None for k in call.keywords):
        raise EditError(f"line {call.lineno} hides its arguments: set {name} by hand")
    if name in parameters and parameters.index(name) < len(call.args):
        return _Replacement(*text.span(call.args[parameters.index(name)]), literal)
    end = text.span(call)[1] - 1  # before the closing parenthesis
    inside = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not inside:
        return _Replacement(end, end, f"{name}={literal}")
    after = max(text.span(each)[1] for each in inside)
    behind = text.between(after, end)
    brackets = [found.end() for found in re.finditer(r"#[^\n]*|\)", behind) if found[0] == ")"]  # of an argument: (8)
    after += len(behind[: brackets[-1]].encode()) if brackets else 0
    return _Replacement(after, after, f", {name}={literal}")


def _removal(text: _Text, call: ast.Call, name: str) -> _Replacement:
    """Return the change that takes a layer out: a member of a list, ``model.add(...)``, or ``x = Layer(...)(x)``."""
    for node in ast.walk(text.tree):
        if isinstance(node, ast.List) and call in node.elts:
            return _without_member(text, node, call)
        if isinstance(node, ast.Expr) and _adds(node.value, call):
            return _without_statement(text, node)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.func is call:
            given = node.value.args
            if len(given) == 1 and _same_name(node.targets, given[0]):
                return _without_statement(text, node)
            if len(given) == 1:
                return _Replacement(*text.span(node.value), text.between(*text.span(given[0])))
    raise EditError(f"line {call.lineno}: take {name} out by hand")


def _adds(value: ast.expr, call: ast.Call) -> bool:
    """Whether an expression is ``model.add(...)`` of the call."""
    return isinstance(value, ast.Call) and call in value.args and _called(value) == "add"


def _same_name(targets: Sequence[ast.expr], given: ast.expr) -> bool:
    """Whether an assignment gives a variable what is made of it: ``x = Layer(...)(x)``."""
    (target,) = targets if len(targets) == 1 else (None,)
    return isinstance(target, ast.Name) and isinstance(given, ast.Name) and target.id == given.id


def _without_member(text: _Text, members: ast.List, member: ast.expr) -> _Replacement:
    start, end = text.span(member)
    rest = text.between(end, text.span(members)[1])
    comma = rest.find(",")
    if comma >= 0 and not rest[:comma].strip():
        end += len(rest[: comma + 1].encode())
        rest = rest[comma + 1 :]
    before = text.between(0, start)
    line = before[before.rfind("\n") + 1 :]
    if not line.strip() and (ends := _line_break(rest)):  # a line of its own goes as a whole
        return _Replacement(start - len(line.encode()), end + ends, "")
    spaces = len(rest) - len(rest.lstrip(" "))
    return _Replacement(start, end + spaces, "")


def _without_statement(text: _Text, statement: ast.stmt) -> _Replacement:
    start, end = text.span(statement)
    before = text.between(0, start)
    indent = before[before.rfind("\n") + 1 :]
    ends = _line_break(text.between(end, end + 2))
    if indent.strip() or not ends:
        raise EditError(f"line {statement.lineno} holds more than this statement: mend it by hand")
    return _Replacement(start - len(indent.encode()), end + ends, "")


def _line_break(text: str) -> int:
    """Return how long the line break is that a text begins with."""
    return 2 if text.startswith("\r\n") else int(text.startswith("\n"))


def _called(call: ast.Call) -> str:
    """Return the last part of what is called: ``Dense`` of ``keras.layers.Dense``."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _literal(edit: Edit) -> str:
    return f'"{edit.value}"' if isinstance(edit.value, str) else repr(edit.value)


def _moved(places: Mapping[str, Place], change: _Replacement, text: _Text) -> dict[str, Place]:
    """Return where layers are made after a change that took lines out."""
    lines = text.between(change.start, change.end).count("\n") - change.text.count("\n")
    at = text.line_of(change.start)
    return {
        name: Place(place.line - lines if place.line > at else place.line, place.kind, place.parameters)
        for name, place in places.items()
    }
