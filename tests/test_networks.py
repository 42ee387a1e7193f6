"""Networks of every kind: what may be asked of a population, a mixture, modules and black boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec import (
    Architecture,
    Callables,
    Classes,
    Interface,
    Mixed,
    Modules,
    Numbers,
    Population,
    RNN2VecError,
    Tokens,
    build_encoder,
)
from rnn2vec.emulation.emulate import Observed, emulate, emulation_loss, loss_of
from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import ENCODERS
from rnn2vec.networks import Networks
from rnn2vec.zoo.traces import Traces

SOUND = Interface(Numbers(1, -1.0, 1.0), Numbers(1))
NUMBERS = Interface(Numbers(2, 0.0, 1.0), Numbers(3))


class Smoothed(nn.Module):
    """A causal convolution, then a GRU and a linear layer."""

    def __init__(self, inputs: int = 1, outputs: int = 1) -> None:
        super().__init__()
        self.smooth = nn.Conv1d(inputs, 4, 3)
        self.rnn = nn.GRU(4, 6, batch_first=True)
        self.linear = nn.Linear(6, outputs)

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        padded = F.pad(inputs.transpose(1, 2), (2, 0))
        return self.linear(self.rnn(self.smooth(padded).transpose(1, 2))[0]), None


class BothWays(nn.Module):
    """Its answer depends on what comes later."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(1, 4, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(8, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(self.rnn(inputs)[0])


def follower(rate: float, calls: list[int] | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """A black box: an exponential average of what it reads."""

    def function(inputs: np.ndarray) -> np.ndarray:
        if calls is not None:
            calls.append(inputs.shape[1])
        said, level = np.zeros((*inputs.shape[:2], 1)), np.zeros(len(inputs))
        for step in range(inputs.shape[1]):
            level = level + rate * (inputs[:, step, 0] - level)
            said[:, step, 0] = level
        return said

    return function


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().eval()


def population(architecture: Architecture, models: int = 2, interface: Interface = SOUND) -> Population:
    return Population.initialise(architecture, 1, range(models), interface)


def every_kind() -> Mixed:
    """Twelve networks of six kinds with one interface of numbers, in an order that mixes them."""
    parts: list[Networks] = [
        population(Architecture("lstm", 1, (20,), 1, skip=True)),
        population(Architecture("lstm", 1, (40,), 1)),
        population(Architecture("gru", 1, (16, 16), 1)),
        population(Architecture("leaky", 1, (50,), 1, "relu")),
        Modules([seeded(Smoothed, seed) for seed in range(2)]),
        Callables([follower(0.1), follower(0.7)], SOUND),
    ]
    return Mixed(parts, np.array([0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]))


def signals(networks: Networks, sequences: int = 3, steps: int = 12, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(len(networks), sequences, steps, networks.interface.inputs.size, generator=generator) - 1


KINDS: dict[str, Callable[[], Networks]] = {
    "population": lambda: population(Architecture("lstm", 1, (4, 3), 1), 4),
    "mixed": every_kind,
    "modules": lambda: Modules([seeded(Smoothed, seed) for seed in range(3)]),
    "callables": lambda: Callables([follower(rate) for rate in (0.1, 0.5, 1.0)], SOUND),
}
kinds = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


@kinds
def test_all_at_once_is_step_by_step(make: Callable[[], Networks]) -> None:
    networks = make()
    inputs = signals(networks)
    whole, _ = networks.run(inputs)
    assert whole.shape == (len(networks), 3, 12, 1)
    said, state = [], None
    for first, last in ((0, 1), (1, 2), (2, 7), (7, 12)):
        outputs, state = networks.run(inputs[:, :, first:last], state)
        said.append(outputs)
    torch.testing.assert_close(torch.cat(said, dim=2), whole, rtol=0, atol=1e-5)


@kinds
def test_rows_are_networks_in_the_order_asked_for(make: Callable[[], Networks]) -> None:
    networks = make()
    inputs, count = signals(networks), len(networks)
    whole, _ = networks.run(inputs)
    for rows in ([2, 0], slice(1, 3), np.arange(count)[::-1], [1], np.arange(count) == 2, -1):
        numbers = np.atleast_1d(np.arange(count)[rows])
        chosen = networks[rows]
        assert len(chosen) == len(numbers)
        assert chosen.interface == networks.interface
        found, _ = chosen.run(inputs[torch.from_numpy(numbers.copy())])
        torch.testing.assert_close(found, whole[torch.from_numpy(numbers.copy())], rtol=0, atol=1e-6)
    with pytest.raises(RNN2VecError):
        networks[[count]]


@kinds
@pytest.mark.parametrize("name", ["interactive", "noninteractive"])
def test_probing_encoders_read_every_kind(name: str, make: Callable[[], Networks]) -> None:
    networks = make()
    encoder = build_encoder(name, networks.interface, probes=2, probe_length=6, core_size=8, mlp_size=8)
    with torch.no_grad():
        z = encoder(networks)
        alone = torch.cat([encoder(networks[[row]]) for row in range(len(networks))])
    torch.testing.assert_close(z.norm(dim=1), torch.ones(len(networks)))
    torch.testing.assert_close(alone, z, rtol=0, atol=1e-5)
    similar = z @ z.T
    assert float(similar.fill_diagonal_(0).max()) < 1 - 1e-9  # no two are the same to it


@kinds
@pytest.mark.parametrize("name", ["statistics", "flat", "transformer", "deep_weight_space"])
def test_encoders_of_weights_ask_for_a_population(name: str, make: Callable[[], Networks]) -> None:
    networks, kind = make(), ENCODERS[name]
    encoder = build_encoder(name, Architecture("lstm", 1, (4, 3), 1))
    if isinstance(networks, Population):
        assert encoder(networks).shape == (4, 16)
        return
    message = f"{name} encoder reads the weights of a Population.*got {type(networks).__name__}"
    reads: list[Callable[[Any], Any]] = [encoder, kind.form_of]
    for read in reads:
        with pytest.raises(RNN2VecError, match=message):
            read(networks)


@pytest.mark.parametrize("name", ["statistics", "flat", "transformer", "deep_weight_space"])
@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("leaky", 2, (3, 5), 3, initial_state=True),
        Architecture("gru", 2, (4, 2, 3), 2, reset="before", skip=True),
    ],
    ids=str,
)
def test_encoders_of_weights_read_every_parameter_of_an_architecture(name: str, architecture: Architecture) -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(2, architecture.num_parameters, generator=generator).requires_grad_()
    encoder = build_encoder(name, architecture)
    z = encoder(Population.from_flat(architecture, flat))
    (gradient,) = torch.autograd.grad(z[0, :4].sum(), flat)
    assert (gradient[0] != 0).float().mean() > (0.7 if name == "statistics" else 0.95)
    assert not gradient[1].any()
    if name in ("statistics", "deep_weight_space"):
        one = Population.from_flat(architecture, flat.detach())
        other = one.permute_hidden_randomly(torch.Generator().manual_seed(1))
        with torch.no_grad():
            torch.testing.assert_close(encoder(other), encoder(one), rtol=0, atol=1e-4)


