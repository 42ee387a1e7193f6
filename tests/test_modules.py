"""Reading torch modules: weights as the layers use them, and a module that computes anything else is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from rnn2vec import Population, RNN2VecError
from rnn2vec.engine import run

INPUTS = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A user's module: an LSTM and a head."""

    def __init__(self, layers: int = 1, **options: Any) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 4, layers, batch_first=True, **options)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.rnn(x)[0])


def difference(module: nn.Module, **options: Any) -> float:
    """How far the population of a module is from the module."""
    population = Population.from_modules([module], **options)
    with torch.no_grad():
        return float((module(INPUTS) - run(population, INPUTS[None])[0][0]).abs().max())


def tied_biases() -> nn.Module:
    net = Net()
    net.rnn.bias_hh_l0 = net.rnn.bias_ih_l0
    return net


def tied_layers() -> nn.Module:
    net = Net(2)
    net.rnn.weight_hh_l1 = net.rnn.weight_hh_l0
    return net


def pruned(where: str, name: str) -> nn.Module:
    net = Net()
    prune.l1_unstructured(getattr(net, where), name, 0.3)
    return net


def old_style(norm: Callable[..., Any], where: str, name: str) -> nn.Module:
    net = Net()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        norm(getattr(net, where), name)
    return net.eval()


def parametrised(norm: Callable[..., Any], where: str, name: str) -> nn.Module:
    net = Net()
    norm(getattr(net, where), name)
    return net.eval()


REPRESENTED: dict[str, Callable[[], nn.Module]] = {
    "plain": Net,
    "tied biases": tied_biases,
    "tied layers": tied_layers,
    "pruned head": lambda: pruned("head", "weight"),
    "pruned layer": lambda: pruned("rnn", "weight_hh_l0"),
    "weight norm of old": lambda: old_style(weight_norm, "rnn", "weight_hh_l0"),
    "weight norm of old on the head": lambda: old_style(weight_norm, "head", "weight"),
    "spectral norm of old": lambda: old_style(spectral_norm, "head", "weight"),
    "weight norm": lambda: parametrised(parametrizations.weight_norm, "rnn", "weight_ih_l0"),
    "spectral norm": lambda: parametrised(parametrizations.spectral_norm, "head", "weight"),
    "without biases": lambda: Net(bias=False),
    "dropout that is off": lambda: Net(2, dropout=0.5).eval(),
}


@pytest.mark.parametrize("make", REPRESENTED.values(), ids=REPRESENTED)
def test_weights_are_read_as_the_layers_use_them(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    assert difference(make()) < 2e-6


@pytest.mark.parametrize("norm", [weight_norm, spectral_norm])
def test_weights_that_follow_from_others_are_those_of_now(norm: Callable[..., Any]) -> None:
    """Old styles bring the attribute up to date only when the layer runs."""
    net = old_style(norm, "head", "weight")
    net(INPUTS)
    with torch.no_grad():
        for name, parameter in net.head.named_parameters():
            if name != "bias":
                parameter.mul_(torch.linspace(0.5, 2.0, parameter.numel()).view_as(parameter))
    population = Population.from_modules([net], prove=False)
    with torch.no_grad():
        assert float((net(INPUTS) - run(population, INPUTS[None])[0][0]).abs().max()) < 2e-6


class Norm(Net):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4, affine=False)
        self.norm(torch.randn(99, 4) * 5)
        self.register_buffer("mean", torch.tensor(2.0))
        self.dropout = nn.Dropout(0.3)


class Mean(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - self.mean)


class Batch(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.norm(x.flatten(0, 1)).view_as(x))


class Layer(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.layer_norm(self.rnn(x)[0], (4,)))


class Residual(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0] + x)


