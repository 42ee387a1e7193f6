"""Hypothesis strategies: any architecture, interface and population, and groups of networks that make a zoo."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from rnn2vec.architecture import ACTIVATIONS, GATES, LEAKS, NONLINEARITIES, RESETS, Architecture, HeadLayer
from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Classes, Interface, Numbers, Tokens
from rnn2vec.networks import Population
from rnn2vec.zoo.traces import Traces
from rnn2vec.zoo.write import Group


@st.composite
def architectures(
    draw: st.DrawFn,
    cells: tuple[str, ...] = tuple(GATES),
    most_units: int = 9,
    most_layers: int = 3,
    plain: bool = False,
) -> Architecture:
    """Architectures of small networks.

    Args:
        draw: hypothesis gives it.
        cells: to choose from.
        most_units: of a layer, inputs and outputs likewise.
        most_layers: recurrent ones.
        plain: whether all have what torch.nn has, and a linear head: no leaky cells, no skip, no initial state.

    Raises:
        RNN2VecError: if ``plain`` leaves no cell to choose from.
    """
    size = st.integers(1, most_units)
    choices = [cell for cell in cells if not plain or cell != "leaky"]
    if not choices:
        raise RNN2VecError(f"cells are some of {', '.join(GATES)}, plain ones not leaky; got {', '.join(cells)}")
    cell = draw(st.sampled_from(choices))
    nonlinearity = draw(st.sampled_from(NONLINEARITIES[cell]))
    sizes = draw(st.lists(size, min_size=1, max_size=most_layers))
    inputs, outputs = draw(size), draw(size)
    if plain:
        return Architecture.stack(cell, inputs, sizes[0], len(sizes), outputs, nonlinearity)
    activation = st.sampled_from(ACTIVATIONS)
    return Architecture(
        cell,
        inputs,
        tuple(sizes),
        outputs,
        nonlinearity,
        reset=draw(st.sampled_from(RESETS)) if cell == "gru" else RESETS[0],
        leak=draw(st.sampled_from(LEAKS)) if cell == "leaky" else LEAKS[0],
        head=tuple(draw(st.lists(st.builds(HeadLayer, size, activation), max_size=2))),
        output_activation=draw(activation),
        skip=draw(st.booleans()) and outputs <= inputs,
        initial_state=draw(st.booleans()),
    )


@st.composite
def interfaces(draw: st.DrawFn, architecture: Architecture) -> Interface:
    """What networks of an architecture may read and answer with: tokens or numbers, classes or numbers."""
    inputs = Tokens(architecture.input_size), Numbers(architecture.input_size, -1.0, 1.0)
    outputs = Classes(architecture.output_size), Numbers(architecture.output_size)
    return Interface(inputs[draw(st.integers(0, 1))], outputs[draw(st.integers(0, 1))])


@st.composite
def populations(
    draw: st.DrawFn,
    architecture: Architecture | None = None,
    interface: Interface | None = None,
    most_networks: int = 4,
    scale: float = 0.5,
    dtype: torch.dtype = torch.float32,
) -> Population:
    """Populations of N networks with normal weights of a standard deviation ``scale``; leaks are between 0 and 1.

    Args:
        draw: hypothesis gives it.
        architecture: of the networks; any by default.
        interface: of the networks, which have its sizes; any by default.
        most_networks: N at most.
        scale: of the weights.
        dtype: of the weights.
    """
    if architecture is None:
        architecture = draw(architectures())
        if interface is not None:
            sizes = {"input_size": interface.inputs.size, "output_size": interface.outputs.size}
            architecture = architecture.resized(**sizes, skip=False)
    interface = interface or draw(interfaces(architecture))
    count, seed = draw(st.integers(1, most_networks)), draw(st.integers(0, 2**32 - 1))
    generator = torch.Generator().manual_seed(seed)
    flat = scale * torch.randn(count, architecture.num_parameters, dtype=torch.float64, generator=generator)
    population = Population.from_flat(architecture, flat.to(dtype), interface)
    for name, weight in population.weights.items():
        if name.startswith("leak_"):
            weight.sigmoid_()
    return population


@st.composite
def groups(draw: st.DrawFn, most_groups: int = 3, most_networks: int = 4) -> list[Group]:
    """Groups of networks for :func:`rnn2vec.zoo.write.write_zoo`: one interface, several architectures, a label
    ``kind`` and, in some groups, traces.
    """
    first = draw(architectures(most_units=5, most_layers=2))
    interface, found = draw(interfaces(first)), []
    for place in range(draw(st.integers(1, most_groups))):
        own = draw(architectures(most_units=5, most_layers=2))
        own = own.resized(input_size=first.input_size, output_size=first.output_size, skip=False)
        population = draw(populations(own, interface, most_networks))
        count, traces = len(population), None
        if draw(st.booleans()):
            seed = draw(st.integers(0, 2**32 - 1))
            asked = torch.rand(count, 2, 3, first.input_size, generator=torch.Generator().manual_seed(seed))
            read = asked.argmax(3) if isinstance(interface.inputs, Tokens) else 2 * asked - 1
            traces = Traces.of(population, read.numpy())
        kinds = draw(st.lists(st.sampled_from(["a", "b"]), min_size=count, max_size=count))
        names = [f"{place}-{number}" for number in range(count)]
        found.append(Group(population, names, [f"{place}.pt"] * count, {"kind": kinds}, traces))
    return found