def test_networks_of_every_kind_are_emulated_and_compared() -> None:
    networks = every_kind()
    assert not networks.differentiable
    observed = Observed(networks, Traces.of(networks, signals(networks, 6, 20).numpy()))
    held = Observed(networks, Traces.of(networks, signals(networks, 2, 20, seed=1).numpy()))
    options: dict[str, Any] = {"probes": 2, "probe_length": 10, "core_size": 16, "mlp_size": 16, "readout": "all"}
    encoder = build_encoder("interactive", networks.interface, 0, feedback="echo", **options)
    before = encoder.probe_logits.detach().clone()
    recipe = PretrainRecipe(
        60, 12, 2, 5e-3, clip=1.0, loss="mse", emulator_size=24, emulator_layers=1, conditioning="every"
    )
    emulated = emulate(encoder, observed, held, recipe, evaluations=2)
    loss = emulation_loss(encoder, emulated.emulator, held, loss_of(networks.interface, "mse"))
    assert loss == pytest.approx(emulated.history[-1]["validation"], rel=1e-5)
    assert loss < 0.5  # of the variance of all answers, which it would leave if it always said their mean
    assert not torch.equal(encoder.probe_logits, before)  # those that are differentiable teach the questions
    with torch.no_grad():
        z = encoder(networks)
        again = encoder(networks[[3, 0]])
    similar = z @ z.T
    torch.testing.assert_close(again @ z.T, similar[[3, 0]], rtol=0, atol=1e-4)
    with pytest.raises(RNN2VecError, match="answer with numbers are mse, error-to-signal; got kl"):
        emulate(encoder, observed, held, PretrainRecipe(1, loss="kl"))
    with pytest.raises(RNN2VecError, match="got 12 networks and traces of 2"):
        Observed(networks, observed.traces[:2])


