"""A program that calls what the package annotates with shapes, while jaxtyping and beartype check them.

``test_shapes.py`` runs it in a process of its own, since the check has to be there before the package is imported, and
reads what it says: which functions have shapes, and which were called.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from beartype import beartype
from jaxtyping import AbstractArray, TypeCheckError, install_import_hook

Name = tuple[str, str]
"""Of a function: its module, and what it is called there."""

CHECKED: set[Name] = set()
"""Functions with a shape in their signature that were imported under the check."""
CALLED: set[Name] = set()
"""Those among them that were called, and whose arguments or results were as they say."""


def holds_shape(hint: Any) -> bool:
    """Whether a type, or one within it, says the shape of an array."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(map(holds_shape, hint if isinstance(hint, list) else typing.get_args(hint)))


def check(function: FunctionType) -> Callable[..., Any]:
    """Let beartype check what says a shape, and note each call; mypy checks all other types, protocols above all."""
    function.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if holds_shape(hint)}
    if not function.__annotations__:
        return function
    name, checked = (function.__module__, function.__qualname__), beartype(function)
    CHECKED.add(name)

    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        found = checked(*args, **kwargs)
        CALLED.add(name)
        return found

    return noted


install_import_hook("rnn2vec", "__main__.check")

import rnn2vec  # noqa: E402
from rnn2vec import (  # noqa: E402
    ENCODERS,
    Architecture,
    Callables,
    Classes,
    Collection,
    Encoder,
    FormalLanguage,
    HeadLayer,
    Identifier,
    Interface,
    Mixed,
    Modules,
    Numbers,
    Population,
    Tokens,
    Vectors,
    Zoo,
    atlas,
    build_encoder,
    build_zoo,
    compare,
    duplicates,
    embed,
    engine,
    identify,
    lineage,
    nearest,
    search,
    zoo_recipe,
)
from rnn2vec.emulation.emulator import Emulator  # noqa: E402
from rnn2vec.engine.noise import Noise  # noqa: E402
from rnn2vec.engine.optimizer import AdamW  # noqa: E402
from rnn2vec.evaluation.imitation import Imitation  # noqa: E402
from rnn2vec.library.lineage import ages_of  # noqa: E402
from rnn2vec.networks.questions import beginning, first_tokens, made_questions, start_tokens, written  # noqa: E402
from rnn2vec.networks.slow_points import slow_points, visited_states  # noqa: E402
from rnn2vec.networks.stimuli import stimuli  # noqa: E402
from rnn2vec.zoo.traces import Traces  # noqa: E402

LANGUAGE = Interface(Tokens(6), Classes(6))
SOUND = Interface(Numbers(2, -1.0, 1.0), Numbers(1))
MIXED = Interface(Tokens(3), Numbers(2))
CELLS = {
    "lstm": {"hidden_sizes": (4,)},
    "gru": {"hidden_sizes": (3, 5), "reset": "before", "head": (HeadLayer(4, "relu"),)},
    "elman": {"hidden_sizes": (4, 3), "nonlinearity": "relu"},
    "leaky": {"hidden_sizes": (5,), "initial_state": True},
}


def population(cell: str = "lstm", interface: Interface = SOUND, count: int = 3, **fields: Any) -> Population:
    sizes = {"input_size": interface.inputs.size, "output_size": interface.outputs.size}
    architecture = Architecture(cell, **{**sizes, **CELLS[cell], **fields})
    plain = Population.initialise(architecture, 0, range(count))
    return Population(architecture, {name: 3 * weight for name, weight in plain.weights.items()}, interface)


def inputs_of(networks: rnn2vec.Networks, batch: int = 2, steps: int = 5) -> torch.Tensor:
    size, shape = networks.interface.inputs.size, (len(networks), batch, steps)
    return torch.randint(0, size, shape) if networks.interface.inputs.drawn else torch.rand(*shape, size)


def call_networks() -> None:
    language = population("lstm", LANGUAGE)
    for interface in (LANGUAGE, SOUND, MIXED):
        for cell in CELLS:
            networks = population(cell, interface)
            asked = inputs_of(networks)
            _, state = networks.run(asked)
            networks.run(asked, state)
            Population.from_flat(networks.architecture, networks.flatten()).permute_hidden_randomly()
            engine.hidden_states(networks, asked, state)
        parts = [population("lstm", interface, 2), population("gru", interface, 1)]
        mixed = Mixed(parts, np.array([2, 0, 1]))
        mixed.run(inputs_of(mixed), mixed.run(inputs_of(mixed))[1])
        sizes = interface.inputs.size, interface.outputs.size
        boxes = Callables([lambda asked, said=sizes[1]: np.zeros((*asked.shape[:2], said))], interface)
        boxes.run(inputs_of(boxes), boxes.run(inputs_of(boxes))[1])
    for networks in (language, population("gru", SOUND)):
        made_questions(networks, 1)
    first = first_tokens(start_tokens([language, language]), 4)
    written(language, beginning(np.zeros((4, 5), dtype=np.int8), first)[:, 0], 0)
    mixtures = torch.rand(3, 2, 5, 6).softmax(-1)
    slow_points(language, mixtures[:, 0, 0], visited_states(language, mixtures, torch.zeros(3, 2).long(), 5))
    modules = Modules(population("lstm").to_modules(), SOUND)
    modules.run(inputs_of(modules), modules.run(inputs_of(modules))[1])


