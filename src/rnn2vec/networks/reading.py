"""Torch modules to weights and back: what a module holds is read through its attributes, and proven by running it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}
"""Recurrent layers of torch.nn by cell."""

REMEDY = "ask it as it is, Modules([module], interface)"
"""What helps where a module cannot be a population."""

SCALES = (1.0, 0.1, 10.0)
"""Sizes of the random inputs that a module is proven on: what shows only among small or large ones is seen, too."""
BATCH, STEPS = 3, 7
UNCOMPARABLE = "answers are not finite"


class RecurrentNetwork(nn.Module):
    """One network of an architecture as an ordinary torch module: ``rnn`` (batch first) and a ``linear`` head."""

    def __init__(
        self, architecture: Architecture, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"num_layers": architecture.num_layers, "batch_first": True}
        if architecture.cell == "elman":
            options["nonlinearity"] = architecture.nonlinearity
        place: Any = {"device": device, "dtype": dtype}
        self.rnn: nn.RNNBase = CELLS[architecture.cell](
            architecture.input_size, architecture.widest, **options, **place
        )
        self.linear = nn.Linear(architecture.widest, architecture.output_size, **place)

    @classmethod
    def of(cls, architecture: Architecture, weights: Mapping[str, Tensor]) -> RecurrentNetwork:
        """A network with copies of one network's weights, under torch.nn's names."""
        some = next(iter(weights.values()))
        module = cls(architecture, some.device, some.dtype)
        module.load_state_dict({n if n.startswith("linear.") else f"rnn.{n}": w.detach() for n, w in weights.items()})
        return module

    def forward(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map inputs ``[B, T, X]`` to outputs ``[B, T, Y]`` and the state after the last step."""
        hidden, state = self.rnn(inputs, state)
        return self.linear(hidden), state


def read_modules(modules: Iterable[nn.Module], prove: bool = True) -> tuple[Architecture, dict[str, Tensor]]:
    """The architecture of modules and their weights, stacked; see :meth:`rnn2vec.networks.Population.from_modules`.

    Raises:
        RNN2VecError: if there are none, :func:`read_module` refuses one, or they differ.
    """
    if isinstance(modules, nn.Module):
        raise RNN2VecError(f"a population is made of a list of modules; got one {type(modules).__name__}: [module]")
    read = [
        read_module(module, f"module {index} ({type(module).__name__})", prove) for index, module in enumerate(modules)
    ]
    if not read:
        raise RNN2VecError("a population has at least one network; got no modules")
    architectures, parameters = zip(*read, strict=True)
    for index, architecture in enumerate(architectures):
        if architecture != architectures[0]:
            raise RNN2VecError(
                f"all networks of a population share one architecture; module 0 is {architectures[0]}, "
                f"module {index} is {architecture}: make one population for each architecture"
            )
    places = {(weight.dtype, weight.device) for own in parameters for weight in own.values()}
    if len(places) > 1:
        found = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in places))
        raise RNN2VecError(f"all networks of a population have one dtype and one device; got {found}")
    stacked = {name: torch.stack([p[name] for p in parameters]) for name in parameters[0]}
    return architectures[0], stacked


@torch.no_grad()
def read_module(module: nn.Module, name: str, prove: bool = True) -> tuple[Architecture, dict[str, Tensor]]:
    """The architecture and copies of the weights of a module that holds one recurrent layer and one linear head.

    Weights are read as the layers use them: tied, pruned and reparametrised ones (weight norm, spectral norm) too.
    A layer without biases (``bias=False``) has zeros for them.

    Args:
        module: it may nest and name the two layers as it likes. Its buffers, and torch's random numbers, are left as
            they were; what else its forward may keep is its own.
        name: what to call it in messages.
        prove: run the module on random inputs, and refuse it unless it answers as its two layers do alone.

    Raises:
        RNN2VecError: if it holds none or several of either layer, has other parameters too, cannot be represented
            (bidirectional, projected), or computes another function than its two layers do.
    """
    rnn, head = _layers(module, name)
    cell = next(cell for cell, kind in CELLS.items() if isinstance(rnn, kind))
    nonlinearity = rnn.nonlinearity if isinstance(rnn, nn.RNN) else "tanh"
    architecture = Architecture.stack(
        cell, rnn.input_size, rnn.hidden_size, rnn.num_layers, head.out_features, nonlinearity
    )
    with _left_as_it_was(module):
        # Hooks of weight norm and the like bring the attributes up to date when a layer runs.
        example = head.weight.new_zeros(1, 1, rnn.input_size)
        hidden, _ = _attempt(rnn, example)
        _attempt(head, _first_tensor(hidden))
        weights = {n: _weight(rnn, head, n, shape, name) for n, shape in architecture.parameter_shapes().items()}
        places = {(weight.dtype, weight.device) for weight in weights.values()}
        if len(places) > 1:
            found = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in places))
            raise RNN2VecError(f"the weights of a network have one dtype and device; those of {name} are {found}")
        if prove:
            _prove(module, RecurrentNetwork.of(architecture, weights), bool(rnn.batch_first), name)
    return architecture, weights


