"""Compare: two networks on the same inputs, and the input that makes them differ most."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conftest import Command
from rnn2vec import (
    Callables,
    Classes,
    Collection,
    Interface,
    Modules,
    Networks,
    Numbers,
    RNN2VecError,
    Tokens,
    Zoo,
    compare,
    import_zoo,
)
from rnn2vec.library.comparison_page import comparison_page
from rnn2vec.library.pair import Pair
from rnn2vec.networks.stimuli import stimuli
from test_answers import SOUND, amplifiers
from test_checkpoints import guitarml, written

SIX = Interface(Tokens(6), Classes(2))
BUDGET = 2**19


class Acceptor(nn.Module):
    """Says class 1 from where a secret string of tokens was read, in this order, and class 0 before."""

    def __init__(self, secret: tuple[int, ...]) -> None:
        super().__init__()
        self.secret = torch.tensor(secret)

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = inputs.argmax(-1) if inputs.is_floating_point() else inputs
        windows = nn.functional.pad(tokens, (len(self.secret) - 1, 0), value=-1).unfold(1, len(self.secret), 1)
        said = ((windows == self.secret).all(-1).cumsum(1) > 0).float()
        return 10 * torch.stack([1 - said, said], -1)


def acceptor(*secret: int) -> Networks:
    return Modules([Acceptor(secret)], SIX)


def test_a_network_and_itself_do_not_differ_at_all() -> None:
    networks = amplifiers(2)
    found = compare(networks[[0]], networks[[0]], budget=20_000)
    assert found.largest == 0.0
    assert found.traces.error_to_signal == 0.0
    assert found.traces.disagreement is None
    assert compare(acceptor(1, 2), acceptor(1, 2), budget=20_000).traces.disagreement == 0.0


def test_differences_are_by_their_definitions() -> None:
    a, b = amplifiers(1), amplifiers(1, seed=5)
    inputs = stimuli(SOUND.inputs, sequences=3, steps=40)
    found = compare(a, b, inputs, budget=0)
    said = [own.run(torch.from_numpy(inputs)[None])[0][0].detach().double().numpy() for own in (a, b)]
    unit = said[0].std()
    apart = np.abs(said[0] - said[1])[..., 0] / unit
    assert found.traces.mean == pytest.approx(apart.mean(), rel=1e-4)
    assert found.traces.largest == pytest.approx(apart.max(), rel=1e-4)
    np.testing.assert_allclose(found.traces.by_step, apart.mean(0), rtol=1e-4)
    np.testing.assert_allclose(found.traces.by_part, [part.mean() for part in np.split(apart.mean(0), 4)], rtol=1e-4)
    energy = np.square(said[0] - said[1]).sum() / np.square(said[0]).sum()
    assert found.traces.error_to_signal == pytest.approx(energy, rel=1e-5)
    assert found.worst.difference == pytest.approx(apart.max(), rel=1e-4)
    assert found.worst.found_by == "the given inputs"


@pytest.mark.parametrize("seed", range(3))
def test_a_secret_of_four_tokens_is_found(seed: int) -> None:
    """Strings of the stimuli do not hold it, and nothing shows before its last token."""
    secret = (3, 1, 4, 1)
    silent = acceptor(*secret, 5, 5, 5, 5, 5, 5, 5)
    inputs = np.zeros((2, 64), dtype=np.int64)
    found = compare(silent, acceptor(*secret), inputs, seed=seed, budget=BUDGET)
    assert found.traces.largest == 0.0
    assert found.worst.difference > 0.99
    np.testing.assert_array_equal(found.worst.inputs, secret)
    assert found.worst.step == 3
    assert found.worst.apart.shape == (4,)


def test_the_gradient_finds_more_than_stimuli_do() -> None:
    a = amplifiers(1)
    b = amplifiers(1)
    b.weights["weight_hh_l0"].mul_(1.02)
    found = compare(a, b, stimuli(SOUND.inputs, sequences=4, steps=64), budget=2**18)
    assert found.worst.difference > 1.2 * found.traces.largest
    low, high = SOUND.inputs.range
    assert low <= found.worst.inputs.min() <= found.worst.inputs.max() <= high
    again = compare(a, b, stimuli(SOUND.inputs, sequences=4, steps=64), budget=2**18)
    np.testing.assert_array_equal(again.worst.inputs, found.worst.inputs)


def test_black_boxes_and_other_sizes_are_compared() -> None:
    own = amplifiers(1, 6)

    def box(x: np.ndarray) -> np.ndarray:
        said = own.run(torch.from_numpy(x)[None])[0][0].detach().numpy()
        return np.where(x > 0.9, said + 1, said).astype(np.float32)

    inputs = (0.1 * stimuli(SOUND.inputs, sequences=4, steps=64)).astype(np.float32)
    found = compare(own, Callables([box], SOUND), inputs, budget=2**17)
    assert found.traces.largest < 1e-6
    assert found.worst.difference > 1
    assert compare(own, amplifiers(1, 9, seed=2), inputs, budget=0).largest > 0.1


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(RNN2VecError, match="one network is compared with one; B holds 2"):
        compare(amplifiers(1), amplifiers(2))
    with pytest.raises(RNN2VecError, match="have one interface"):
        compare(amplifiers(1), acceptor(1))
    with pytest.raises(RNN2VecError, match="a budget is"):
        compare(amplifiers(1), amplifiers(1), budget=-1)
    far = amplifiers(1).with_interface(Interface(Numbers(1, 3, 4), Numbers(1)))
    with pytest.raises(RNN2VecError, match="a common range"):
        Pair(amplifiers(1), far)
    near = amplifiers(1).with_interface(Interface(Numbers(1, 0, 4), Numbers(1)))
    assert Pair(amplifiers(1), near).interface.inputs == Numbers(1, 0, 1)


def test_the_command_is_a_regression_test(tmp_path: Path, rnn2vec_command: Command) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    whole = guitarml(inputs=1)
    written(folder / "whole.json", whole)
    rounded = {name: np.array(values, np.float16).tolist() for name, values in whole["state_dict"].items()}
    written(folder / "half.json", whole | {"state_dict": rounded})
    lost = whole | {"model_data": whole["model_data"] | {"skip": 0}}
    written(folder / "lost.json", lost)
    arguments = ("--budget", 20_000, "--json")
    status, output, _ = rnn2vec_command("compare", folder / "whole.json", folder / "half.json", *arguments)
    assert status == 0
    near = json.loads(output)
    assert 0 < near["largest"] < 0.05
    assert near["traces"]["error_to_signal"] < 1e-4
    names = ("compare", folder / "whole.json", folder / "half.json")
    assert rnn2vec_command(*names, "--at-most", 0.1, *arguments)[0] == 0
    status, _, errors = rnn2vec_command(*names, "--at-most", 1e-9, *arguments)
    assert status == 1
    assert "a difference of" in errors
    status, output, _ = rnn2vec_command(
        "compare", folder / "whole.json", folder / "lost.json", "--budget", 20_000, "--out", tmp_path / "page.html"
    )
    assert status == 0
    assert "error-to-signal ratio" in output
    assert "not proven" in output.replace("\n", " ")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") + page.count("<img") == 2
    zoo = import_zoo([str(folder)], tmp_path / "zoo")
    status, output, _ = rnn2vec_command("compare", f"{zoo.directory}:whole", folder / "whole.json", *arguments)
    assert json.loads(output)["largest"] < 1e-5
    status, _, errors = rnn2vec_command("compare", f"{zoo.directory}:nobody", folder / "whole.json")
    assert status == 1
    assert "'nobody' is that of 0 of " in errors
    written(folder / "knob.json", guitarml(inputs=2))
    status, _, errors = rnn2vec_command("compare", folder / "knob.json", folder / "whole.json", "--knob", "0,1")
    assert status == 1
    assert "holds 2 networks" in errors.replace("\n", " ")


def test_two_networks_of_a_language_zoo(tiny_zoo: Zoo) -> None:
    collection = Collection.of_zoo(tiny_zoo)
    found = compare(collection.networks[[0]], collection.networks[[-1]], budget=20_000)
    assert 0 < found.traces.mean <= found.largest <= 1
    page = comparison_page(found, "<a>", "b")
    assert "&lt;a&gt;" in page
    assert found.to_dict()["measure"] == "total variation"
