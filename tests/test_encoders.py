"""Encoders: unit vectors, invariances that hold exactly, questions that depend on answers, files that read back."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from conftest import form, tokens
from rnn2vec import ENCODERS, Architecture, Encoder, Interface, Population, RNN2VecError, build_encoder, load_encoder
from rnn2vec.encoders import ProbingEncoder
from rnn2vec.encoders.statistics import weight_statistics
from rnn2vec.engine import run

MakePopulation = Callable[..., Population]
"""``make(architecture, models, dtype, seed)``, see ``conftest.py``."""
SPEC = Architecture.stack("lstm", 6, 5, 2, 6)
SMALL: dict[str, dict[str, Any]] = {
    "interactive": {"probes": 2, "probe_length": 4, "core_size": 8, "mlp_size": 7},
    "noninteractive": {"probes": 2, "probe_length": 4, "core_size": 8, "mlp_size": 7},
    "statistics": {"hidden_size": 9},
    "flat": {"hidden_size": 9},
    "transformer": {"hidden_size": 8, "layers": 1, "heads": 2},
    "deep_weight_space": {"channels": 5, "layers": 2, "mlp_size": 9},
    "answers": {"sequences": 3, "steps": 4},
}
WEIGHT_ENCODERS = ["statistics", "flat", "transformer", "deep_weight_space"]
PROBING = ["interactive", "noninteractive"]
LEARNED = [*PROBING, *WEIGHT_ENCODERS]
PROBING_VARIANTS = {
    "noninteractive, last": ("noninteractive", {"readout": "last"}),
    "noninteractive, all": ("noninteractive", {"readout": "all"}),
    "interactive, last": ("interactive", {"readout": "last"}),
    "interactive, all": ("interactive", {"readout": "all"}),
    "interactive, echo": ("interactive", {"feedback": "echo"}),
}
variants = pytest.mark.parametrize(("name", "options"), PROBING_VARIANTS.values(), ids=PROBING_VARIANTS)


def small_encoder(name: str, architecture: Architecture = SPEC, seed: int = 0, **options: Any) -> Encoder:
    """An encoder of a few parameters, in double precision."""
    return build_encoder(name, form(name, architecture), seed, **(SMALL[name] | options)).double()


@torch.no_grad()
def with_dead_units(population: Population, extra: int) -> Population:
    """The same functions computed by larger networks: ``extra`` more units a layer, which nobody listens to."""
    small = population.architecture
    architecture = small.resized(hidden_size=small.widest + extra)
    models, gates, old, new = len(population), architecture.num_gates, small.widest, architecture.widest
    generator = torch.Generator().manual_seed(1)
    flat = torch.randn(models, architecture.num_parameters, dtype=population.dtype, generator=generator)
    larger = Population.from_flat(architecture, flat, population.interface)
    for name, weight in population.weights.items():
        target = larger.weights[name]
        if name == "linear.bias":
            target.copy_(weight)
        elif name == "linear.weight":
            target[:, :, :old], target[:, :, old:] = weight, 0
        elif weight.ndim == 2:
            target.view(models, gates, new)[:, :, :old] = weight.view(models, gates, old)
        else:
            rows = target.view(models, gates, new, -1)[:, :, :old]  # what the live units hear
            rows.zero_()
            rows[..., : weight.shape[2]] = weight.view(models, gates, old, -1)
    return larger


# --- any encoder ---


@pytest.mark.parametrize("name", ENCODERS)
def test_z_is_a_unit_vector_for_each_network(
    name: str, cell: dict[str, Any], random_population: MakePopulation
) -> None:
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=5, num_layers=2, output_size=6)
    population = random_population(architecture, 7, torch.float32)
    z = build_encoder(name, form(name, architecture))(population)
    assert z.shape == (7, 16)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.norm(dim=1), torch.ones(7))
    other = build_encoder(name, form(name, architecture), embedding_size=3)(population)
    assert other.shape == (7, 3)
    torch.testing.assert_close(other.norm(dim=1), torch.ones(7))


@pytest.mark.parametrize("name", ENCODERS)
def test_networks_are_read_one_by_one(name: str, random_population: MakePopulation) -> None:
    """A network's z does not depend on the others, and differs from theirs."""
    encoder, population = small_encoder(name), random_population(SPEC, 5)
    z = encoder(population)
    torch.testing.assert_close(encoder(population[[3]]), z[[3]])
    torch.testing.assert_close(encoder(population[[4, 0]]), z[[4, 0]])
    assert torch.cdist(z, z)[~torch.eye(5, dtype=torch.bool)].min() > 1e-6


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_is_a_function_of_its_seed(name: str) -> None:
    state = torch.get_rng_state()
    first, again, other = (
        build_encoder(name, form(name, SPEC), seed, **SMALL[name]).state_dict() for seed in (3, 3, 4)
    )
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(123)
    later = build_encoder(name, form(name, SPEC), 3, **SMALL[name]).state_dict()
    of_no_seed = {"questions", "units", "mean", "constant"}  # of the answers encoder
    for key, tensor in first.items():
        assert torch.equal(again[key], tensor)
        assert torch.equal(later[key], tensor)
        assert torch.equal(other[key], tensor) == (key in of_no_seed)


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in LEARNED), *PROBING_VARIANTS.values()],
    ids=[*LEARNED, *PROBING_VARIANTS],
)
def test_gradients_reach_every_parameter(name: str, options: dict[str, Any], random_population: MakePopulation) -> None:
    width = "mlp_size" if name in (*PROBING, "deep_weight_space") else "hidden_size"
    encoder = small_encoder(name, **{width: 32}, **options)
    population = random_population(SPEC, 6)
    encoder(population).mul(torch.randn(6, 16, dtype=torch.float64)).sum().backward()
    for key, parameter in encoder.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key
        assert parameter.grad.isfinite().all(), key
    assert not any(weight.requires_grad for weight in population.weights.values())