def call_training() -> None:
    for interface, cell in ((LANGUAGE, "lstm"), (SOUND, "leaky")):
        networks, said = population(cell, interface), interface.outputs.size
        asked, decay = inputs_of(networks), torch.full((3,), 0.01)
        targets = torch.randint(0, said, (3, 2, 5)) if interface is LANGUAGE else torch.rand(3, 2, 5, said)
        noise = Noise.keyed(0.1, 0, range(3)) if cell == "leaky" else None
        for rate, weight_decay in ((0.01, 0.01), (torch.tensor(0.01), torch.tensor([0.01])), (decay, decay)):
            optimizer = AdamW.start(networks, weight_decay)
            engine.train_step(networks, optimizer, asked, targets, rate, torch.ones(3, 2, 5), noise)


def call_interfaces() -> None:
    tokens, numbers = Tokens(6), Numbers(2, -1.0, 1.0)
    numbers.unexplained(torch.rand(3, 2, 5, 2), torch.rand(3, 2, 5, 2), torch.ones(2))
    tokens.shares(tokens.questions(tokens.logits(tokens.tensor(np.array([[0, 5]], dtype=np.int8)))))
    numbers.shares(numbers.questions(numbers.logits(numbers.tensor(np.zeros((3, 2), dtype=np.float16)))))
    for outputs in (Classes(4), Numbers(4)):
        said = np.random.default_rng(0).normal(size=(3, 2, 5, 4)).astype(np.float16)
        answers = outputs.answers(outputs.tensor(said))
        outputs.levelled(answers, torch.ones(2, 1, 4))
        outputs.pictured(answers)
        outputs.compared(answers)
        outputs.units(3, [said[:2], said[2:]])
        outputs.difference(answers, answers[:1], outputs.units(3, [said])[1])
        outputs.scale(answers, answers[:1], outputs.units(3, [said])[1])
    LANGUAGE.echo(torch.zeros(3, 2, 6))
    Interface(numbers, Numbers(2)).echo(torch.zeros(2))


class Known:
    """What stands for the labels of a zoo."""

    def __call__(self, z: np.ndarray, networks: rnn2vec.Networks | None = None) -> dict[str, np.ndarray]:
        return {"known": np.ones(len(z), bool), "what": np.array(["this"] * len(z))}


def call_encoders() -> None:
    for interface in (LANGUAGE, SOUND):
        networks = population("gru", interface, 4, reset="after", head=(), hidden_sizes=(4,))
        sequences = stimuli(interface.inputs, sequences=8, steps=16)
        for name, kind in ENCODERS.items():
            encoder = build_encoder(name, kind.form_of(networks), embedding_size=4)
            encoder.start(networks, sequences)
            encoder.encode(networks)
        encoder.knowledge = Known()
        encoder.predict(networks)
    Encoder.start(encoder, networks, sequences)
    build_encoder("noninteractive", LANGUAGE, probes=2, questions="single")(population("lstm", LANGUAGE))


def call_library(folder: Path) -> None:
    networks = population("lstm", LANGUAGE, 8)
    cut = {"bias_ih_l0": networks.weights["bias_ih_l0"] + networks.weights["bias_hh_l0"]}
    cut["bias_hh_l0"] = torch.zeros_like(cut["bias_ih_l0"])
    folded = Population(networks.architecture, {**networks.weights, **cut}, LANGUAGE)
    doubled = Mixed([networks, networks[:2].permute_hidden_randomly(), folded[2:3]])
    names = np.array([f"net {row}" for row in range(11)])
    asked = stimuli(LANGUAGE.inputs, sequences=4, steps=16)
    collection = Collection(names, doubled, asked, {"kind": np.arange(11)})
    vectors = embed(collection)
    search(collection, "net 3", z=vectors.of(names))
    nearest(vectors.z.astype(np.float16), vectors.z[:2], 3)
    proofs = [proof for group in duplicates(collection) for proof in group.certificate]
    assert {proof.kind for proof in proofs if proof.kind == "folded" or proof.permutations} == {"renumbered", "folded"}
    lineage(Collection(names[:8], networks, asked), steps=np.arange(8), models=[0] * 8)
    atlas(collection, folder / "atlas.html")
    compare(networks[:1], networks[1:2], asked, budget=64)
    compare(population("lstm", count=1), population("elman", count=1), budget=64)