class Skip(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x[..., :1]


class Before(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.rnn = nn.Linear(4, 4), nn.LSTM(4, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(self.first(x))[0]


class Twice(nn.LSTM):
    def forward(self, x: Any, state: Any = None) -> Any:
        found, state = super().forward(x, state)
        return found * 2, state


class Cells(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[1][1].expand(x.shape[1], -1, -1).transpose(0, 1))


class Start(Net):
    def forward(self, x: Tensor) -> Tensor:
        started = torch.full((1, len(x), 4), 0.3)
        return self.head(self.rnn(x, (started, started))[0])


class LogSoftmax(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).log_softmax(-1)


class Dropout(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.rnn(x)[0]))


class Remembers(Net):
    state: Any = None

    def forward(self, x: Tensor) -> Tensor:
        found, self.state = self.rnn(x, self.state)
        return self.head(found)


class Clipped(Net):
    """Differs for large inputs only."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.clamp(-5, 5))


class OnlyFloatsNormalised(Net):
    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            return super().forward(x - 1)
        return super().forward(nn.functional.one_hot(x, 4).float())


class OnlyTokensShifted(Net):
    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            return super().forward(x)
        return super().forward(nn.functional.one_hot((x + 1) % 4, 4).float())


def behind_an_offset(net: nn.Module) -> nn.Module:
    """A head's bias that is large beside all that its weights say."""
    with torch.no_grad():
        net.head.bias[0] = 2000.0
    return net


def one_output() -> nn.Module:
    """A fault in one output, small beside another."""
    net = Net()
    with torch.no_grad():
        net.head.bias[1] = -1e9
    net.head.register_forward_hook(lambda module, asked, given: given + torch.tensor([1.0, 0, 0, 0, 0]))
    return net


def subclassed() -> nn.Module:
    net = Net()
    net.rnn = Twice(4, 4, batch_first=True)
    return net


def hooked(layer: str) -> nn.Module:
    net = Net()
    getattr(net, layer).register_forward_hook(
        lambda module, asked, given: (given[0] + 1, given[1]) if isinstance(given, tuple) else given + 1
    )
    return net


OTHER_FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "a mean of the inputs": lambda: Mean().eval(),
    "batch norm": lambda: Batch().eval(),
    "batch norm in training mode": Batch,
    "layer norm": Layer,
    "a residual": Residual,
    "a skip connection": Skip,
    "a linear layer before": Before,
    "a subclass": subclassed,
    "a hook on the layer": lambda: hooked("rnn"),
    "a hook on the head": lambda: hooked("head"),
    "a head on c": Cells,
    "an initial state": Start,
    "log-probabilities": LogSoftmax,
    "dropout in training mode": Dropout,
    "dropout between layers": lambda: Net(2, dropout=0.5),
    "a state kept between calls": Remembers,
    "clipped inputs": Clipped,
    "floats treated unlike tokens": OnlyFloatsNormalised,
    "tokens treated unlike floats": OnlyTokensShifted,
    "dropout behind an offset": lambda: behind_an_offset(Dropout()),
    "a mean behind an offset": lambda: behind_an_offset(Mean().eval()),
    "one output beside a large one": one_output,
    "NaN": lambda: TimeFirst(lambda y: y * float("nan")),
}


@pytest.mark.parametrize("make", OTHER_FUNCTIONS.values(), ids=OTHER_FUNCTIONS)
def test_a_module_that_computes_something_else_is_refused(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    net = make()
    with pytest.raises(RNN2VecError, match=r"module 0 .*answers otherwise, by [\d.e+inf-]+ times what rounding"):
        Population.from_modules(iter([net]))
    assert len(Population.from_modules([net], prove=False)) == 1


def test_training_mode_is_named_where_it_may_be_the_reason() -> None:
    net = Dropout()
    with pytest.raises(RNN2VecError, match=r"in training mode: module\.eval\(\)"):
        Population.from_modules([net])
    assert difference(net.eval()) < 2e-6


class TimeFirst(nn.Module):
    def __init__(self, shape: Callable[[Tensor], Any], outputs: int = 5) -> None:
        super().__init__()
        self.rnn, self.head, self.shape = nn.GRU(4, 3), nn.Linear(3, outputs), shape

    def forward(self, x: Tensor) -> Any:
        if not x.is_floating_point():
            x = nn.functional.one_hot(x, 4).float()
        return self.shape(self.head(self.rnn(x)[0]))


def with_weights_of_nan() -> nn.Module:
    net = Net()
    with torch.no_grad():
        net.head.weight.fill_(float("nan"))
    return net


class TokensOnly(TimeFirst):
    def forward(self, x: Tensor) -> Any:
        if x.is_floating_point():
            raise TypeError("tokens, please")
        return super().forward(x)


@pytest.mark.parametrize(
    "module",
    [
        TimeFirst(lambda y: y),
        TimeFirst(lambda y: (y, None)),
        TimeFirst(lambda y: {"logits": y, "states": None}),
        TimeFirst(lambda y: y[-1]),
        TimeFirst(lambda y: y.flatten(0, 1)),
        TimeFirst(lambda y: y.squeeze(-1), outputs=1),
        TimeFirst(lambda y: y[-1, :, 0], outputs=1),
        TokensOnly(lambda y: y),
        nn.Sequential(Net()),
    ],
    ids=["time first", "a tuple", "a dictionary", "the last step", "flat", "no axis", "a number", "tokens", "nested"],
)
def test_modules_are_run_as_they_want_to_be(module: nn.Module) -> None:
    assert len(Population.from_modules([module, module])) == 2


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Sequential(nn.LSTM(4, 4), nn.Linear(4, 2)), "could not be"),
        (TimeFirst(lambda y: "logits"), "no tensor of floats"),
        (TimeFirst(lambda y: y.argmax(-1)), "no tensor of floats"),
        (TimeFirst(lambda y: y[:2]), "returned the shape"),
        (with_weights_of_nan(), "not finite"),
    ],
    ids=["a list of layers", "text", "classes", "another shape", "NaN"],
)
def test_a_module_that_cannot_be_run_is_refused(module: nn.Module, reason: str) -> None:
    with pytest.raises(RNN2VecError, match=f"{reason}.*prove=False"):
        Population.from_modules([module])