@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_reach_the_networks(name: str, random_population: MakePopulation) -> None:
    """An encoder is differentiable in the weights it is shown."""
    population = random_population(SPEC, 2)
    for weight in population.weights.values():
        weight.requires_grad_()
    small_encoder(name)(population)[0, 0].backward()
    for key, weight in population.weights.items():
        assert weight.grad[0].abs().max() > 0, key
        assert weight.grad[1].abs().max() == 0, key


@pytest.mark.parametrize("name", WEIGHT_ENCODERS)
@pytest.mark.parametrize("field", [{"cell": "gru"}, {"hidden_size": 4}, {"num_layers": 1}, {"input_size": 5}], ids=str)
def test_weight_encoders_refuse_other_networks(
    name: str, field: dict[str, Any], random_population: MakePopulation
) -> None:
    architecture = SPEC.resized(**field)
    with pytest.raises(RNN2VecError, match=rf"the {name} encoder reads the weights .*2 x 5, .*; got .*probing encoder"):
        small_encoder(name)(random_population(architecture))


@pytest.mark.parametrize("name", PROBING)
@pytest.mark.parametrize("field", [{"input_size": 5}, {"output_size": 5}], ids=str)
def test_probing_encoders_refuse_other_inputs_and_outputs(
    name: str, field: dict[str, Any], random_population: MakePopulation
) -> None:
    architecture = SPEC.resized(**field)
    encoder = small_encoder(name)
    for read in (encoder, encoder.interrogate):
        with pytest.raises(
            RNN2VecError, match=rf"{name} encoder reads networks with 6 tokens in, 6 classes out; got .*5"
        ):
            read(random_population(architecture))