def _layers(module: nn.Module, name: str) -> tuple[nn.RNNBase, nn.Linear]:
    """The recurrent layer and the head, after everything is refused that shows without running them."""
    if not isinstance(module, nn.Module):
        raise RNN2VecError(f"a population is made of torch modules; {name} is none")
    recurrent = [part for part in module.modules() if isinstance(part, (nn.LSTM, nn.GRU, nn.RNN))]
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if len(recurrent) != 1 or len(linear) != 1:
        raise RNN2VecError(
            "a module of a population holds one nn.LSTM, nn.GRU or nn.RNN and one nn.Linear head; "
            f"{name} holds {len(recurrent)} and {len(linear)}: {REMEDY}"
        )
    rnn, head = recurrent[0], linear[0]
    own = {id(parameter) for part in (rnn, head) for parameter in part.parameters()}
    others = [other for other, parameter in module.named_parameters() if id(parameter) not in own]
    if others:
        raise RNN2VecError(
            "a module of a population has no parameters but those of its recurrent layer and its linear head, since "
            f"the rest would be lost; {name} has {', '.join(others)}: {REMEDY}"
        )
    if rnn.bidirectional or rnn.proj_size:
        raise RNN2VecError(
            "a network of a population runs in one direction and has no projection (proj_size=0); "
            f"{name} has bidirectional={rnn.bidirectional}, proj_size={rnn.proj_size}: {REMEDY}"
        )
    if head.in_features != rnn.hidden_size:
        raise RNN2VecError(
            f"the linear head of a network reads its hidden state of {rnn.hidden_size}; "
            f"that of {name} reads {head.in_features} features: {REMEDY}"
        )
    if any(parameter.is_meta for parameter in module.parameters()):
        raise RNN2VecError(f"a network has values for its weights; those of {name} are on the meta device: load them")
    return rnn, head


def _weight(rnn: nn.RNNBase, head: nn.Linear, weight: str, shape: tuple[int, ...], name: str) -> Tensor:
    """A copy of one weight, or zeros for a bias that the layer says it does without."""
    layer: nn.Module = head if weight.startswith("linear.") else rnn
    attribute = weight.removeprefix("linear.")
    has_biases = head.bias is not None if layer is head else rnn.bias
    if attribute.startswith("bias") and not has_biases:
        return head.weight.detach().new_zeros(shape)
    found = getattr(layer, attribute, None)
    if not isinstance(found, Tensor) or tuple(found.shape) != shape:
        got = f"the shape {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise RNN2VecError(f"{weight} of {name} is a tensor of the shape {list(shape)}; got {got}")
    return found.detach().clone()


def _prove(module: nn.Module, alone: RecurrentNetwork, batch_first: bool, name: str) -> None:
    """Raise :class:`RNN2VecError` unless a module answers random inputs as its two layers do alone.

    Inputs are floats and, for a module that encodes them itself, tokens; the batch comes first or the time. Answers are
    those of every step or of the last.
    """
    proven, failures = False, []
    for tokens in (False, True):
        results = []
        for layout in (batch_first, not batch_first):
            difference, failure = _difference(module, alone, layout, tokens)
            if failure is None and difference <= 1:
                proven = True
                break
            results.append((difference, failure))
        else:
            differing = [difference for difference, failure in results if failure is None]
            if differing and results[0][1] != UNCOMPARABLE:
                training = " It is in training mode: module.eval() turns dropout off." if module.training else ""
                raise RNN2VecError(
                    "a network of a population computes what its recurrent layer and its head compute alone; to random "
                    f"{'tokens' if tokens else 'inputs'}, {name} answers otherwise, by {min(differing):.2g} times what "
                    "rounding may do: its forward does more (a skip connection, a normalisation, an initial state, a "
                    f"hook, dropout), or magnifies rounding.{training} Either {REMEDY}, or "
                    "take the layers alone with prove=False"
                )
            failures += [failure for _, failure in results if failure]
    if not proven:
        size = alone.rnn.input_size
        raise RNN2VecError(
            f"a module is proven by running it on sequences [B, T, {size}] or [T, B, {size}]; {name} could not be "
            f"({failures[0]}): give it such a forward, or take its layers as they are with prove=False"
        )