def test_gradients_pass_through_modules() -> None:
    modules = Modules([seeded(Smoothed, 0)])
    inputs = signals(modules).requires_grad_()
    modules.run(inputs)[0][0, 0, 5].sum().backward()
    assert inputs.grad is not None
    assert inputs.grad[0, 0, 5].abs() > 0
    assert not inputs.grad[0, 0, 6:].any()
    assert not inputs.grad[0, 1:].any()


def test_black_boxes_are_counted() -> None:
    calls: list[int] = []
    boxes = Callables([follower(0.5, calls), follower(0.5)], SOUND)
    outputs, state = boxes.run(signals(boxes, 3, 4))
    assert not outputs.requires_grad
    boxes.run(signals(boxes, 3, 2), state)
    assert calls == [4, 6]  # a stateless function reads everything again
    assert boxes.asked.tolist() == [3 * 4 + 3 * 6] * 2


def test_interfaces_of_modules_are_found_by_running_them() -> None:
    class Spoken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(7, 3)
            self.rnn = nn.LSTM(3, 5, batch_first=True)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.rnn(self.embed(tokens))[0]

    assert Modules([Smoothed(2, 3)]).interface == Interface(Numbers(2, -1.0, 1.0), Numbers(3))
    assert Modules([Spoken()]).interface == Interface(Tokens(7), Numbers(5))
    assert Modules([Spoken()], Interface(Tokens(7), Classes(5))).interface.outputs == Classes(5)
    with pytest.raises(RNN2VecError, match="could not be run on any that its layers suggest: say its interface"):
        Modules([nn.ModuleList([nn.Linear(2, 3)])])


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "no modules": (lambda: Modules([]), "at least one; got no modules"),
    "one module": (lambda: Modules(nn.Linear(1, 1)), r"a list of modules; got one Linear: \[module\]"),
    "no module": (lambda: Modules([3]), "each of the networks is a torch module; got int"),  # type: ignore[list-item]
    "no functions": (lambda: Callables([], SOUND), "at least one; got no functions"),
    "one function": (lambda: Callables(follower(0.5), SOUND), r"a list of functions; .*\[function\]"),  # type: ignore[arg-type]
    "no function": (lambda: Callables([3], SOUND), "each of the networks is a function; got int"),  # type: ignore[list-item]
    "no interface": (lambda: Callables([follower(1)], 3), "need an Interface"),  # type: ignore[arg-type]
    "nothing to mix": (lambda: Mixed([]), "at least one; got none to mix"),
    "other interfaces": (
        lambda: Mixed([every_kind(), Callables([follower(1)], NUMBERS)]),
        r"have one interface; got 1 number in -1\.\.1 in, 1 number out and 2 numbers",
    ),
    "other dtypes": (
        lambda: Mixed([every_kind(), population(Architecture("lstm", 1, (2,), 1)).to(torch.float64)]),
        r"one dtype and device; got torch\.float32 on cpu and torch\.float64 on cpu",
    ),
    "no order": (lambda: Mixed([every_kind()], np.zeros(12, int)), r"names each row of 0\.\.11 once"),
    "no rows": (lambda: every_kind()[[]], "at least one network of 12 is asked for; got none"),
    "other batches": (lambda: every_kind().run(torch.zeros(3, 1, 1, 1)), "a batch for each of 12 networks"),
    "a box of another shape": (
        lambda: Callables([lambda x: x[:, -1]], SOUND).run(torch.zeros(1, 2, 3, 1)),
        r"answers numbers of the shape \[2, 3, 1\]; function 0 returned float32 of \[2, 1\]",
    ),
    "a box that speaks": (
        lambda: Callables([lambda x: np.full((2, 3, 1), "a")], SOUND).run(torch.zeros(1, 2, 3, 1)),
        "answers numbers",
    ),
    "a module of another shape": (
        lambda: Modules([nn.Flatten()], SOUND).run(torch.zeros(1, 2, 3, 1)),
        r"an output at every step, \[2, 3, 1\]; Flatten returned \[2, 3\]",
    ),
    "a module that cannot read": (
        lambda: Modules([nn.Linear(2, 1)], SOUND).run(torch.zeros(1, 2, 3, 1)),
        "Linear does not",
    ),
    "an interface of other sizes": (
        lambda: population(Architecture("lstm", 2, (3,), 1)),
        "an interface has the sizes of its networks",
    ),
    "numbers without a range": (lambda: Interface(Numbers(2), Numbers(1)), "need a range"),
    "half a range": (lambda: Numbers(2, low=0.0), "a range has two ends"),
    "a range upside down": (lambda: Numbers(2, 1.0, 0.0), "goes from low to high"),
    "classes in": (lambda: Interface(Classes(2), Classes(2)), "an interface is Tokens"),  # type: ignore[arg-type]
    "no tokens": (lambda: Tokens(0), "the number of tokens is at least 1"),
}