WRONG_OPTIONS = [
    ("deep", {}, "encoders are .*transformer, flat, statistics, answers; got 'deep'"),
    ("flat", {"probes": 3}, "the flat encoder does not take these options: .*probes"),
    ("interactive", {"hidden_size": 3}, "the interactive encoder does not take these options"),
    ("interactive", {"probe_init": "zeros"}, "probe_init is one of random, traces; got 'zeros'"),
    ("noninteractive", {"readout": "first"}, "readout is one of last, all; got 'first'"),
    ("interactive", {"feedback": "loud"}, "feedback is one of none, echo; got 'loud'"),
    ("noninteractive", {"feedback": "echo"}, "needs an interactive encoder .*; got the noninteractive encoder"),
    ("flat", {"hidden_size": 0}, "hidden_size"),
    ("flat", {"hidden_size": -1}, "hidden_size"),
    ("flat", {"hidden_size": True}, "hidden_size"),
    ("flat", {"hidden_size": "9"}, "hidden_size"),
    ("flat", {"layers": -1}, "layers"),
    ("statistics", {"embedding_size": 0}, "embedding_size"),
    ("statistics", {"hidden_size": 2.5}, "options|hidden_size"),
    ("interactive", {"probes": 0}, "probes"),
    ("interactive", {"probe_length": 0}, "probe_length"),
    ("noninteractive", {"probe_length": -2}, "probe_length"),
    ("interactive", {"core_size": 0}, "core_size"),
    ("interactive", {"core_layers": 0}, "core_layers"),
    ("noninteractive", {"mlp_size": 0}, "mlp_size"),
]


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(("name", "options", "message"), WRONG_OPTIONS, ids=str)
def test_wrong_options_are_explained(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        build_encoder(name, form(name, SPEC) if name in ENCODERS else SPEC, **options)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_is_built_for_what_it_knows_of_networks(name: str) -> None:
    other = tokens(SPEC) if name in WEIGHT_ENCODERS else SPEC
    with pytest.raises(RNN2VecError, match=f"the {name} encoder is built for an (Architecture|Interface)"):
        build_encoder(name, other)


def test_echo_needs_networks_that_predict_their_next_input() -> None:
    with pytest.raises(RNN2VecError, match="predict their next input; got the interactive encoder"):
        build_encoder("interactive", form("interactive", Architecture.stack("lstm", 6, 5, 1, 4)), feedback="echo")


# --- files ---


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in ENCODERS), *PROBING_VARIANTS.values()],
    ids=[*ENCODERS, *PROBING_VARIANTS],
)
def test_an_encoder_reads_back_exactly(
    name: str, options: dict[str, Any], random_population: MakePopulation, tmp_path: Path
) -> None:
    encoder = build_encoder(name, form(name, SPEC), 5, embedding_size=7, **(SMALL[name] | options))
    encoder.save_pretrained(tmp_path / "encoder")
    config = json.loads((tmp_path / "encoder" / "config.json").read_text())
    assert (config["encoder"], config["embedding_size"]) == (name, 7)
    population = random_population(SPEC, 3, torch.float32)
    for loaded in (load_encoder(tmp_path / "encoder"), Encoder.from_pretrained(tmp_path / "encoder")):
        assert type(loaded) is type(encoder)
        assert (loaded.form, loaded.embedding_size, loaded.options) == (form(name, SPEC), 7, encoder.options)
        assert not loaded.training
        for key, tensor in encoder.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], tensor)
        assert torch.equal(loaded(population), encoder(population))


def rewrite_config(directory: Path, **values: Any) -> None:
    """Replace some fields of an encoder's configuration, in one without a checksum of its own, as earlier versions'."""
    config = json.loads((directory / "config.json").read_text())
    del config["sha256"]
    (directory / "config.json").write_text(json.dumps({**config, **values}))


