"""Rotated, tiled digits: their files, the rotation, the sequences."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pooch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from rnn2vec import RNN2VecError
from rnn2vec.randomness import generator
from rnn2vec.tasks.digits import FILES, NORMALISATION, load_digits
from rnn2vec.tasks.tiled_digits import TiledDigits, rotation, tile_order

MNIST = Path(__file__).parents[2] / "shared" / "mnist"
needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="needs shared/mnist beside the repository")


def rotated(image: np.ndarray, angle: float) -> np.ndarray:
    """The image turned by the map under test."""
    return (rotation(len(image), angle) @ image.ravel()).reshape(image.shape)


@given(angle=st.floats(0, 360, exclude_max=True), side=st.sampled_from([5, 8, 28]), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_rotation_agrees_with_scipy(angle: float, side: int, seed: int) -> None:
    image = np.random.default_rng(seed).random((side, side))
    expected = ndimage.rotate(image, angle, reshape=False, order=1, mode="grid-constant", cval=0.0, prefilter=False)
    np.testing.assert_allclose(rotated(image, angle), expected, atol=1e-5)


def test_quarter_turns_move_pixels() -> None:
    image = np.random.default_rng(0).random((28, 28)).astype(np.float32)
    for quarter in range(4):
        np.testing.assert_array_equal(rotated(image, 90.0 * quarter), np.rot90(image, quarter))


def test_a_full_turn_in_two_parts_comes_back() -> None:
    y, x = np.mgrid[:28, :28] - 13.5
    blob = np.exp(-((x - 3) ** 2 + (y + 2) ** 2) / 30)  # smooth, so that interpolating twice costs little
    np.testing.assert_allclose(rotated(rotated(blob, 77.0), 283.0), blob, atol=0.04)


@pytest.mark.parametrize(("side", "tile"), [(28, 4), (8, 2)])
def test_tiling_is_inverted_exactly(side: int, tile: int) -> None:
    image = np.random.default_rng(0).random((side, side))
    tiles = image.ravel()[tile_order(side, tile)].reshape(-1, tile, tile)
    count = side // tile
    rows = [np.concatenate(list(tiles[row * count : (row + 1) * count]), axis=1) for row in range(count)]
    np.testing.assert_array_equal(np.concatenate(rows), image)
    np.testing.assert_array_equal(tiles[1], image[:tile, tile : 2 * tile])  # the second tile is right of the first


def test_sequences_hold_the_normalised_image() -> None:
    task, digits = TiledDigits(0.0, "uci"), load_digits("uci")
    inputs, labels = task.sequences(np.arange(20))
    assert inputs.shape == (20, 17, 4)
    assert inputs.dtype == np.float32
    assert (inputs[:, 0] == 0).all()
    np.testing.assert_array_equal(labels, digits.labels[:20])
    mean, std = NORMALISATION["uci"]
    pixels = np.empty((20, 64))
    pixels[:, tile_order(8, 2)] = inputs[:, 1:].reshape(20, 64) * std + mean
    np.testing.assert_array_equal(np.round(pixels * 255).astype(int).reshape(20, 8, 8), digits.images[:20])


def test_a_turned_image_is_the_image_turned() -> None:
    (turned, _), (upright, _) = (TiledDigits(angle, "uci").sequences(np.arange(5)) for angle in (90.0, 0.0))
    order = tile_order(8, 2)
    images = np.empty((2, 5, 64), dtype=np.float32)
    images[0][:, order], images[1][:, order] = turned[:, 1:].reshape(5, 64), upright[:, 1:].reshape(5, 64)
    np.testing.assert_allclose(images[0].reshape(5, 8, 8), np.rot90(images[1].reshape(5, 8, 8), axes=(1, 2)), atol=1e-5)


def test_the_size_of_a_batch_changes_no_bit() -> None:
    task = TiledDigits(33.3, "uci")
    whole, _ = task.sequences(np.arange(100))
    parts = np.concatenate([task.sequences(np.arange(k, k + 5))[0] for k in range(0, 100, 5)])
    assert (whole == parts).all()


def test_training_and_validation_are_the_same_for_every_network() -> None:
    one, other = TiledDigits(10.0, "uci"), TiledDigits(200.0, "uci")
    np.testing.assert_array_equal(one.training, other.training)
    assert len(one.training) == 1437
    assert sorted([*one.training, *one.validation]) == list(range(1797))


def test_samples_are_training_images_and_the_generator_s() -> None:
    task = TiledDigits(45.0, "uci")
    inputs, targets = task.sample(64, generator(0, "test"))
    again, _ = task.sample(64, generator(0, "test"))
    np.testing.assert_array_equal(inputs, again)
    assert targets.shape == (64, 17)
    assert (targets == targets[:, :1]).all()
    training, _ = task.sequences(task.training)
    known = {row.tobytes() for row in training}
    assert all(row.tobytes() in known for row in inputs)


def test_the_small_digits_are_normalised() -> None:
    inputs, _ = TiledDigits(0.0, "uci").sequences(np.arange(1797))
    assert inputs[:, 1:].mean() == pytest.approx(0, abs=1e-3)
    assert inputs[:, 1:].std() == pytest.approx(1, abs=1e-3)


def test_images_are_named_as_rows_are() -> None:
    task, mask = TiledDigits(30.0, "uci"), np.arange(1797) % 600 == 7
    for found, expected in zip(task.sequences(mask), task.sequences(np.array([7, 607, 1207])), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(RNN2VecError, match=r"each image has a number in 0\.\.1796"):
        task.sequences(np.array([1797]))


@pytest.mark.parametrize("angle", [-1.0, 360.0, float("nan"), "90", None])
def test_angles_out_of_range_are_refused(angle: float) -> None:
    with pytest.raises(RNN2VecError, match="from 0 up to 360"):
        TiledDigits(angle, "uci")


def test_unknown_digits_are_refused() -> None:
    with pytest.raises(RNN2VecError, match="mnist, uci; got 'svhn'"):
        TiledDigits(0.0, "svhn")


@needs_mnist
def test_mnist_is_read_gzipped_or_not(tmp_path: Path) -> None:
    digits = load_digits("mnist", str(MNIST))
    assert digits.images.shape == (60_000, 28, 28)
    assert np.bincount(digits.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    for name in FILES:
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(gzip.decompress((MNIST / f"{name}.gz").read_bytes()))
    np.testing.assert_array_equal(load_digits("mnist", str(tmp_path)).images, digits.images)
    inputs, _ = TiledDigits(0.0, "mnist", str(MNIST)).sequences(np.arange(2000))
    assert inputs.shape == (2000, 50, 16)
    assert inputs[:, 1:].std() == pytest.approx(1, abs=0.02)


@needs_mnist
@pytest.mark.parametrize("damage", ["truncated", "altered", "missing", "swapped"])
def test_damaged_mnist_is_explained(tmp_path: Path, damage: str) -> None:
    images, labels = (f"{name}.gz" for name in FILES)
    for name in (images, labels):
        shutil.copyfile(MNIST / name, tmp_path / name)
    content = (tmp_path / labels).read_bytes()
    if damage == "missing":
        (tmp_path / labels).unlink()
    elif damage == "truncated":
        (tmp_path / labels).write_bytes(content[:1000])
    elif damage == "altered":
        (tmp_path / labels).write_bytes(gzip.compress(b"\0" + gzip.decompress(content)[1:-1] + b"\1"))
    else:
        (tmp_path / labels).write_bytes((tmp_path / images).read_bytes())
    with pytest.raises(RNN2VecError, match=r"train-labels-idx1-ubyte"):
        load_digits("mnist", str(tmp_path))


@pytest.mark.parametrize("error", [OSError("no route to host"), ValueError("the hash does not match")])
def test_a_failed_download_names_the_ways_out(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(pooch, "retrieve", fail)
    with pytest.raises(RNN2VecError, match="--digits uci"):
        load_digits("mnist")


@needs_mnist
def test_a_download_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def retrieve(url: str, known_hash: str, name: str, cache: object, progressbar: bool) -> str:
        asked.append((url, known_hash))
        return str(MNIST / name)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    load_digits.cache_clear()
    assert load_digits("mnist").images.shape == (60_000, 28, 28)
    assert [known_hash for _, known_hash in asked] == [hashes[0] for hashes in FILES.values()]
    load_digits.cache_clear()
