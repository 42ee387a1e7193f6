"""Emulation: losses, the emulator, pretraining and encoder directories."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.spatial.distance import jensenshannon

from rnn2vec import (
    ENCODERS,
    Classes,
    Interface,
    Numbers,
    Population,
    RNN2VecError,
    Tokens,
    Zoo,
    build_encoder,
    build_zoo,
    zoo_recipe,
)
from rnn2vec.emulation import pretrain as pretrain_module
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.emulation.pretrain import pretrain
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.emulation.store import load_trained, pretrain_into
from rnn2vec.losses import OF_CLASSES, OF_NUMBERS
from rnn2vec.zoo.stored import StoredNetworks


@pytest.fixture(scope="module")
def small_zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """32 barely trained networks of 27 languages."""
    recipe = zoo_recipe(
        "formal-languages",
        "demo",
        models=32,
        steps=30,
        hidden_size=8,
        shifts=(-1, 0, 1),
        snapshots=(0, 30),
        traces=12,
        evaluation_strings=20,
    )
    return build_zoo(recipe, tmp_path_factory.mktemp("zoo") / "zoo")


def tiny_recipe(steps: int = 12, **overrides: object):
    """The demo recipe at a size for tests."""
    return pretrain_recipe("formal-languages", "demo", steps=steps, networks=8, traces=2, emulator_size=16, **overrides)


def tiny_encoder(zoo: Zoo, name: str = "interactive", **options: object):
    """A probing encoder at a size for tests."""
    options = {"probes": 2, "probe_length": 5, "core_size": 8, "mlp_size": 8, "probe_init": "traces"} | options
    return build_encoder(name, ENCODERS[name].form_of(zoo), 0, **options)


def test_losses_agree_with_independent_formulas() -> None:
    generator = np.random.default_rng(0)
    p, q = (generator.dirichlet(np.ones(6), size=(3, 4)) for _ in range(2))
    network, emulator = (torch.from_numpy(np.log(values)) for values in (p, q))
    expected = {
        "total-variation": np.maximum(p - q, 0).sum(-1).mean(),
        "reverse-kl": (q * np.log(q / p)).sum(-1).mean(),
        "kl": (p * np.log(p / q)).sum(-1).mean(),
        "js": (jensenshannon(p, q, axis=-1) ** 2).mean(),
        "mse": ((p - q) ** 2).mean(),
    }
    assert set(expected) == set(OF_CLASSES)
    ones = torch.ones(6)
    for name, value in expected.items():
        assert float(OF_CLASSES[name](network, emulator, ones)) == pytest.approx(value, rel=1e-9)
        assert float(OF_CLASSES[name](network, network, ones)) == pytest.approx(0, abs=1e-12)


def test_the_loss_of_numbers_is_in_units_of_their_variance() -> None:
    generator = np.random.default_rng(0)
    said = 3 + generator.normal(size=(5, 7, 2)) * [0.01, 100.0]
    spread = Numbers(2).units(5, [said])[1]
    np.testing.assert_allclose(spread, said.reshape(-1, 2).std(0), rtol=1e-5)
    mean = torch.from_numpy(said.reshape(-1, 2).mean(0)).expand(5, 7, 2)
    assert float(OF_NUMBERS["mse"](torch.from_numpy(said), mean, spread)) == pytest.approx(1, rel=1e-5)
    constant = Numbers(1).units(4, [np.full((4, 3, 1), 2.5)])[1]
    assert constant.tolist() == [1.0]  # what does not vary has no unit of its own


@pytest.mark.parametrize("times", [30.0, 1e13, 1e30])
def test_one_network_that_diverges_does_not_set_the_unit(times: float) -> None:
    said = np.random.default_rng(0).normal(size=(17, 7, 2))
    own, unit = Numbers(2).units(16, [said[:16]])
    said[16, :, 0] *= times  # of one output
    with_it, all_units = Numbers(2).units(17, [said[:8], said[8:16], said[16:]])
    assert all_units[0] == unit[0]
    assert torch.equal(with_it[:16, 0], own[:, 0])
    assert float(all_units[1]) == pytest.approx(float(said[..., 1].std()), rel=1e-6)
    assert with_it[16, 0] > 10 * unit[0]


@pytest.mark.parametrize(
    ("levels", "kept"),
    [
        ([1.0, 30.0], 2),  # nobody says who of two is the usual one
        ([1.0, 1.0, 30.0], 2),
        ([1.0] * 7 + [30.0] * 2, 9),  # too many to be left out
        ([1.0] * 16 + [30.0] * 2, 16),
        ([1e-6] * 16 + [1.0] * 4, 20),
        ([0.0] * 6 + [1.0], 7),  # silent ones have no unit
    ],
)
def test_few_networks_are_left_out_of_the_unit(levels: list[float], kept: int) -> None:
    wave = np.array([-1.0, 1.0, -1.0, 1.0])[:, None]
    said = np.array(levels)[:, None, None] * wave
    wanted = said[:kept] if levels[0] else said
    unit = Numbers(1).units(len(levels), [said])[1]
    assert float(unit) == pytest.approx(float(np.sqrt(np.square(wanted).mean())), rel=1e-6)
    saturated = 0.5 + 3e-8 * said  # what varies but for rounding is constant
    saturated[-1] = 0.5 + 0.01 * wave
    unit = Numbers(1).units(len(levels), [saturated])[1]
    assert float(unit) == pytest.approx(float((saturated - saturated.mean(axis=1).mean()).std()), rel=1e-3)


def test_a_quiet_network_counts_as_a_loud_one() -> None:
    wave = np.random.default_rng(0).normal(size=(5, 7, 1))
    said = np.stack([wave - wave.mean(), 0.3 * (wave - wave.mean()), np.zeros_like(wave)])
    units = Numbers(1).units(3, [said[:2], said[2:]])[0][:, None, None]
    lost = [
        float(OF_NUMBERS["mse"](own, torch.zeros_like(own), unit))
        for own, unit in zip(torch.from_numpy(said), units, strict=True)
    ]
    assert lost == pytest.approx([1, 1, 0], rel=1e-5)  # by always saying the mean of all
    assert float(units[2]) == pytest.approx(0.1 * said.std(), rel=1e-5)


@pytest.mark.parametrize("conditioning", ["first", "every"])
def test_emulator_step_by_step_equals_all_at_once(conditioning: str) -> None:
    torch.manual_seed(0)
    emulator = Emulator(6, 6, 4, 16, 2, conditioning).double()
    z, tokens = torch.randn(3, 4, dtype=torch.float64), torch.randint(0, 6, (3, 5, 7))
    together, _ = emulator(z, tokens)
    state, steps = None, []
    for t in range(7):
        logits, state = emulator(z, tokens[:, :, t : t + 1], state)
        steps.append(logits)
    torch.testing.assert_close(torch.cat(steps, 2), together)


def test_emulator_takes_z_and_floats() -> None:
    torch.manual_seed(0)
    emulator = Emulator(6, 6, 4, 16, 1, "first").double()
    tokens = torch.randint(0, 6, (2, 3, 5))
    z = torch.randn(2, 4, dtype=torch.float64)
    assert not torch.allclose(emulator(z, tokens)[0], emulator(-z, tokens)[0])
    one_hot = torch.nn.functional.one_hot(tokens, 6).double()
    torch.testing.assert_close(emulator(z, tokens)[0], emulator(z, one_hot)[0])


def test_unknown_conditioning_loss_and_preset_are_refused() -> None:
    with pytest.raises(RNN2VecError, match="conditioning is one of"):
        Emulator(6, 6, conditioning="twice")
    with pytest.raises(RNN2VecError, match="emulation losses are"):
        pretrain_recipe("formal-languages", "demo", loss="hinge")
    with pytest.raises(RNN2VecError, match="presets are"):
        pretrain_recipe("formal-languages", "huge")
    with pytest.raises(RNN2VecError, match="unknown field"):
        pretrain_recipe("formal-languages", "demo", speed=3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("steps", value) for value in (0, True, 2.0, "3", None)),
        *((name, 0) for name in ("networks", "traces", "emulator_size", "emulator_layers")),
        *((name, 10**12) for name in ("emulator_size", "emulator_layers")),
        *(("warmup", value) for value in (-1, 0.5)),
        *((name, math.nan) for name in ("learning_rate", "weight_decay", "clip")),
        *(("learning_rate", value) for value in (math.inf, -1e-3, "1e-3", True, None, 10**400)),
        *((name, ["kl"]) for name in ("loss", "decay", "conditioning")),
        *(("encoder_options", value) for value in (None, [], {"flat": 1})),
        ("conditioning", "twice"),
    ],
)
def test_fields_of_another_kind_or_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(RNN2VecError, match=field.replace("loss", "losses")):
        pretrain_recipe("formal-languages", "demo", **{field: value})


def test_paper_preset_keeps_the_papers_values() -> None:
    recipe = pretrain_recipe("formal-languages", "paper")
    assert (recipe.steps, recipe.networks, recipe.traces) == (100_000, 64, 1)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.clip) == (1e-4, 0.01, 0.1)
    assert (recipe.emulator_size, recipe.emulator_layers, recipe.conditioning) == (256, 2, "first")
    assert (recipe.warmup, recipe.decay, recipe.loss) == (0, "none", "total-variation")
    assert recipe.learning_rate_at(0) == recipe.learning_rate_at(99_999) == 1e-4
    options = build_encoder(
        "interactive",
        zoo_recipe("formal-languages", "paper").task_set.interface,
        **recipe.encoder_options.get("interactive", {}),
    ).options
    assert (options["core_size"], options["core_layers"], options["mlp_size"], options["probe_length"]) == (
        256,
        2,
        128,
        22,
    )
    assert (options["probe_init"], options["readout"], options["feedback"]) == ("random", "last", "none")


def test_pretraining_lowers_the_loss_and_is_reproducible(small_zoo: Zoo) -> None:
    recipe = tiny_recipe(steps=60)
    first = pretrain(small_zoo, tiny_encoder(small_zoo), recipe, evaluations=6)
    second = pretrain(small_zoo, tiny_encoder(small_zoo), recipe, evaluations=6)
    other = pretrain(small_zoo, tiny_encoder(small_zoo), recipe, seed=1, evaluations=6)
    assert first.history[-1]["validation"] < 0.9 * first.history[0]["validation"]
    assert first.losses == second.losses != other.losses
    for own, same in zip(first.encoder.parameters(), second.encoder.parameters(), strict=True):
        assert torch.equal(own, same)


def test_networks_on_disk_teach_what_those_in_memory_do(small_zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def losses(kind: type) -> list[dict[str, float]]:
        assert isinstance(small_zoo.stored_networks().in_memory(), kind)
        found = pretrain(small_zoo, tiny_encoder(small_zoo), tiny_recipe(steps=5), evaluations=2)
        return [{name: entry[name] for name in ("train", "validation")} for entry in found.history] + [found.losses]

    size = sum(weight.nbytes for weight in small_zoo.population().weights.values())
    monkeypatch.setattr("rnn2vec.zoo.stored.IN_MEMORY", size)
    expected = losses(Population)
    assert isinstance(small_zoo.stored_networks().in_memory(), Population)
    monkeypatch.setattr("rnn2vec.zoo.stored.IN_MEMORY", size - 1)
    assert isinstance(small_zoo.stored_networks().in_memory(), StoredNetworks)
    monkeypatch.setattr("rnn2vec.zoo.stored.IN_MEMORY", 0)
    assert losses(StoredNetworks) == expected


def test_probes_start_as_strings_of_trained_networks(small_zoo: Zoo) -> None:
    encoder = tiny_encoder(small_zoo, "noninteractive")
    pretrain(small_zoo, encoder, tiny_recipe(steps=1, learning_rate=0.0))
    asked = encoder.probe_logits.argmax(-1).numpy()  # type: ignore[union-attr,operator]
    final = np.flatnonzero(small_zoo.column("step") == 30)
    written = small_zoo.traces(final).inputs[:, :, :5].reshape(-1, 5)
    assert all((written == probe).all(1).any() for probe in asked)


def test_an_interrupted_pretraining_ends_with_the_same_bytes(
    small_zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn2vec.training.CHECKPOINT_SECONDS", 0.0)
    recipe = tiny_recipe(encoder_options={"interactive": tiny_encoder(small_zoo).options})

    class Interrupted(Exception):
        """Stands for a process that ends."""

    def stop_at(step: int):
        done = 0

        def on_progress(amount: int, note: str) -> None:
            nonlocal done
            done += amount
            if done == step:
                raise Interrupted

        return on_progress

    pretrain_into(
        small_zoo.directory, "interactive", recipe, 3, tmp_path / "whole", on_progress=lambda amount, note: None
    )
    for step in (4, 9):
        with pytest.raises(Interrupted):
            pretrain_into(small_zoo.directory, "interactive", recipe, 3, tmp_path / "parts", on_progress=stop_at(step))
    with pytest.raises(RNN2VecError, match="belongs to an unfinished training"):
        pretrain_into(
            small_zoo.directory, "interactive", recipe, 4, tmp_path / "parts", on_progress=lambda amount, note: None
        )
    pretrain_into(
        small_zoo.directory, "interactive", recipe, 3, tmp_path / "parts", on_progress=lambda amount, note: None
    )
    for name in ("model.safetensors", "emulator.safetensors", "config.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "parts" / "checkpoint.safetensors").exists()
    with pytest.raises(RNN2VecError, match=r"one pretraining; .* another \(seed 3 there, 4 here\)"):
        pretrain_into(
            small_zoo.directory, "interactive", recipe, 4, tmp_path / "parts", on_progress=lambda amount, note: None
        )
    record = (tmp_path / "parts" / "training.json").read_bytes()
    pretrain_into(
        small_zoo.directory, "interactive", recipe, 3, tmp_path / "parts", on_progress=lambda amount, note: None
    )
    assert (tmp_path / "parts" / "training.json").read_bytes() == record  # a finished one is kept


def test_training_is_kept_when_the_encoder_cannot_be_written(
    small_zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(encoder_options={"interactive": tiny_encoder(small_zoo).options})
    arguments = (small_zoo.directory, "interactive", recipe, 0)
    pretrain_into(*arguments, tmp_path / "whole", on_progress=lambda amount, note: None)

    def full(*_: object) -> None:
        raise RNN2VecError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("rnn2vec.emulation.store.save_trained", full)
        with pytest.raises(RNN2VecError, match="no space"):
            pretrain_into(*arguments, tmp_path / "parts", on_progress=lambda amount, note: None)
    steps = []
    pretrain_into(*arguments, tmp_path / "parts", on_progress=lambda amount, note: steps.append((amount, note)))
    assert steps == [(recipe.steps, "resumed")]
    for name in ("model.safetensors", "emulator.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("steps", "what"),
    [(1, "after 1 of 1 steps its validation loss"), (20, "at step 1 its loss")],
    ids=["last", "in between"],
)
@pytest.mark.parametrize("name", ["statistics", "interactive"])
def test_a_pretraining_that_diverged_is_not_saved(
    name: str, steps: int, what: str, small_zoo: Zoo, tmp_path: Path
) -> None:
    recipe = tiny_recipe(steps, learning_rate=1e36, warmup=0)
    with pytest.raises(RNN2VecError, match=f"pretraining diverged: {what} is not finite; choose another seed"):
        pretrain_into(small_zoo.directory, name, recipe, 0, tmp_path, on_progress=lambda amount, note: None)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_an_encoder_directory_reads_back(small_zoo: Zoo, tmp_path: Path) -> None:
    recipe = tiny_recipe(encoder_options={"noninteractive": tiny_encoder(small_zoo, "noninteractive").options})
    pretrain_into(
        small_zoo.directory, "noninteractive", recipe, 0, tmp_path / "e", on_progress=lambda amount, note: None
    )
    trained = load_trained(tmp_path / "e", small_zoo)
    record = json.loads((tmp_path / "e" / "training.json").read_text())
    assert record["recipe"] == json.loads(json.dumps(vars(recipe)))
    assert record["parameters"] == sum(p.numel() for p in trained.encoder.parameters())
    assert set(record["losses"]) == {"validation", "ood"}
    split_loss = pretrain_module.emulation_loss(
        trained.encoder,
        trained.emulator,
        pretrain_module.part_of_zoo(small_zoo, pretrain_module.split_zoo(small_zoo).validation),
        OF_CLASSES["total-variation"],
    )
    assert split_loss == pytest.approx(record["losses"]["validation"], rel=1e-6)
    (tmp_path / "e" / "training.json").write_text("{}")
    with pytest.raises(RNN2VecError, match="not the record of a pretraining"):
        load_trained(tmp_path / "e", small_zoo)


@pytest.mark.parametrize("evaluations", [0, -1, 1.5, True])
def test_the_loss_is_measured_at_least_once(evaluations: object, small_zoo: Zoo) -> None:
    with pytest.raises(RNN2VecError, match=r"evaluations is (at least 1|a whole number)"):
        pretrain(small_zoo, tiny_encoder(small_zoo), tiny_recipe(), evaluations=evaluations)


@pytest.fixture
def trained(small_zoo: Zoo, tmp_path: Path) -> Path:
    """An encoder directory."""
    pretrain_into(small_zoo.directory, "statistics", tiny_recipe(1), 0, tmp_path / "e", on_progress=lambda *what: None)
    return tmp_path / "e"


def test_an_altered_emulator_is_refused(trained: Path, small_zoo: Zoo) -> None:
    path, record = trained / "emulator.safetensors", json.loads((trained / "training.json").read_text())
    sound = path.read_bytes()
    assert record["checksums"] == {path.name: hashlib.sha256(sound).hexdigest()}
    path.write_bytes(sound[:-109] + bytes([sound[-109] ^ 0x01]) + sound[-108:])
    with pytest.raises(RNN2VecError, match=r"emulator\.safetensors differs from its recorded checksum"):
        load_trained(trained, small_zoo)
    del record["checksums"], record["sha256"]  # as an earlier version wrote it
    (trained / "training.json").write_text(json.dumps(record))
    load_trained(trained, small_zoo)
    path.write_bytes(sound)
    expected = load_trained(trained, small_zoo).emulator.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in safetensors.torch.load(sound).items())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", "0", "seed is a whole number"),
        ("parameters", None, "parameters is a whole number"),
        ("seconds", "long", "seconds is a finite number"),
        ("history", {}, "history is a list"),
        ("history", [{"step": 1}], "'seconds'"),
        ("train_tasks", "abc", "train_tasks is a list"),
        ("train_tasks", [[1]], "a task has 3 values; got 1"),
        ("train_tasks", [["a", "b", "c"]], "a number of a train task"),
        ("versions", 1, "versions is a dict"),
        ("encoder", "flat", "that of the flat encoder, and the directory holds statistics"),
        ("recipe", {"steps": 1, "emulator_size": 2**20}, "do not fit its configuration"),
    ],
)
def test_a_record_is_what_its_readers_need(
    field: str, value: object, message: str, trained: Path, small_zoo: Zoo
) -> None:
    record = json.loads((trained / "training.json").read_text())
    (trained / "training.json").write_text(json.dumps(record | {field: value}))
    with pytest.raises(RNN2VecError, match=r"training\.json differs from its own checksum"):
        load_trained(trained, small_zoo)
    del record["sha256"]  # as in one of an earlier version
    (trained / "training.json").write_text(json.dumps(record | {field: value}))
    with pytest.raises(RNN2VecError, match=message):
        load_trained(trained, small_zoo)


def test_torchs_defaults_do_not_matter(small_zoo: Zoo, trained: Path, tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        pretrain_into(
            small_zoo.directory, "statistics", tiny_recipe(1), 0, tmp_path / "f", on_progress=lambda *what: None
        )
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    for name in ("model.safetensors", "emulator.safetensors"):
        assert (tmp_path / "f" / name).read_bytes() == (trained / name).read_bytes()


def test_an_encoder_of_other_inputs_is_refused(small_zoo: Zoo) -> None:
    from rnn2vec import Architecture

    other = build_encoder("noninteractive", Interface(Tokens(16), Classes(10)), probes=1, probe_length=3)
    with pytest.raises(RNN2VecError, match="16 tokens in, 10 classes out"):
        pretrain(small_zoo, other, tiny_recipe())
    other = build_encoder("flat", Architecture.stack("lstm", 6, 9, 1, 6))
    with pytest.raises(RNN2VecError, match="reads the weights of networks like those it was built for"):
        pretrain(small_zoo, other, tiny_recipe())


def test_the_error_to_signal_ratio_is_each_networks_own() -> None:
    said = torch.tensor([[[1.0, 2.0]], [[10.0, 0.0]]])[..., None]
    emulated = torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]]])[..., None]
    ratio = Numbers.losses["error-to-signal"](said, emulated, torch.ones(1))
    assert float(ratio) == pytest.approx((1 / 5 + 1) / 2)


def test_relatives_are_drawn_anew_and_asked_from_their_own_start() -> None:
    from rnn2vec import Architecture, Interface, Mixed, Numbers, Population

    sound = Interface(Numbers(1, -1, 1), Numbers(1))
    first = Population.initialise(Architecture.stack("lstm", 1, 4, 1, 1), 0, range(3)).with_interface(sound)
    second = Population.initialise(Architecture.stack("gru", 1, 3, 1, 1), 0, range(2)).with_interface(sound)
    networks = Mixed([first, second], np.array([4, 0, 2, 1, 3]))
    found = networks.perturbed(0.1, torch.Generator().manual_seed(0))
    assert [len(own) for own in found.places] == [3, 2]
    assert found.places[0].tolist() == networks.places[0].tolist()
    for before, after in zip(networks.parts, found.parts, strict=True):
        for name, weight in before.weights.items():
            ratio = (after.weights[name] / weight).flatten()
            assert 0.02 < ratio.std() < 0.3, name
            assert abs(ratio.mean() - 1) < 0.15, name
    again = networks.perturbed(0.1, torch.Generator().manual_seed(0))
    x = torch.rand(5, 2, 6, 1)
    assert torch.equal(found.run(x)[0], again.run(x)[0])
    assert not torch.allclose(found.run(x)[0], networks.run(x)[0], atol=1e-4)
    same = networks.perturbed(0.0, torch.Generator())
    assert torch.equal(same.run(x)[0], networks.run(x)[0])


@pytest.mark.parametrize("relatives", [0.0, 0.1])
def test_an_emulator_learns_from_relatives(relatives: float) -> None:
    from rnn2vec import Architecture, Interface, Modules, Numbers, Population
    from rnn2vec.emulation.emulate import Observed, emulate
    from rnn2vec.emulation.recipe import PretrainRecipe
    from rnn2vec.zoo.traces import Traces

    sound = Interface(Numbers(1, -1, 1), Numbers(1))
    networks = Population.initialise(Architecture.stack("lstm", 1, 6, 1, 1), 0, range(8)).with_interface(sound)
    read = np.random.default_rng(0).uniform(-1, 1, (8, 3, 40, 1)).astype(np.float32)
    with torch.no_grad():
        said = networks.run(torch.from_numpy(read))[0].numpy()
    observed = Observed(networks, Traces(read, said))
    options = {"steps": 40, "networks": 8, "traces": 1, "window": 10, "loss": "mse", "learning_rate": 1e-2, "clip": 1.0}
    recipe = PretrainRecipe(emulator_size=16, emulator_layers=1, conditioning="every", relatives=relatives, **options)
    encoder = build_encoder("noninteractive", sound, 0, probes=1, probe_length=4, core_size=8, core_layers=1)
    found = emulate(encoder, observed, observed, recipe)
    assert found.history[-1]["train"] < 0.7 * found.history[0]["train"]
    modules = Observed(Modules(networks.to_modules(), sound), Traces(read, said))
    with pytest.raises(RNN2VecError, match="whose weights are known"):
        emulate(encoder, modules, modules, recipe)