def rewrite_weights(directory: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Edit an encoder's tensors, in a directory of an earlier version, which holds no checksum."""
    config = json.loads((directory / "config.json").read_text())
    del config["checksums"], config["sha256"]
    (directory / "config.json").write_text(json.dumps(config))
    tensors = safetensors.torch.load((directory / "model.safetensors").read_bytes())
    change(tensors)
    (directory / "model.safetensors").write_bytes(safetensors.torch.save(tensors))


def flip(path: Path) -> None:
    """Alter one bit of a file, near its end: of a number, not so that it would be none."""
    content = bytearray(path.read_bytes())
    content[-9] ^= 0x40
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Cut off the end of a file."""
    path.write_bytes(path.read_bytes()[:-10])


def alter_config(directory: Path) -> None:
    """Change what decides z and fits the weights all the same."""
    config = json.loads((directory / "config.json").read_text())
    config["architecture"]["skip"] = True
    (directory / "config.json").write_text(json.dumps(config))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no directory": (shutil.rmtree, "has no config.json: make one with `rnn2vec pretrain"),
    "no config": (lambda path: (path / "config.json").unlink(), "has no config.json: make one with `rnn2vec pretrain"),
    "config cut": (lambda path: truncate(path / "config.json"), r"config\.json is not valid JSON"),
    "config altered": (alter_config, r"config\.json differs from its own checksum"),
    "empty config": (lambda path: (path / "config.json").write_text("{}"), "is not that of an encoder"),
    "unknown encoder": (lambda path: rewrite_config(path, encoder="deep"), "encoders are .*; got 'deep'"),
    "encoder a list": (lambda path: rewrite_config(path, encoder=["flat"]), "encoder"),
    "unknown option": (lambda path: rewrite_config(path, options={"depth": 1}), "does not take these options"),
    "option out of range": (lambda path: rewrite_config(path, options={"hidden_size": -3}), "hidden_size"),
    "options a list": (lambda path: rewrite_config(path, options=[1]), "is not that of an encoder"),
    "architecture a text": (
        lambda path: rewrite_config(path, architecture="lstm"),
        "architecture|is not that of an encoder",
    ),
    "architecture incomplete": (
        lambda path: rewrite_config(path, architecture={"cell": "lstm"}),
        "an architecture has the fields",
    ),
    "another architecture": (
        lambda path: rewrite_config(path, architecture=SPEC.resized(hidden_size=6).to_dict()),
        "do not fit its configuration: .*size mismatch for mlp.0.weight",
    ),
    "another size": (lambda path: rewrite_config(path, embedding_size=15), "do not fit its configuration: .*mismatch"),
    "no weights": (lambda path: (path / "model.safetensors").unlink(), r"cannot read .*model\.safetensors"),
    "weights cut": (lambda path: truncate(path / "model.safetensors"), r"model\.safetensors differs from its recorded"),
    "a bit flipped": (lambda path: flip(path / "model.safetensors"), r"model\.safetensors differs from its recorded"),
    "no checksum of it": (lambda path: rewrite_config(path, checksums={}), r"SHA-256 of model\.safetensors; got \{\}"),
    "checksums a text": (lambda path: rewrite_config(path, checksums="a"), r"SHA-256 of model\.safetensors; got 'a'"),
    "checksum a number": (
        lambda path: rewrite_config(path, checksums={"model.safetensors": 1}),
        r"SHA-256 of model\.safetensors; got",
    ),
    "a tensor too few": (
        lambda path: rewrite_weights(path, lambda tensors: tensors.pop("mlp.0.bias")),
        "do not fit its configuration: .*mlp.0.bias",
    ),
    "a tensor too many": (
        lambda path: rewrite_weights(path, lambda tensors: tensors.update(extra=torch.zeros(1))),
        "do not fit its configuration: .*extra",
    ),
    "NaN": (lambda path: rewrite_weights(path, lambda t: t["mlp.0.bias"].fill_(torch.nan)), "finite numbers"),
    "infinity": (lambda path: rewrite_weights(path, lambda t: t["mlp.0.bias"].fill_(torch.inf)), "finite numbers"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_encoder_is_explained(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    build_encoder("flat", form("flat", SPEC), hidden_size=9).save_pretrained(tmp_path / "encoder")
    damage(tmp_path / "encoder")
    with pytest.raises(RNN2VecError, match=message):
        load_encoder(tmp_path / "encoder")


def test_an_encoder_of_an_earlier_version_loads(tmp_path: Path) -> None:
    encoder = build_encoder("flat", form("flat", SPEC), hidden_size=9)
    encoder.save_pretrained(tmp_path)
    rewrite_weights(tmp_path, lambda tensors: None)
    loaded = load_encoder(tmp_path)
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in encoder.state_dict().items())
    loaded.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["checksums"].keys() == {"model.safetensors"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"embedding_size": 10**12}, "embedding_size is at most"),
        ({"embedding_size": True}, "embedding_size is a whole number; got True"),
        ({"options": {"hidden_size": 2**20}}, "do not fit its configuration"),
        ({"options": {"hidden_size": "9"}}, "hidden_size is a whole number; got '9'"),
        ({"options": {"layers": 10**9}}, "layers is at most 100; got 1000000000"),
        ({"options": {"architecture": 1}}, "does not take these options"),
        ({"options": {"seed": 1}}, "does not take these options"),
        ({"architecture": {**SPEC.to_dict(), "hidden_sizes": [5] * 101}}, "num_layers is at most"),
        ({"architecture": {**SPEC.to_dict(), "hidden_sizes": [10**30]}}, "encoder"),
        ({"architecture": {**SPEC.to_dict(), "hidden_sizes": [10**8, 10**8]}}, "do not fit its configuration"),
    ],
    ids=str,
)
def test_a_configuration_takes_no_memory_before_it_fits(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    build_encoder("flat", form("flat", SPEC), hidden_size=9).save_pretrained(tmp_path)
    rewrite_config(tmp_path, **changed)
    tracemalloc.start()
    try:
        with pytest.raises(RNN2VecError, match=message):
            load_encoder(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("field", "value"), [("input_range", value) for value in (3, [1, True], [1, 0], [[0], [1]], [0, 10**400], {"0": 1})]
)
def test_a_range_is_two_finite_numbers(field: str, value: Any) -> None:
    with pytest.raises(RNN2VecError, match="input_range"):
        build_encoder("noninteractive", form("noninteractive", SPEC), **{field: value})


def test_a_class_of_encoders_reads_its_own_kind(tmp_path: Path) -> None:
    build_encoder("interactive", form("interactive", SPEC), **SMALL["interactive"]).save_pretrained(tmp_path / "e")
    for cls in (Encoder, ProbingEncoder, ENCODERS["interactive"]):
        assert type(cls.from_pretrained(tmp_path / "e")) is ENCODERS["interactive"]
    for name in ("noninteractive", "flat"):
        with pytest.raises(RNN2VecError, match=r"of its own kind; .* holds a InteractiveEncoder: use Encoder\.from"):
            ENCODERS[name].from_pretrained(tmp_path / "e")
    with pytest.raises(RNN2VecError, match="takes no core_size"):
        Encoder.from_pretrained(tmp_path / "e", core_size=3)
    (tmp_path / "e" / "config.json").write_text("[]")
    with pytest.raises(RNN2VecError, match="holds a JSON object"):
        Encoder.from_pretrained(tmp_path / "e")
    with pytest.raises(RNN2VecError, match="a directory or a repository of a model hub"):
        Encoder.from_pretrained(str(tmp_path / "nowhere"))


def test_an_encoder_goes_to_a_hub_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub is a folder here; what is uploaded and what is asked for is the hub library's own."""
    import huggingface_hub.hub_mixin as hub

    import rnn2vec.encoders.directory as module

    class Api:
        def __init__(self, **options: Any) -> None: ...

        def create_repo(self, **options: Any) -> Any:
            return SimpleNamespace(repo_id=options["repo_id"])

        def upload_folder(self, *, folder_path: Path, **options: Any) -> str:
            shutil.copytree(folder_path, tmp_path / "hub")
            return "commit"

    def download(repository: str, *, allow_patterns: list[str], **options: Any) -> str:
        assert repository == "user/name"
        assert {"emulator.safetensors", "knowledge.json", "knowledge.safetensors"} < set(allow_patterns)
        (tmp_path / "cache").mkdir()
        for name in set(allow_patterns) & {path.name for path in (tmp_path / "hub").iterdir()}:
            shutil.copy(tmp_path / "hub" / name, tmp_path / "cache" / name)
        return str(tmp_path / "cache")

    monkeypatch.setattr(hub, "HfApi", Api)
    monkeypatch.setattr(module, "snapshot_download", download)
    encoder = build_encoder("flat", form("flat", SPEC), hidden_size=9)
    encoder.push_to_hub("user/name")
    assert {path.name for path in (tmp_path / "hub").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    loaded = ENCODERS["flat"].from_pretrained("user/name")
    shutil.rmtree(tmp_path / "cache")
    assert load_encoder("user/name").config == loaded.config
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in encoder.state_dict().items())


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_and_its_networks_have_one_dtype_and_device(name: str, random_population: MakePopulation) -> None:
    encoder, population = build_encoder(name, form(name, SPEC), **SMALL[name]), random_population(SPEC)
    reads = [encoder, encoder.interrogate] if isinstance(encoder, ProbingEncoder) else [encoder]
    for read in reads:
        with pytest.raises(RNN2VecError, match=r"torch.float32, the networks torch.float64: .*\.to\(torch.float32\)"):
            read(population)
        with pytest.raises(RNN2VecError, match="is on cpu, the networks on meta"):
            read(population.to("meta", torch.float32))
        read(population.to(torch.float32))


@pytest.mark.parametrize("name", ENCODERS)
def test_torchs_defaults_do_not_matter(name: str, random_population: MakePopulation, tmp_path: Path) -> None:
    population = random_population(SPEC, dtype=torch.float32)
    strings = np.array([[4, 0, 1, 5]])
    expected = build_encoder(name, form(name, SPEC), **SMALL[name])
    expected.start(population, strings)
    expected.save_pretrained(tmp_path)
    z = expected(population)
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        built = build_encoder(name, form(name, SPEC), **SMALL[name])
        built.start(population, strings)
        found = [encoder(population) for encoder in (built, load_encoder(tmp_path))]
        assert torch.get_default_dtype() is torch.float64
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert all(torch.equal(other, z) for other in found)
    assert torch.equal(torch.get_rng_state(), before)


# --- those that read weights ---


def test_statistics_are_what_numpy_finds(cell: dict[str, Any], random_population: MakePopulation) -> None:
    architecture = Architecture.stack(**cell, input_size=3, hidden_size=4, num_layers=2, output_size=5)
    population = random_population(architecture, 3)
    gates, found = architecture.num_gates, weight_statistics(population).numpy()
    assert found.shape == (3, 7 * (4 * gates * 2 + 2))
    for model in range(3):
        expected = []
        for name, weight in population.weights.items():
            blocks = [weight[model]] if name.startswith("linear.") else weight[model].chunk(gates)
            numbers = [block.numpy().ravel() for block in blocks]
            for statistic in (np.mean, np.std, *(lambda x, q=q: np.quantile(x, q) for q in (0, 0.25, 0.5, 0.75, 1))):
                expected += [statistic(block) for block in numbers]
        np.testing.assert_allclose(found[model], expected, rtol=1e-12, atol=1e-12)


def test_statistics_ignore_the_numbering_of_units_and_flat_does_not(
    cell: dict[str, Any], random_population: MakePopulation
) -> None:
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=5, num_layers=2, output_size=6)
    population = random_population(architecture, 4)
    renumbered = population.permute_hidden_randomly(torch.Generator().manual_seed(0))
    statistics, flat = small_encoder("statistics", architecture), small_encoder("flat", architecture)
    torch.testing.assert_close(statistics(renumbered), statistics(population), rtol=0, atol=1e-12)
    assert (flat(renumbered) - flat(population)).norm(dim=1).min() > 1e-3


