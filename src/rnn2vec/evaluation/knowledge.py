"""Knowledge: what an encoder's own zoo taught of its z, kept beside it, so that it can be read without the zoo.

No fitted reader is stored, since nothing is ever unpickled: the representations and labels that it was fitted to are,
and it is fitted again, within seconds, when it is first asked.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from scipy.special import softmax

from rnn2vec.checksums import CHECKSUMS, recorded_checksum, require_unaltered, sealed
from rnn2vec.emulation.emulator import Emulator
from rnn2vec.encoders.directory import EMULATOR, KNOWLEDGE
from rnn2vec.errors import RNN2VecError
from rnn2vec.evaluation.calibration import confidence_of, error_covered, out_of_fold, temperature_of
from rnn2vec.evaluation.imitation import Imitation
from rnn2vec.evaluation.predictors import Predictors, seen_rows
from rnn2vec.evaluation.properties import learnt, properties_of, shown_by
from rnn2vec.evaluation.readers import READERS, Fitted, folds, kept_rows
from rnn2vec.families.family import Property
from rnn2vec.families.kinds import KINDS
from rnn2vec.families.recipe import LARGEST_SEED
from rnn2vec.fields import number, whole
from rnn2vec.files import read_json, read_tensors, write_atomically, write_json
from rnn2vec.networks import Networks
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

RECORD, TENSORS = KNOWLEDGE
NEAR, MARGIN = 0.95, 2.0
"""A network is known within so many times the distance that this share of the zoo keeps from networks of other tasks,
and within so many times the error by which an emulator imitates this share of them.

