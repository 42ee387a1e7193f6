"""What a pickle describes, without unpickling it: its opcodes are walked, and no class or function is looked up.

A name of a class or function stays a :class:`Name`; what would be called or made becomes a :class:`Thing` that
remembers the call. Containers and plain values become Python's own. So whatever a file says, nothing of it runs.
"""

from __future__ import annotations

import dataclasses
import io
import pickletools
import warnings
from typing import Any

from rnn2vec.errors import RNN2VecError

DICTIONARIES = {
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("builtins", "dict"),
    ("__builtin__", "dict"),
}

MOST_PAIRS = 1_000_000
"""Given to dictionaries when they are made: one list may be given many times."""


@dataclasses.dataclass(frozen=True)
class Name:
    """A class or function that a pickle names.

    Attributes:
        module: where it would be imported from.
        name: what it is called there.
    """

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclasses.dataclass(eq=False)
class Thing:
    """What a pickle would make by a call.

    Attributes:
        made_by: what would be called.
        arguments: with what.
        state: what it would then be given, such as its attributes.
    """

    made_by: object
    arguments: tuple[Any, ...]
    state: Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """What a pickle keeps outside itself, such as the numbers of a tensor.

    Attributes:
        key: what it says of it.
    """

    key: Any


_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "FLOAT", "BINFLOAT",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def describe(file: io.BytesIO) -> Any:
    """What the pickle at a file's place describes; the place is then after it.

    Raises:
        RNN2VecError: if it is no whole pickle, or of opcodes that are not known.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of texts with broken escapes
            return _Machine().run(file)
    except (ValueError, IndexError, KeyError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        if isinstance(error, RNN2VecError):
            raise
        raise RNN2VecError(f"it holds no whole pickle ({error!r}): it was truncated or altered") from error


class _Machine:
    """A stack, and a memo in a dictionary: a list as long as the largest number in it could fill the memory."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.copied = 0
        self.memo: dict[int, Any] = {}

    def run(self, file: io.BytesIO) -> Any:
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            if name == "STOP":
                return self.stack.pop()
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _TUPLES:
                self.stack.append(tuple(self.popped(_TUPLES[name])))
            else:
                step = getattr(self, f"do_{name.lower()}", None)
                if step is None:
                    raise RNN2VecError(f"a pickle of a network has no opcode {name}")
                step(argument)
        raise ValueError("it has no end")

    def popped(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("an empty stack")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def marked(self) -> list[Any]:
        place = self.marks.pop()
        found = self.stack[place:]
        del self.stack[place:]
        return found

    def do_proto(self, _: Any) -> None: ...

    do_frame = do_proto

    def do_mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def do_pop(self, _: Any) -> None:
        self.stack.pop()

    def do_pop_mark(self, _: Any) -> None:
        self.marked()

    def do_dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def do_empty_list(self, _: Any) -> None:
        self.stack.append([])

    def do_empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def do_empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    do_empty_set = do_empty_list

    def do_list(self, _: Any) -> None:
        self.stack.append(self.marked())

    do_frozenset = do_list

    def do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.marked()))

    def do_dict(self, _: Any) -> None:
        self.put_items({}, self.marked())

    def do_append(self, _: Any) -> None:
        (value,) = self.popped(1)
        self.extend([value])

    def do_appends(self, _: Any) -> None:
        self.extend(self.marked())

    do_additems = do_appends

    def extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def do_setitem(self, _: Any) -> None:
        items = self.popped(2)
        self.put_items(self.stack.pop(), items)

    def do_setitems(self, _: Any) -> None:
        items = self.marked()
        self.put_items(self.stack.pop(), items)

    def put_items(self, target: Any, items: list[Any]) -> None:
        """Put keys and values into a dictionary; keys that are containers are left out, since hashing may go deep."""
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str | int | float | bytes | None):
                    target[key] = value
        self.stack.append(target)

    def do_global(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        self.stack.append(Name(module, name))

    def do_stack_global(self, _: Any) -> None:
        module, name = self.popped(2)
        self.stack.append(Name(str(module), str(name)))

    def do_reduce(self, _: Any) -> None:
        called, arguments = self.popped(2)
        self.made(called, arguments)

    do_newobj = do_reduce

    def do_newobj_ex(self, _: Any) -> None:
        called, arguments, _names = self.popped(3)
        self.made(called, arguments)

    def do_obj(self, _: Any) -> None:
        called, *arguments = self.marked()
        self.made(called, tuple(arguments))

    def do_inst(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        self.made(Name(module, name), tuple(self.marked()))

    def made(self, called: Any, arguments: Any) -> None:
        """Dictionaries are made, with the pairs they are given; all else is remembered."""
        if isinstance(called, Name) and (called.module, called.name) in DICTIONARIES:
            given = arguments[0] if arguments and isinstance(arguments[0], list) else []
            self.copied += len(given)
            if self.copied > MOST_PAIRS:
                raise RNN2VecError(f"dictionaries are made of at most {MOST_PAIRS} pairs; the file gives more")
            pairs = [pair for pair in given if isinstance(pair, (list, tuple)) and len(pair) == 2]
            self.put_items({}, [part for pair in pairs for part in pair])
            return
        self.stack.append(Thing(called, arguments if isinstance(arguments, tuple) else (arguments,)))

    def do_build(self, _: Any) -> None:
        (state,) = self.popped(1)
        if isinstance(self.stack[-1], Thing):
            self.stack[-1].state = state

    def do_put(self, argument: int) -> None:
        self.memo[argument] = self.stack[-1]

    do_binput = do_long_binput = do_put

    def do_memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def do_get(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    do_binget = do_long_binget = do_get

    def do_binpersid(self, _: Any) -> None:
        self.stack.append(Reference(self.stack.pop()))