def test_only_flat_and_transformer_see_other_numberings_in_training(random_population: MakePopulation) -> None:
    population = random_population(SPEC, 3)
    generator = torch.Generator().manual_seed(0)
    for name in ENCODERS:
        shown = small_encoder(name).augment(population, generator)
        assert torch.equal(shown.flatten(), population.flatten()) == (name not in ("flat", "transformer"))
    first, second = (small_encoder("flat").augment(population, generator) for _ in range(2))
    assert not torch.equal(first.flatten(), second.flatten())
    inputs = torch.randint(0, 6, (3, 2, 5))
    torch.testing.assert_close(run(first, inputs)[0], run(population, inputs)[0])


def test_flat_reads_every_weight(random_population: MakePopulation) -> None:
    encoder, population = small_encoder("flat", hidden_size=64), random_population(SPEC, 1)
    flat = population.flatten().requires_grad_()
    encoder(Population.from_flat(SPEC, flat))[0, 0].backward()
    assert (flat.grad != 0).all()


# --- those that ask ---


@variants
def test_probing_sees_functions_only(
    name: str, options: dict[str, Any], cell: dict[str, Any], random_population: MakePopulation
) -> None:
    """Neither the numbering of units nor units that nobody listens to change z."""
    architecture = Architecture.stack(**cell, input_size=6, hidden_size=5, num_layers=2, output_size=6)
    population, encoder = random_population(architecture, 4), small_encoder(name, architecture, **options)
    z = encoder(population)
    renumbered = population.permute_hidden_randomly(torch.Generator().manual_seed(0))
    larger = with_dead_units(population, 3)
    assert larger.architecture.widest == 8
    torch.testing.assert_close(encoder(renumbered), z, rtol=0, atol=1e-10)
    torch.testing.assert_close(encoder(larger), z, rtol=0, atol=1e-10)
    altered = with_dead_units(population, 3)
    altered.weights["linear.weight"][:, 0, 5:] = 1  # now an output listens
    assert (encoder(altered) - z).norm(dim=1).max() > 1e-6