def test_a_module_is_left_as_it_was() -> None:
    net = Norm()  # in training mode, where a batch norm updates its statistics
    net.forward = lambda x: Batch.forward(net, x)  # type: ignore[method-assign]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with pytest.raises(RNN2VecError):
        Population.from_modules([net])
    assert torch.equal(torch.rand(1), expected)
    assert net.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_buffers_that_cannot_be_written_are_left_alone() -> None:
    net = Net()
    net.register_buffer("h0", torch.zeros(1).expand(8))
    with torch.inference_mode():
        net.register_buffer("kept", torch.zeros(8))
    assert difference(net) < 2e-6
    pruned_net = pruned("head", "weight")
    loss = pruned_net(INPUTS).sum()
    Population.from_modules([pruned_net])
    loss.backward()  # its mask, a buffer, was not written


def test_the_default_device_changes_nothing() -> None:
    net = Net()
    with torch.device("meta"):
        population = Population.from_modules([net])
        back = population.to_modules()[0]
    assert population.device.type == "cpu"
    assert torch.equal(back(INPUTS)[0], net(INPUTS))


@pytest.mark.parametrize("modules", [Net(), [1], [None]])
def test_what_is_no_list_of_modules_is_refused(modules: Any) -> None:
    with pytest.raises(RNN2VecError, match="a population is made of"):
        Population.from_modules(modules)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("hidden", [1, 64])
def test_sound_modules_pass_in_every_dtype(dtype: torch.dtype, kind: Any, hidden: int) -> None:
    torch.manual_seed(0)
    net = Net()
    net.rnn, net.head = kind(4, hidden, 2, batch_first=True), nn.Linear(hidden, 5)
    assert Population.from_modules([net.to(dtype)]).dtype == dtype


def test_a_weight_that_is_missing_is_no_zero() -> None:
    net = Net()
    del net.rnn.bias_hh_l0
    with pytest.raises(RNN2VecError, match=r"bias_hh_l0 of module 0 \(Net\) is a tensor .*got NoneType"):
        Population.from_modules([net])
    with pytest.raises(RNN2VecError, match="meta device"):
        Population.from_modules([Net().to("meta")])