@pytest.mark.parametrize(("make", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_explained(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        make()


def drops_out() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 20), nn.Dropout(), nn.Linear(20, 1)).train()


class TimeFirst(nn.Module):
    """A network as torch makes it by default: inputs ``[T, B, X]``."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.linear = nn.LSTM(1, 4), nn.Linear(4, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(self.rnn(inputs)[0])


def normalises() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 20), nn.LayerNorm(20), Batch(), nn.Linear(20, 1)).train()


class Batch(nn.Module):
    """What depends on the batch: its mean is taken away."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs - inputs.mean(0, keepdim=True)


@pytest.mark.parametrize("make", [TimeFirst, drops_out, normalises])
@pytest.mark.parametrize("interface", [None, SOUND])
def test_modules_whose_answers_depend_on_the_batch_are_refused(
    make: Callable[[], nn.Module], interface: Interface | None
) -> None:
    modules = [seeded(Smoothed, 0), make()]
    with pytest.raises(RNN2VecError, match="does not depend on the rest of the batch"):
        Modules(modules, interface)


def test_what_is_no_function_of_the_past_is_seen_when_it_goes_on() -> None:
    networks = Modules([seeded(BothWays, 0)])
    inputs = signals(networks)
    _, state = networks.run(inputs[:, :, :4])
    with pytest.raises(RNN2VecError, match="modules answered the first 4 steps otherwise once more followed"):
        networks.run(inputs[:, :, 4:], state)


def test_what_networks_mean_is_said_not_guessed() -> None:
    bare = Population.initialise(Architecture("lstm", 1, (3,), 1), 0, range(2))
    with pytest.raises(RNN2VecError, match=r"is not in its weights: say it, population\.with_interface"):
        build_encoder("interactive", SOUND)(bare)
    said = bare.with_interface(SOUND)
    assert said.weights["linear.bias"] is bare.weights["linear.bias"]
    assert said[:1].to(torch.float64).permute_hidden_randomly().interface == SOUND


@pytest.mark.parametrize(
    "interface", [SOUND, NUMBERS, Interface(Tokens(3), Classes(3)), Interface(Tokens(200), Numbers(1))], ids=str
)
def test_an_interface_survives_its_dictionary(interface: Interface) -> None:
    assert Interface.from_dict(interface.to_dict()) == interface
    wrong: list[Any] = [{}, {"inputs": {"kind": "tokens"}, "outputs": {}}, {"inputs": 3, "outputs": 4}, 3]
    for values in wrong:
        with pytest.raises(RNN2VecError, match="an interface has inputs, of the kind tokens or numbers, and outputs"):
            Interface.from_dict(values)


def test_what_an_interface_makes_of_logits_and_outputs() -> None:
    logits = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    numbers, tokens = Numbers(2, -3.0, 5.0), Tokens(3)
    asked = numbers.questions(logits)
    assert -3 < float(asked.min()) < float(asked.max()) < 5
    torch.testing.assert_close(numbers.questions(numbers.logits(asked)), asked, rtol=0, atol=0.2)
    assert tokens.questions(tokens.logits(torch.tensor([2, 0]))).argmax(-1).tolist() == [2, 0]
    assert Interface(numbers, Numbers(2)).can_echo
    assert not Interface(numbers, Classes(2)).can_echo
    assert not Interface(tokens, Classes(2)).can_echo
    answers = torch.tensor([[0.2, 0.8], [1.0, 0.0]])
    assert Classes(2).difference(answers[0], answers[1], torch.ones(2)).item() == pytest.approx(0.8)
    assert Numbers(2).difference(answers[0], answers[1], torch.tensor([0.4, 0.8])).item() == pytest.approx(2.5**0.5)
    assert (Tokens(128).stored, Tokens(129).stored, numbers.stored, Classes(2).stored) == ("i1", "i2", "f4", "f2")