@pytest.mark.parametrize("name", PROBING)
def test_probing_reads_other_sizes_and_cells(
    name: str, cell: dict[str, Any], random_population: MakePopulation
) -> None:
    encoder = small_encoder(name)
    for hidden, layers in ((5, 2), (9, 1), (2, 3)):
        architecture = Architecture.stack(**cell, input_size=6, hidden_size=hidden, num_layers=layers, output_size=6)
        z = encoder(random_population(architecture, 3))
        assert z.shape == (3, 16)
        assert z.isfinite().all()


def differing_later(population: Population) -> Population:
    """Networks that answer the first question alike, and differ from the second on (their state starts at zero)."""
    weights = {name: weight.clone() for name, weight in population.weights.items()}
    for name in weights:
        if name.startswith("weight_hh"):
            weights[name] = -weights[name]
    return Population(population.architecture, weights, population.interface)


@pytest.mark.parametrize("options", [{}, {"readout": "all"}, {"feedback": "echo"}], ids=str)
def test_interactive_questions_depend_on_the_answers_so_far(
    options: dict[str, Any], random_population: MakePopulation
) -> None:
    population, encoder = random_population(SPEC, 3), small_encoder("interactive", **options)
    mine, other = encoder.interrogate(population), encoder.interrogate(differing_later(population))
    first, second, third = (mine.probes[:, :, place] for place in range(3))
    assert torch.equal(first, first[:1].expand_as(first))  # the same for everybody
    assert (second[0] - second[1]).abs().max() > 1e-6  # it depends on who was asked,
    torch.testing.assert_close(other.answers[:, :, 0], mine.answers[:, :, 0])
    torch.testing.assert_close(other.probes[:, :, :2], mine.probes[:, :, :2])  # through the first answer alone
    assert (other.answers[:, :, 1] - mine.answers[:, :, 1]).abs().flatten(1).max(1).values.min() > 1e-6
    assert (other.probes[:, :, 2] - third).abs().flatten(1).max(1).values.min() > 1e-8


