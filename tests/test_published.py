"""The paper's own generator: its weights and strings, run and judged by this code."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rnn2vec import Architecture, FormalLanguage, Population, RNN2VecError, zoo_recipe
from rnn2vec.engine import run
from rnn2vec.families.formal_languages import LanguageRecipe
from rnn2vec.networks.sampling import sample_strings
from rnn2vec.tasks.formal_language import BOS, EOS
from rnn2vec.zoo.build import train_population
from rnn2vec.zoo.published import export_published, import_published

PUBLISHED = Path(__file__).parents[2] / "shared" / "published_zoo"

pytestmark = pytest.mark.skipif(
    not (PUBLISHED / "parameters.npy").is_file(), reason="needs shared/published_zoo beside the repository"
)


@pytest.fixture(scope="module")
def published() -> SimpleNamespace:
    """The arrays of the published layout by name, and its networks as a population."""
    arguments = json.loads((PUBLISHED / "args.json").read_text())
    names = ("parameters", "sequences", "logits", "tasks", "num_step_correct")
    arrays = {name: np.load(PUBLISHED / f"{name}.npy", allow_pickle=False) for name in names}
    symbols = arguments["num_tokens"] + 2
    architecture = Architecture.stack(
        "lstm", symbols, arguments["rnn_hidden_size"], arguments["rnn_num_layers"], symbols
    )
    population = Population.from_flat(architecture, torch.from_numpy(arrays.pop("parameters")))
    return SimpleNamespace(**arrays, arguments=arguments, population=population)


def test_its_size_is_what_the_paper_says(published: SimpleNamespace) -> None:
    assert len(published.population) == 18
    assert published.population.architecture.num_parameters == 13766
    steps = published.num_step_correct[:, 1]
    assert sorted(set(steps.tolist())) == [0, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000]


def test_strings_that_never_end_lost_their_bos(published: SimpleNamespace) -> None:
    """The published generator pads from the first EOS on; where there is none, it overwrites BOS with EOS."""
    endless = (published.sequences[:, :, 1:] != EOS).all(-1)
    assert endless.sum() == 5
    np.testing.assert_array_equal(published.sequences[:, :, 0], np.where(endless, EOS, BOS))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_weights_give_its_log_probabilities(published: SimpleNamespace, dtype: torch.dtype) -> None:
    sequences = published.sequences.astype(np.int64)
    sequences[:, :, 0] = BOS  # see the test above
    tokens = torch.from_numpy(sequences[:, :, :-1])
    with torch.no_grad():
        found = run(published.population.to(dtype), tokens)[0].log_softmax(-1).double()
    stored = torch.from_numpy(published.logits).double()
    assert found.shape == stored.shape == (18, 100, 41, 6)
    # float16 rounds by 2**-11 of the number at most; what is left is single precision's
    error = (found - stored).abs() - 2.0**-11 * stored.abs()
    worst = error.flatten(1).max(1).values
    assert float(worst.max()) < 1e-5, worst.tolist()
    assert float(stored.std()) > 1


def test_accept_agrees_with_its_counts(published: SimpleNamespace) -> None:
    length, max_n = published.arguments["sequence_length"], published.arguments["max_n"]
    shares = []
    for row in range(18):
        language = FormalLanguage(*(int(shift) for shift in published.tasks[row, 1:]), length, max_n)
        count = int(language.accept(published.sequences[row]).sum())
        share = published.num_step_correct[row, 2] / 1000
        sigma = np.sqrt(share * (1 - share) * (1 / 100 + 1 / 1000))
        assert abs(count / 100 - share) <= max(4 * sigma, 0.02), (row, str(language), count, share)
        shares.append(share)
    assert max(shares) > 0.9  # some networks have learnt their language, so the comparison says something
    assert min(shares) < 0.1


def test_accept_tells_its_languages_apart(published: SimpleNamespace) -> None:
    best = int(published.num_step_correct[:, 2].argmax())
    mb, mc, md = (int(shift) for shift in published.tasks[best, 1:])
    other = FormalLanguage(mb, mc, md + (1 if md < 2 else -1))
    assert other.accept(published.sequences[best]).mean() < 0.1


class PublishedLanguages(LanguageRecipe):
    """The paper's recipe on the two languages of the published networks, four networks each."""

    def task(self, model: int) -> FormalLanguage:
        return [FormalLanguage(0, 1, -2), FormalLanguage(2, 1, -2)][model % 2]


def test_networks_trained_alike_become_as_accurate() -> None:
    """The published two write .985 and .970 of their strings in their language after 1,000 steps."""
    paper = zoo_recipe("formal-languages", "paper", snapshots=(1000,), models=4)
    recipe = PublishedLanguages(**{field.name: getattr(paper, field.name) for field in dataclasses.fields(paper)})
    step, population = next(train_population(recipe, range(4)))
    uniforms = torch.from_numpy(np.random.default_rng(0).random((4, 300, recipe.task_set.length - 1)))
    strings, _ = sample_strings(lambda tokens, state: run(population, tokens, state), uniforms, BOS, keep=0)
    accuracy = [recipe.task(model).accept(own.numpy()).mean() for model, own in enumerate(strings)]
    assert step == 1000
    assert np.median(accuracy) > 0.9


def test_a_round_trip_changes_no_byte(tmp_path: Path) -> None:
    zoo = import_published(PUBLISHED, tmp_path / "zoo")
    assert zoo.verify() == []
    assert (zoo.traces().inputs[:, :, 0] == BOS).all()
    assert str(zoo.task(0)) == str(FormalLanguage(*(int(m) for m in np.load(PUBLISHED / "tasks.npy")[0, 1:])))
    export_published(zoo, tmp_path / "again")
    written = sorted(path.name for path in (tmp_path / "again").iterdir())
    assert written == sorted(path.name for path in PUBLISHED.iterdir() if path.name != "README.md")
    for name in written:
        assert (tmp_path / "again" / name).read_bytes() == (PUBLISHED / name).read_bytes(), name


def test_a_truncated_array_is_explained(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for path in PUBLISHED.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    content = (source / "logits.npy").read_bytes()
    (source / "logits.npy").write_bytes(content[: len(content) // 2])
    with pytest.raises(RNN2VecError, match=r"logits.npy is damaged"):
        import_published(source, tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()