Twice, since other cells, sizes and boxes asked letter by letter are further off, and strangers much further
(``docs/predict.md``).
"""
MOST_IMITATED = 1024
"""Networks, evenly spread, that tell how well the emulator imitates those of a zoo."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels that a reader of one property is fitted to.

    Attributes:
        wanted: the property.
        z: representations ``[rows, Z]``.
        truth: values ``[rows]``.
        reader: which of :data:`rnn2vec.evaluation.readers.READERS`.
        sure: of a class, the temperature of its scores; of a number, the error that is rarely exceeded.
        seed: of the reader.
    """

    wanted: Property
    z: np.ndarray
    truth: np.ndarray
    reader: str
    sure: float
    seed: int

    @cached_property
    def fitted(self) -> Fitted:
        """The reader, fitted."""
        return READERS[self.reader].fit(self.wanted.kind, self.z, self.truth, self.seed)

    def read(self, z: np.ndarray) -> dict[str, np.ndarray]:
        """Values ``[N]``, and how sure they are, from representations ``[N, Z]``."""
        found, name = self.fitted(z), self.wanted.name
        if self.fitted.scores is None:
            if self.wanted.kind == "number":  # beyond what was seen nothing was learnt
                found = np.clip(found, self.truth.min(), self.truth.max())
            return {name: found, f"{name}_error": np.full(len(z), self.sure)}
        chosen = np.searchsorted(self.fitted.classes, found)
        return {name: found, f"{name}_confidence": confidence_of(self.fitted.scores(z), chosen, self.sure)}

    def chances(self, z: np.ndarray) -> dict[Any, np.ndarray]:
        """The probability ``[N]`` of each class, from representations ``[N, Z]``; of a number, none."""
        if self.fitted.scores is None:
            return {}
        likely = softmax(self.fitted.scores(z) / self.sure, axis=1)
        return dict(zip(self.fitted.classes.tolist(), likely.T, strict=True))


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """What is read from the z of any network, by what an encoder's own zoo taught.

    Called with representations ``[N, Z]``, it returns arrays ``[N]``. Of each property there are its values, under its
    name, and ``NAME_confidence``, the calibrated probability of a class, or ``NAME_error``, which nine of ten
    errors of a number do not exceed; numbers are within the range of the zoo's. ``distance`` is that to the nearest
    network of the zoo that has learnt its task (one minus the cosine). Called with the networks, too,
    ``imitation_error`` is how far the emulator, told z, is from what they write, or else answer to questions of the
    zoo. ``known`` is whether each is at most its limit: beyond, the values mean nothing.

    Attributes:
        labels: of each property that there was something to fit to.
        z: representations of the networks that have learnt their task, ``[rows, Z]``.
        limit: the largest distance of a network like these.
        imitation: by the emulator; None where it imitates the zoo's own networks no better than what knows nothing.
    """

    labels: tuple[Labels, ...]
    z: np.ndarray
    limit: float
    imitation: Imitation | None = None

    @classmethod
    def of_zoo(
        cls, zoo: Zoo, z: np.ndarray, predictors: Predictors, seed: int = 0, emulator: Emulator | None = None
    ) -> Knowledge:
        """Learn from the networks that predictors see, see :func:`rnn2vec.evaluation.predictors.fit_predictors`.

        Args:
            zoo: whose snapshots were encoded.
            z: representations of them all, ``[snapshots, Z]``.
            predictors: fitted to these; they say which reader is the best of a property.
            seed: theirs.
            emulator: trained with the encoder; without it, networks are known by their distance alone.
        """
        seen = seen_rows(split_zoo(zoo))
        tasks = np.unique(zoo.groups, axis=0, return_inverse=True)[1].reshape(-1)
        labels = []
        for wanted in properties_of(zoo):
            reader = predictors.readings[wanted.name].reader
            if reader:
                rows = seen[shown_by(wanted, zoo)[seen]]
                rows = rows[kept_rows(len(rows), seed)]
                labels.append(_labels(wanted, z[rows], zoo.column(wanted.name)[rows], tasks[rows], reader, seed))
        able = seen[learnt(zoo)[seen]]
        able = able if len(able) else seen
        imitation: Imitation | None = None
        if emulator is not None:
            imitation = Imitation.of_zoo(zoo, emulator)
            few = able[np.linspace(0, len(able) - 1, min(len(able), MOST_IMITATED)).astype(int)]
            errors = imitation.errors(zoo.stored_networks()[few], z[few])
            imitation = imitation.within(errors, NEAR, MARGIN)
        return cls(tuple(labels), z[able].astype(np.float32), _limit(z[able], tasks[able]), imitation)

    def __call__(self, z: np.ndarray, networks: Networks | None = None) -> dict[str, np.ndarray]:
        """Read representations ``[N, Z]``; with their networks, which are asked what they write, it is surer of what it
        does not know.
        """
        found: dict[str, np.ndarray] = {}
        for each in self.labels:
            found |= each.read(z)
        found["distance"] = nearest_distance(z, self.z)
        known = found["distance"] <= self.limit
        if networks is not None and self.imitation is not None:
            # weights alone, or modules that read no tokens, answer nothing, and are known by their distance
            with contextlib.suppress(RNN2VecError):
                if self.imitation.reads(networks):
                    found["imitation_error"] = self.imitation.errors(networks, z)
                    known &= found["imitation_error"] <= self.imitation.limit
        return found | {"known": known}

    def strangeness(self, found: Mapping[str, np.ndarray]) -> np.ndarray:
        """How far networks are from known ones, ``[N]``, by what was read of them: the larger of the distance and the
        error of imitation, in parts of its limit. Known ones are at most at 1.
        """
        far = _in_parts(found["distance"], self.limit)
        if self.imitation is None or "imitation_error" not in found:
            return far
        return np.maximum(far, _in_parts(found["imitation_error"], self.imitation.limit))

    def classes(self, name: str) -> list[Any]:
        """The classes of one property.

        Raises:
            RNN2VecError: if the property is unknown, or no class.
        """
        return list(np.unique(self._of_classes(name).truth).tolist())

    def chances(self, name: str, z: np.ndarray) -> dict[Any, np.ndarray]:
        """How likely each class of one property is: calibrated probabilities ``[N]`` by class.

        Raises:
            RNN2VecError: if the property is unknown, or no class.
        """
        return self._of_classes(name).chances(z)

    def _of_classes(self, name: str) -> Labels:
        known = {each.wanted.name: each for each in self.labels if each.wanted.kind == "class"}
        if name not in known:
            raise RNN2VecError(f"classes that this encoder knows are {', '.join(known) or 'none'}; got {name!r}")
        return known[name]

    def write(self, directory: Path) -> None:
        """Write both files."""
        tensors, plain = {"z": self.z}, []
        for each in self.labels:
            kind, name = each.wanted.kind, each.wanted.name
            classes = np.unique(each.truth) if kind == "class" else each.truth[:0]
            codes = np.searchsorted(classes, each.truth).astype(np.int32) if kind == "class" else each.truth
            tensors |= {f"{name}.z": each.z.astype(np.float32), f"{name}.truth": codes}
            said = {"classes": classes.tolist()} if kind == "class" else {}
            plain.append(
                {**dataclasses.asdict(each.wanted), "reader": each.reader, "sure": each.sure, "seed": each.seed, **said}
            )
        record: dict[str, Any] = {"properties": plain, "limit": self.limit, CHECKSUMS: {}}
        if self.imitation is not None:
            record["imitation"], arrays, record[CHECKSUMS][EMULATOR] = self.imitation.write(directory)
            tensors |= arrays
        content = safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
        record[CHECKSUMS][TENSORS] = write_atomically(directory / TENSORS, content)
        write_json(directory / RECORD, sealed(record))

    @classmethod
    def read(cls, directory: Path) -> Knowledge | None:
        """Read what :meth:`write` wrote; None where there is nothing.

        Raises:
            RNN2VecError: if it is damaged, or no such knowledge.
        """
        path = directory / RECORD
        if not path.exists():
            return None
        record = read_json(path, "knowledge")
        require_unaltered(path, record)
        tensors = read_tensors(directory / TENSORS, recorded_checksum(path, record, TENSORS))
        try:
            labels = tuple(_read_labels(own, tensors) for own in record["properties"])
            limit, z = number("limit", record["limit"]), _vectors(tensors["z"])
            imitation = _read_imitation(directory, record, tensors)
        except (KeyError, IndexError, TypeError, ValueError, RNN2VecError) as error:
            raise RNN2VecError(f"{path} is not the knowledge of an encoder ({error})") from error
        told = () if imitation is None else (imitation.emulator.condition.in_features,)
        if any(size != z.shape[1] for size in (*told, *(own.z.shape[1] for own in labels))):
            raise RNN2VecError(f"{path} is not the knowledge of an encoder (representations differ in size)")
        return cls(labels, z, limit, imitation)


def _in_parts(values: np.ndarray, limit: float) -> np.ndarray:
    return values / limit if limit else np.where(values > 0, np.inf, 0.0)


def nearest_distance(z: np.ndarray, known: np.ndarray) -> np.ndarray:
    """One minus the cosine ``[N]`` of unit vectors ``[N, Z]`` and the nearest of ``[rows, Z]``."""
    return np.maximum(0.0, 1.0 - np.max(z.astype(np.float32) @ known.T.astype(np.float32), axis=1))


def _labels(wanted: Property, z: np.ndarray, truth: np.ndarray, tasks: np.ndarray, reader: str, seed: int) -> Labels:
    """With what rows teach that the reader was not fitted to: how sure it may be."""
    found, scores = out_of_fold(READERS[reader], wanted.kind, z, truth, folds(tasks, seed), seed)
    if wanted.kind == "class":
        sure = temperature_of(scores, np.searchsorted(np.unique(truth), truth))
    else:
        sure = error_covered(wanted.kind, found, truth)
    return Labels(wanted, z, truth, reader, sure, seed)


def _limit(z: np.ndarray, tasks: np.ndarray) -> float:
    """:data:`MARGIN` times the distance to networks of other tasks that :data:`NEAR` of the networks do not exceed."""
    z = z.astype(np.float32)
    distances = [nearest_distance(z[tasks == own], z[tasks != own]) for own in np.unique(tasks) if (tasks != own).any()]
    return MARGIN * float(np.quantile(np.concatenate(distances), NEAR, method="higher")) if distances else 2.0


def _vectors(z: np.ndarray) -> np.ndarray:
    if z.ndim != 2 or z.dtype.kind != "f" or not len(z) or not np.isfinite(z).all():
        raise ValueError("representations are finite numbers [rows, Z]")
    return z


def _read_imitation(directory: Path, record: dict[str, Any], tensors: Mapping[str, np.ndarray]) -> Imitation | None:
    if "imitation" not in record:
        return None
    checksum = recorded_checksum(directory / RECORD, record, EMULATOR)
    return Imitation.read(directory, record["imitation"], tensors, checksum)


def _read_labels(own: dict[str, Any], tensors: dict[str, np.ndarray]) -> Labels:
    wanted = Property(str(own["name"]), own["kind"], bool(own["of_task"]))
    z, truth = _vectors(tensors[f"{wanted.name}.z"]), tensors[f"{wanted.name}.truth"]
    if wanted.kind not in KINDS or own["reader"] not in READERS or truth.shape != z.shape[:1]:
        raise ValueError(f"unknown kind or reader of {wanted.name}, or not one value a row")
    sure = number(f"what is sure of {wanted.name}", own["sure"])
    if wanted.kind == "class":
        if truth.dtype.kind != "i" or truth.min() < 0 or not sure:
            raise ValueError(f"values of {wanted.name} are numbers of its classes, its temperature is above 0")
        truth = np.array(own["classes"])[truth]
    if truth.dtype.kind == "f" and not np.isfinite(truth).all():
        raise ValueError(f"values of {wanted.name} are finite")
    return Labels(wanted, z, truth, own["reader"], sure, whole("seed", own["seed"], -LARGEST_SEED, LARGEST_SEED))