@pytest.mark.parametrize("readout", ["last", "all"])
def test_noninteractive_questions_are_fixed(readout: str, random_population: MakePopulation) -> None:
    encoder = small_encoder("noninteractive", readout=readout)
    asked = encoder.interrogate(random_population(SPEC, 3))
    expected = encoder.probe_logits.softmax(-1).expand(3, -1, -1, -1)
    assert torch.equal(asked.probes, expected)
    assert asked.answers.std(0).max() > 1e-3  # though the answers differ


@pytest.mark.parametrize(("probes", "length"), [(1, 1), (1, 9), (5, 2)])
@variants
def test_any_number_of_probes_of_any_length(
    name: str, options: dict[str, Any], probes: int, length: int, random_population: MakePopulation
) -> None:
    population = random_population(SPEC, 3)
    encoder = small_encoder(name, probes=probes, probe_length=length, **options)
    asked = encoder.interrogate(population)
    assert asked.probes.shape == asked.answers.shape == (3, probes, length, 6)
    for distribution in (asked.probes, asked.answers):
        assert distribution.min() > 0
        torch.testing.assert_close(distribution.sum(-1), torch.ones(3, probes, length, dtype=torch.float64))
    answers = run(population, asked.probes)[0].softmax(-1)  # every probe starts from a zero state
    torch.testing.assert_close(asked.answers, answers)
    assert encoder(population).shape == (3, 16)


@pytest.mark.parametrize("name", PROBING)
def test_only_questions_that_it_has_are_asked(name: str, random_population: MakePopulation) -> None:
    population, encoder = random_population(SPEC, 2), small_encoder(name)
    assert encoder.interrogate(population, 4).probes.shape == encoder.interrogate(population).probes.shape
    for length in (-1, 0, 5):
        with pytest.raises(RNN2VecError, match=rf"the first 1\.\.4 questions, or all with None; got {length}"):
            encoder.interrogate(population, length)


def test_probes_of_other_networks_answers_stay_apart(random_population: MakePopulation) -> None:
    """A network's questions do not depend on whom else is asked."""
    population, encoder = random_population(SPEC, 4), small_encoder("interactive")
    together, alone = encoder.interrogate(population), encoder.interrogate(population[2])
    torch.testing.assert_close(together.probes[2], alone.probes[0])
    torch.testing.assert_close(together.core_states[2], alone.core_states[0])


@variants
def test_z_is_read_from_the_answers(name: str, options: dict[str, Any], random_population: MakePopulation) -> None:
    """From all of them or from the core's last state: whatever else there is does not matter."""
    population, encoder = random_population(SPEC, 3), small_encoder(name, **options)
    asked = encoder.interrogate(population)
    if options.get("readout") == "all":
        read = encoder.readout(asked.answers.flatten(1))
    else:
        hidden, _ = encoder.core(asked.answers.transpose(1, 2).flatten(2))
        torch.testing.assert_close(hidden, asked.core_states)
        read = encoder.readout(hidden[:, -1])
    torch.testing.assert_close(encoder(population), torch.nn.functional.normalize(read, dim=1))


def test_interactive_differs_from_noninteractive_in_its_questioner_alone(random_population: MakePopulation) -> None:
    interactive, fixed = small_encoder("interactive"), small_encoder("noninteractive", seed=1)
    shared = {k: v for k, v in interactive.state_dict().items() if not k.startswith("questioner.")}
    fixed.load_state_dict(shared)
    population = random_population(SPEC, 3)
    assert not torch.allclose(interactive(population), fixed(population))
    with torch.no_grad():
        for parameter in interactive.questioner.parameters():
            parameter.zero_()
    torch.testing.assert_close(interactive(population), fixed(population))


