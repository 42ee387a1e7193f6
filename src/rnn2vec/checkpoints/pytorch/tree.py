"""What was saved, as a tree: state dicts, modules and tensors, wherever they are in what a pickle describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rnn2vec.checkpoints.pytorch.pickles import Name, Reference, Thing
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import shown

MOST_CANDIDATES = 2000
"""Dictionaries of tensors, or modules, in a file: an optimiser has one for each parameter."""
DEEPEST = 60
"""Containers within containers."""

View = tuple[Any, ...]
"""A tensor as a pickle has it: a reference to its storage, the offset in it, shape and strides."""

_REBUILT = ("_rebuild_tensor", "_rebuild_tensor_v2")
_WRAPPED = ("_rebuild_parameter", "_rebuild_parameter_with_state")
_OF_TYPE, _TYPES = Name("torch._tensor", "_rebuild_from_type_v2"), ("Tensor", "Parameter")
"""How tensors with attributes of somebody's own are made; those of other types compute as they like."""
_OF_NUMBERS = ("_rebuild", "_reconstruct", "_frombuffer")
"""How functions of torch and numpy are called that make tensors and arrays."""


def walk(root: Any, into_modules: bool = True) -> Iterator[tuple[str, Any]]:
    """All dictionaries and things, by where they are; each once, since objects may contain themselves."""
    stack, seen = [("", root, 0)], set()
    while stack:
        where, own, depth = stack.pop()
        if id(own) in seen or depth > DEEPEST:
            continue
        seen.add(id(own))
        yield where, own
        if not into_modules and is_module(own):
            continue
        inner: Any = own.state if isinstance(own, Thing) else own
        if isinstance(own, Thing) and inner is None:
            inner = own.arguments
        items = (
            inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, (list, tuple)) else ()
        )
        children = [
            (f"{where}.{key}" if where else str(key), value, depth + 1)
            for key, value in items
            if isinstance(value, (dict, list, tuple, Thing))
        ]
        stack += reversed(children)


def references(root: Any) -> Iterator[tuple[Any, ...]]:
    """What a pickle says of the storages of its tensors."""
    for _, own in walk(root):
        view = view_of(own)
        if view is not None:
            yield view[0].key


def candidates(root: Any) -> list[tuple[str, Any]]:
    """State dicts and modules, by where they are; not those that are parts of a module.

    Raises:
        RNN2VecError: if there are too many.
    """
    found = []
    for where, own in walk(root, into_modules=False):
        if is_module(own) or (isinstance(own, dict) and any(view_of(value) is not None for value in own.values())):
            found.append((where, own))
        if len(found) > MOST_CANDIDATES:
            raise RNN2VecError(f"a file holds at most {MOST_CANDIDATES} dictionaries of tensors, or modules; got more")
    return found


def is_module(own: Any) -> bool:
    """Whether an object has the attributes of a module."""
    return (
        isinstance(own, Thing) and isinstance(own.state, dict) and ("_modules" in own.state or "training" in own.state)
    )


def view_of(own: Any) -> View | None:
    """What would become a tensor or a parameter; None of anything else, and of one that is not as its storage is."""
    for _ in range(3):
        made_by = own.made_by if isinstance(own, Thing) else None
        if not isinstance(made_by, Name):
            return None
        if made_by == _OF_TYPE and len(own.arguments) == 4:
            make, kind, arguments, _state = own.arguments
            if not isinstance(kind, Name) or kind.module.partition(".")[0] != "torch" or kind.name not in _TYPES:
                return None
            own = Thing(make, arguments) if isinstance(arguments, tuple) else None
        elif made_by.module != "torch._utils":
            return None
        elif made_by.name in _REBUILT:
            view, changed = own.arguments[:4], own.arguments[6:]  # conjugated, or with the other sign
            return view if len(view) == 4 and isinstance(view[0], Reference) and not any(changed) else None
        elif made_by.name in _WRAPPED and own.arguments:
            own = own.arguments[0]
        else:
            return None
    return None


def views(own: Any) -> dict[str, View]:
    """Tensors of a state dict, or of a module by the names that its state dict would have."""
    listed = ((name, view_of(value)) for name, value in _entries(own))
    return {name: view for name, view in listed if view is not None}


def others(own: Any) -> dict[str, str]:
    """What stands where tensors do and holds numbers in another way, by name: what it is, or is made by."""
    found, read = {}, {_place(view) for view in views(own).values()}
    for name, value in _entries(own):
        if view_of(value) is not None or is_module(value) or not isinstance(value, (Thing, list, tuple)):
            continue
        within = [part for _, part in walk(value) if isinstance(part, Thing) and _is_of_numbers(part.made_by)]
        unread = [part for part in within if (view := view_of(part)) is None or _place(view) not in read]
        if unread:
            found[name] = str(unread[0].made_by)
        elif not within and not isinstance(value, Thing) and name.endswith(("weight", "bias")):
            found[name] = f"a {type(value).__name__}"
    return found


def _place(view: View) -> str:
    """Where a tensor's numbers are: TorchScript lists those of a recurrent layer twice."""
    return shown((view[0].key, view[1:]))


def _is_of_numbers(made_by: object) -> bool:
    if not isinstance(made_by, Name) or made_by.module.partition(".")[0] not in ("torch", "numpy"):
        return False
    return made_by.name.startswith(_OF_NUMBERS)


def _entries(own: Any) -> Iterator[tuple[str, Any]]:
    """What a state dict holds, or what a module holds where its tensors are."""
    if isinstance(own, dict):
        yield from ((str(name), value) for name, value in own.items())
        return
    for number, (prefix, state) in enumerate(_states(own)):
        if number > MOST_CANDIDATES:
            raise RNN2VecError(f"a module has at most {MOST_CANDIDATES} parts; this one has more")
        groups = [state.get("_parameters"), state.get("_buffers")] if "_modules" in state else [state]
        for group in groups:
            if isinstance(group, dict):
                yield from ((f"{prefix}{name}", value) for name, value in group.items())


def _states(own: Thing, prefix: str = "", above: tuple[int, ...] = ()) -> Iterator[tuple[str, dict[Any, Any]]]:
    """The attributes of a module and its parts; one that stands in two places has two names, as in a state dict."""
    if id(own) in above or len(above) > DEEPEST or not isinstance(own.state, dict):
        return
    yield prefix, own.state
    inner = own.state.get("_modules", own.state)
    for name, part in inner.items() if isinstance(inner, dict) else ():
        if is_module(part):
            yield from _states(part, f"{prefix}{name}.", (*above, id(own)))


def parts(own: Thing) -> Iterator[tuple[str, dict[Any, Any]]]:
    """The class and attributes of a module and of each part."""
    stack: list[Thing] = [own]
    seen: set[int] = set()
    while stack:
        part = stack.pop()
        if id(part) in seen or not isinstance(part.state, dict):
            continue
        seen.add(id(part))
        yield class_of(part), part.state
        inner = part.state.get("_modules", part.state)
        stack += [own for own in inner.values() if is_module(own)] if isinstance(inner, dict) else []


def class_of(own: Thing) -> str:
    """The class of a module; before PyTorch 1.6 it came with its source."""
    made_by = own.made_by
    if isinstance(made_by, Reference) and isinstance(made_by.key, tuple) and len(made_by.key) > 1:
        made_by = made_by.key[1]
    return str(made_by)[:200] if isinstance(made_by, Name) else "an unknown class"
