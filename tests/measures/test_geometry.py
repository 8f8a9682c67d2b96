"""Who depends on whom in the graph of a model."""

from __future__ import annotations

from diagnose.blueprint import Blueprint, Layer
from diagnose.measures.geometry import downstream, sources


def _graph(**inputs: tuple[str, ...]) -> Blueprint:
    return Blueprint(
        name="model",
        kind="Functional",
        layers=tuple(Layer(name=name, kind="Dense", inputs=given) for name, given in inputs.items()),
    )


#: Two inputs that meet in c.
MEETING = _graph(left=(), right=(), a=("left",), b=("right",), c=("a", "b"), d=("c",))


def _names(layers: tuple[Layer, ...]) -> tuple[str, ...]:
    return tuple(layer.name for layer in layers)


def test_sources_are_the_inputs_that_a_layer_depends_on() -> None:
    found = sources(MEETING)
    assert {name: _names(given) for name, given in found.items()} == {
        "left": (),
        "right": (),
        "a": ("left",),
        "b": ("right",),
        "c": ("left", "right"),
        "d": ("left", "right"),
    }


def test_what_lies_downstream_of_several_layers_is_told_once() -> None:
    a, b = MEETING.by_name["a"], MEETING.by_name["b"]
    assert _names(tuple(downstream(MEETING, a, b))) == ("c", "d")
    assert _names(tuple(downstream(MEETING, MEETING.by_name["left"]))) == ("a", "c", "d")
    assert not tuple(downstream(MEETING))


def test_a_layer_that_is_used_twice_in_a_row_is_not_its_own_downstream() -> None:
    looped = _graph(x=(), a=("x", "a"), b=("a",))
    assert _names(tuple(downstream(looped, looped.by_name["a"]))) == ("b",)
    assert _names(sources(looped)["a"]) == ("x",)