def test_echo_asks_a_network_its_own_last_answer(random_population: MakePopulation) -> None:
    population, encoder = random_population(SPEC, 3), small_encoder("interactive", feedback="echo")
    with torch.no_grad():
        for parameter in (*encoder.questioner.parameters(), encoder.probe_logits):
            parameter.zero_()
    asked = encoder.interrogate(population)
    torch.testing.assert_close(asked.probes[:, :, 0], torch.full((3, 2, 6), 1 / 6, dtype=torch.float64))
    torch.testing.assert_close(asked.probes[:, :, 1:], asked.answers[:, :, :-1])


@pytest.mark.parametrize("name", PROBING)
def test_probes_start_as_the_strings_they_are_given(name: str, random_population: MakePopulation) -> None:
    strings = np.array([[4, 0, 1, 2, 3, 5], [4, 1, 1, 5, 5, 5], [4, 2, 3, 0, 0, 1]], dtype=np.int8)
    encoder = small_encoder(name, probes=5, probe_length=4, probe_init="traces")
    if name == "interactive":
        with torch.no_grad():
            for parameter in encoder.questioner.parameters():
                parameter.zero_()
    population = random_population(SPEC, 1)
    encoder.start(population, strings)
    assert encoder.probe_logits.requires_grad
    probes = encoder.interrogate(population).probes[0]
    asked = torch.from_numpy(strings[[0, 1, 2, 0, 1], :4]).long()
    assert torch.equal(probes.argmax(-1), asked)
    likelihood = probes.gather(-1, asked[..., None])
    torch.testing.assert_close(likelihood, torch.full_like(likelihood, np.e**3 / (np.e**3 + 5)))


@pytest.mark.parametrize("name", PROBING)
def test_strings_that_are_too_short_or_not_wanted(name: str, random_population: MakePopulation) -> None:
    strings, population = np.array([[4, 0]]), random_population(SPEC, 1)
    encoder = small_encoder(name, probe_init="traces")
    before = encoder.probe_logits.detach().clone()
    encoder.start(population, strings)
    assert torch.equal(encoder.probe_logits[:, 2:], before[:, 2:])
    assert torch.equal(encoder.probe_logits[:, :2].argmax(-1), torch.from_numpy(strings).expand(2, -1))
    unwilling = small_encoder(name)
    before = unwilling.probe_logits.detach().clone()
    unwilling.start(population, strings)
    assert torch.equal(unwilling.probe_logits, before)


def test_weight_encoders_have_no_use_for_strings(random_population: MakePopulation) -> None:
    for name in WEIGHT_ENCODERS:
        encoder = small_encoder(name)
        before = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
        encoder.start(random_population(SPEC, 1), np.array([[4, 0]]))
        assert all(torch.equal(encoder.state_dict()[key], tensor) for key, tensor in before.items())
        assert encoder.reads is Architecture
    assert all(ENCODERS[name].reads is Interface for name in PROBING)


def test_defaults_are_the_papers() -> None:
    for name in PROBING:
        encoder = build_encoder(name, form(name, Architecture.stack("lstm", 6, 32, 2, 6)))
        assert encoder.embedding_size == 16
        assert encoder.probe_logits.shape == (1, 22, 6)
        assert (encoder.core.hidden_size, encoder.core.num_layers) == (256, 2)
        assert [layer.out_features for layer in encoder.readout if hasattr(layer, "out_features")] == [128, 16]
    assert [
        tuple(p.shape)
        for p in build_encoder("flat", form("flat", Architecture.stack("lstm", 6, 32, 2, 6))).mlp[0].parameters()
    ] == [
        (128, 13766),
        (128,),
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_encoders_are_saved_as_float32_only(tmp_path: Path, dtype: torch.dtype) -> None:
    with pytest.raises(RNN2VecError, match=r"saved as float32; this one is .*encoder\.float\(\) first"):
        build_encoder("flat", form("flat", SPEC), hidden_size=9).to(dtype).save_pretrained(tmp_path / "encoder")
    assert not (tmp_path / "encoder" / "config.json").exists()


def test_numpys_sizes_are_plain_once_built(tmp_path: Path) -> None:
    encoder = build_encoder("flat", form("flat", SPEC), embedding_size=np.int64(4), hidden_size=np.int64(9))
    encoder.save_pretrained(tmp_path)
    assert load_encoder(tmp_path).config == encoder.config