def call_identification() -> None:
    for interface in (LANGUAGE, SOUND):
        networks, pool = population("lstm", interface, 4), stimuli(interface.inputs, sequences=4, steps=16)
        identifier = Identifier(networks, pool)
        for question in (identifier.next_question(), identifier.telling(), identifier.continuation()):
            if question is not None:
                identifier.tell(question, np.zeros((len(question), interface.outputs.size)) + 1 / 6)
        identifier.parting()
        identifier.check()
        identifier.alike()
        identifier.alike_to(0, np.array([0, 2]))
        assert identifier.differences.shape == identifier.posterior.probabilities.shape
        identify(networks[:1], networks, pool=pool)


def call_tasks(folder: Path) -> None:
    language = FormalLanguage(1, 0, 2)
    language.sample(3, np.random.default_rng(0))
    language.accept(language.training_strings[None])
    language.accept(language.string(3))
    small = {"models": 4, "steps": 2, "snapshots": (0, 2), "hidden_size": 4, "batch_size": 2, "traces": 2}
    zoo = build_zoo(zoo_recipe("formal-languages", "demo", **small, evaluation_strings=4), folder / "zoo")
    assert zoo.column("name").shape == (len(zoo.tasks),) == (len(zoo.groups),)
    Traces.of(zoo.networks([0, 1]), zoo.traces([0, 1]).inputs)
    Collection.of_zoo(zoo)
    ages_of(Zoo.open(zoo.directory))
    imitation = Imitation.of_zoo(zoo, Emulator(6, 6, 3, 5, 1))
    assert imitation is not None
    imitation.within(imitation.errors(zoo.networks([0, 1]), np.zeros((2, 3), dtype=np.float32)), 0.5, 2.0)


class Longer(Encoder):
    """An encoder whose z is no vector."""

    name, reads = "longer", Interface

    def __init__(self) -> None:
        super().__init__(SOUND, 4, {})
        self.weight = torch.nn.Parameter(torch.ones(1))

    def check_readable(self, networks: Any) -> None:
        pass

    def represent(self, networks: rnn2vec.Networks) -> torch.Tensor:
        return torch.ones(len(networks), 2, 2)


WRONG: dict[str, Callable[[], object]] = {
    "an argument": lambda: population().run(torch.zeros(3, 5)),
    "an argument's dtype": lambda: FormalLanguage(0, 0, 0).accept(np.zeros((2, 42))),
    "two arguments": lambda: nearest(np.zeros((3, 4), np.float32), np.zeros((3, 5), np.float32), 1),
    "a result": lambda: Longer()(population()),
    "a dataclass": lambda: Vectors(np.array(["a", "b"]), np.zeros((2, 4))),  # of float64
}
"""Calls that the check has to refuse, by what is wrong."""


def reported(call: Callable[[], object]) -> bool:
    try:
        call()
    except TypeCheckError:
        return True
    return False


def annotated(module: ModuleType) -> Iterator[tuple[Name, bool]]:
    """Functions, methods and dataclasses of a module that say shapes, and whether it is a protocol that does."""
    for name, thing, is_protocol in parts(module):
        if any(map(holds_shape, typing.get_type_hints(thing, include_extras=True).values())):
            yield name, is_protocol


def parts(module: ModuleType) -> Iterator[tuple[Name, Any, bool]]:
    for thing in vars(module).values():
        if getattr(thing, "__module__", "") != module.__name__:
            continue
        if not inspect.isclass(thing):
            members = {"": thing}
        else:
            members = dict(vars(thing))
            if dataclasses.is_dataclass(thing):
                yield (module.__name__, f"{thing.__qualname__}.__init__"), thing, False
        for member in members.values():
            inner = getattr(member, "func", getattr(member, "fget", getattr(member, "__func__", member)))
            inner = inspect.unwrap(inner) if callable(inner) else None
            if isinstance(inner, FunctionType) and inner.__module__ == module.__name__:
                yield (module.__name__, inner.__qualname__), inner, bool(getattr(thing, "_is_protocol", False))


def main() -> None:
    torch.manual_seed(0)
    for name in rnn2vec.__all__:
        getattr(rnn2vec, name)
    with tempfile.TemporaryDirectory() as folder:
        call_networks()
        call_training()
        call_interfaces()
        call_encoders()
        call_library(Path(folder))
        call_identification()
        call_tasks(Path(folder))
    said = {"checked": CHECKED, "called": set(CALLED), "annotated": set(), "protocols": set()}
    for module in [module for name, module in sys.modules.items() if name.startswith("rnn2vec")]:
        for name, is_protocol in annotated(module):
            said["protocols" if is_protocol else "annotated"].add(name)
    plain = {what: sorted(map(".".join, names)) for what, names in said.items()}
    print(json.dumps({**plain, "wrong": {what: reported(call) for what, call in WRONG.items()}}))


if __name__ == "__main__":
    main()