def _difference(
    module: nn.Module, alone: RecurrentNetwork, batch_first: bool, tokens: bool
) -> tuple[float, str | None]:
    """How far answers are apart, in units of what is allowed; or why they cannot be compared.

    Each output is held against its own spread, without the head's bias, which may be large: half of the digits agree,
    since the layers alone may sum in another order.
    """
    weight, size = alone.linear.weight, alone.rnn.input_size
    eps = torch.finfo(weight.dtype).eps
    numbers, worst = torch.Generator("cpu").manual_seed(0), 0.0
    for trial, scale in enumerate(SCALES):
        shape = (BATCH, STEPS + trial)
        if tokens:
            asked = torch.randint(size, shape, generator=numbers, device="cpu").to(weight.device)
            read = nn.functional.one_hot(asked, size).to(weight.dtype)
        else:
            drawn = torch.randn(*shape, size, generator=numbers, device="cpu", dtype=torch.float32)
            asked = read = (scale * drawn).to(weight.device, weight.dtype)
        given, failure = _attempt(module, asked if batch_first else asked.transpose(0, 1))
        if failure is not None:
            return 0.0, failure
        answer, expected = _first_tensor(given), alone(read)[0]
        if answer is None or not answer.is_floating_point():
            return 0.0, f"it returned {type(given).__name__}, no tensor of floats"
        if not expected.isfinite().all():
            return 0.0, UNCOMPARABLE
        spread = (expected - alone.linear.bias).abs().amax((0, 1))  # [Y]
        allowed = eps**0.5 * spread + 16 * eps * expected.abs().amax((0, 1)) + torch.finfo(weight.dtype).tiny
        expected = expected if batch_first else expected.transpose(0, 1)
        last = expected[:, -1] if batch_first else expected[-1]
        alike = [(shaped, whole) for whole in (expected, last) for shaped in _as(answer.shape, whole)]
        if not alike:
            return 0.0, f"it returned the shape {list(answer.shape)}, not {list(expected.shape)}"
        shaped, whole = alike[0]
        apart = (answer.to(weight.device).double() - shaped.double()).abs().reshape(whole.shape) / allowed.double()
        if not apart.isfinite().all():
            return math.inf, None
        worst = max(worst, float(apart.max()))
    return worst, None


def _as(shape: torch.Size, expected: Tensor) -> Iterator[Tensor]:
    """The expected answers in a shape, if they are in it: as they are, sequences one after another, or one number."""
    if shape in (expected.shape, expected.shape[:-1] if expected.shape[-1] == 1 else expected.shape):
        yield expected.reshape(shape)
    elif expected.ndim == 3 and shape == expected.flatten(0, 1).shape:
        yield expected.flatten(0, 1)


def _first_tensor(given: Any) -> Tensor | None:
    """What a module returns first: layers return states, too."""
    if isinstance(given, Mapping):
        given = tuple(given.values())
    if isinstance(given, (tuple, list)) and given:
        return _first_tensor(given[0])
    return given if isinstance(given, Tensor) else None


def _attempt(module: nn.Module, asked: Any) -> tuple[Any, str | None]:
    """What a module returns, or why it failed: code that is not ours may raise anything."""
    try:
        return module(asked), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"[:200]


@contextlib.contextmanager
def _left_as_it_was(module: nn.Module) -> Iterator[None]:
    """Put a module's buffers, and torch's random numbers, back: running statistics change in training mode."""
    before = [
        (part, name, buffer, buffer.clone())
        for part in module.modules()
        for name, buffer in part.named_buffers(recurse=False)
    ]
    devices = {parameter.device.index for parameter in module.parameters() if parameter.is_cuda}
    with torch.random.fork_rng(devices=[device for device in devices if device is not None]):
        try:
            yield
        finally:
            for part, name, buffer, value in before:
                part._buffers[name] = buffer
                if not torch.equal(buffer, value):  # what nobody changed may be in use, or not be ours to write
                    buffer.copy_(value)
