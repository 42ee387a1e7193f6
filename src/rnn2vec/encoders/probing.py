"""Probing encoders: they never look at a weight, but ask the network questions and read its answers (section 4.2)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.encoders.encoder import Encoder, multilayer_perceptron, normal_parameter
from rnn2vec.engine import State, run
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number, whole
from rnn2vec.population import Population
from rnn2vec.spec import RNNSpec


@dataclasses.dataclass(frozen=True)
class Interrogation:
    """What was asked and what was answered.

    Attributes:
        probes: inputs given to each network, ``[N, M, L, X]``.
        answers: what it replied to each, ``[N, M, L, Y]``: probabilities.
        core_states: hidden states of the encoder's own recurrent core after each answer, ``[N, L, C]``; None for an
            encoder without one.
        log_probabilities: of every question that was drawn, ``[N, M, L]``; None unless questions are drawn.
        entropies: of what they were drawn from, ``[N, M, L]``, likewise.
    """

    probes: Tensor
    answers: Tensor
    core_states: Tensor | None
    log_probabilities: Tensor | None = None
    entropies: Tensor | None = None


CHOICES = {
    "probe_init": ("random", "rollouts"),
    "readout": ("last", "all"),
    "feedback": ("none", "echo"),
    "questions": ("mixed", "single"),
}
"""Options of a probing encoder that are words."""


def _require_range(values: Any) -> None:
    if not isinstance(values, (list, tuple)) or len(values) != 2:
        raise RNN2VecError(f"input_range is the lowest and the highest input, or None; got {values!r}")
    for value in values:
        number("an end of input_range", value, -math.inf)
    if not values[0] < values[1]:
        raise RNN2VecError(f"input_range is the lowest and the highest input, or None; got {values!r}")


class ProbingEncoder(Encoder):
    """Asks M parallel sequences of L questions; the answers make z.

    The questions are learned: points of the simplex over tokens (softmax of logits), or, for networks that read
    numbers, numbers within their range (through a sigmoid). Non-interactive: they are fixed. Interactive: to each an
    MLP of the state of a recurrent core, which has read all answers so far, adds its part. That is the only difference
    between the two.

    Four options go beyond the paper, whose values are the defaults; what they are worth is in ``docs/learning.md``.

    Args:
        spec: shape of the networks it was built for; it can read all with these input and output sizes.
        embedding_size: Z.
        probes: M, sequences of questions asked in parallel, each starting from a zero state.
        probe_length: L, questions in a sequence.
        core_size: hidden units of the core LSTM.
        core_layers: its layers.
        mlp_size: hidden units of the MLPs that make questions and z.
        probe_init: ``random`` logits, or ``rollouts``: logits of strings that networks of the zoo wrote.
        readout: z from the core's ``last`` state, or from ``all`` answers.
        feedback: ``none``, or ``echo``: a question is the network's own last answer, changed by what the encoder adds.
        questions: ``mixed``, points of the simplex; or ``single``, one token each, as the theory counts them: drawn
            while training (``encoder.train()``), the likeliest in use (``encoder.eval()``). No gradient passes through
            a draw; its log-probability is in :class:`Interrogation`. What was asked is then read beside the answers.
        input_range: lowest and highest number that the networks read; None if they read tokens.

    Raises:
        RNN2VecError: if an option is unknown or out of range.
    """

    reads_weights = False
    interactive: ClassVar[bool]

    def __init__(
        self,
        spec: RNNSpec,
        embedding_size: int = 16,
        probes: int = 1,
        probe_length: int = 22,
        core_size: int = 256,
        core_layers: int = 2,
        mlp_size: int = 128,
        probe_init: str = "random",
        readout: str = "last",
        feedback: str = "none",
        questions: str = "mixed",
        input_range: tuple[float, float] | None = None,
    ) -> None:
        sizes = {
            "probes": probes,
            "probe_length": probe_length,
            "core_size": core_size,
            "core_layers": core_layers,
            "mlp_size": mlp_size,
        }
        choices = {"probe_init": probe_init, "readout": readout, "feedback": feedback, "questions": questions}
        for name, value in choices.items():
            if value not in CHOICES[name]:
                raise RNN2VecError(f"{name} is one of {', '.join(CHOICES[name])}; got {value!r}")
        if input_range is not None:
            _require_range(input_range)
        between = None if input_range is None else list(input_range)
        super().__init__(spec, embedding_size, sizes, **choices, input_range=between)
        if input_range is not None and feedback == "echo":
            raise RNN2VecError("feedback=echo asks a network its own last answer, so it needs one that reads tokens")
        if input_range is not None and questions == "single":
            raise RNN2VecError("questions=single asks one token at a time, so it needs networks that read tokens")
        if feedback == "echo" and (not self.interactive or spec.input_size != spec.output_size):
            raise RNN2VecError(
                "feedback=echo asks a network its own last answer, so it needs an interactive encoder and "
                f"networks that predict their next input; got the {self.name} encoder, {spec}"
            )
        heard_size = probes * (spec.output_size + (spec.input_size if questions == "single" else 0))
        self.probe_logits = normal_parameter(probes, probe_length, spec.input_size)
        self.core = (
            nn.LSTM(heard_size, core_size, core_layers, batch_first=True)
            if self.interactive or readout == "last"
            else None
        )
        if self.interactive:
            self.questioner = multilayer_perceptron([core_size, mlp_size, probes * spec.input_size])
        read_size = core_size if readout == "last" else heard_size * probe_length
        self.readout = multilayer_perceptron([read_size, mlp_size, embedding_size])

    def check_readable(self, spec: RNNSpec) -> None:
        if (spec.input_size, spec.output_size) != (self.spec.input_size, self.spec.output_size):
            raise RNN2VecError(
                f"this {self.name} encoder reads networks with {self.spec.input_size} inputs and "
                f"{self.spec.output_size} outputs; got {spec}"
            )

    @torch.no_grad()
    def start_probes(self, sequences: Tensor) -> None:
        """With ``probe_init=rollouts``, let the probes begin as sequences ``[K, T]`` or ``[K, T, X]``; probe k as
        sequence k modulo K.

        A token's logit is 3 above the others', which is 4/5 of the probability among six; sequences shorter than the
        probes go on with random logits.
        """
        if self.options["probe_init"] != "rollouts":
            return
        probes, length, size = self.probe_logits.shape
        chosen = sequences[torch.arange(probes, device=sequences.device) % len(sequences), :length]
        if self.options["input_range"] is None:
            logits = 3.0 * F.one_hot(chosen.long(), size)
        else:
            low, high = self.options["input_range"]
            logits = ((chosen.float() - low) / (high - low)).logit(eps=0.02)
        self.probe_logits[:, : chosen.shape[1]] = logits.to(self.probe_logits)

    def _as_inputs(self, logits: Tensor) -> Tensor:
        """Questions ``[..., X]`` that the networks can read."""
        if self.options["input_range"] is None:
            return logits.softmax(-1)
        low, high = self.options["input_range"]
        return low + (high - low) * logits.sigmoid()

    def _ask(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Questions ``[..., X]`` from their logits; where they are drawn, log-probabilities and entropies ``[...]``."""
        if self.options["questions"] == "mixed":
            return self._as_inputs(logits), logits.new_zeros(()), logits.new_zeros(())
        chances = _chances(logits)
        # torch draws nothing from NaN; of an encoder that diverged, the log-probabilities tell
        token = _chances(logits.nan_to_num()).sample() if self.training else logits.argmax(-1)
        return F.one_hot(token, logits.shape[-1]).to(logits), chances.log_prob(token), chances.entropy()

    def _heard(self, probes: Tensor, answers: Tensor) -> Tensor:
        """What the encoder reads of questions and answers ``[N, M, L, ...]``, likewise."""
        return torch.cat([answers, probes], -1) if self.options["questions"] == "single" else answers

    def represent(self, population: Population) -> Tensor:
        interrogation = self.interrogate(population)
        if self.options["readout"] == "last":
            assert interrogation.core_states is not None
            return self.readout(interrogation.core_states[:, -1])
        return self.readout(self._heard(interrogation.probes, interrogation.answers).flatten(1))

    def interrogate(self, population: Population, length: int | None = None) -> Interrogation:
        """Put all questions to every network, or only the first ``length`` of each sequence.

        The core sees the answers as probabilities; every network's probes are its own, so N x M questions run at once.

        Raises:
            RNN2VecError: if it does not read such networks, or ``length`` is none of 1..L.
        """
        self.check_population(population)
        longest = self.probe_logits.shape[1]
        length = longest if length is None else whole("the number of questions", length, -longest, 2**31)
        if not 1 <= length <= longest:
            raise RNN2VecError(f"this encoder asks the first 1..{longest} questions, or all with None; got {length}")
        return self._ask_one_by_one(population, length) if self.interactive else self._ask_at_once(population, length)

    def _ask_at_once(self, population: Population, length: int) -> Interrogation:
        logits = self.probe_logits[:, :length].expand(len(population), -1, -1, -1)
        probes, *drawn = self._ask(logits)
        answers = run(population, probes)[0].softmax(-1)
        states = None if self.core is None else self.core(self._heard(probes, answers).transpose(1, 2).flatten(2))[0]
        return Interrogation(probes, answers, states, *self._if_drawn(*drawn))

    def _ask_one_by_one(self, population: Population, length: int) -> Interrogation:
        models, (count, _, size) = len(population), self.probe_logits.shape
        core_states = [self.probe_logits.new_zeros(models, self.options["core_size"])]
        core_state: tuple[Tensor, Tensor] | None = None
        state: State | None = None
        probes, answers, log_probabilities, entropies = [], [], [], []
        outputs: Tensor | None = None
        for step in range(length):
            logits = self.probe_logits[:, step] + self.questioner(core_states[-1]).unflatten(1, (count, size))
            if self.options["feedback"] == "echo" and outputs is not None:
                logits = logits + outputs.log_softmax(-1).clamp(min=-10.0)
            question, log_probability, entropy = self._ask(logits)
            reply, state = run(population, question[:, :, None], state)
            outputs = reply[:, :, 0]
            probes.append(question)
            answers.append(outputs.softmax(-1))
            log_probabilities.append(log_probability)
            entropies.append(entropy)
            assert self.core is not None
            heard = self._heard(question, answers[-1]).flatten(1)[:, None]
            read, core_state = self.core(heard, core_state)
            core_states.append(read[:, 0])
        drawn = (torch.stack(log_probabilities, -1), torch.stack(entropies, -1))
        states = torch.stack(core_states[1:], 1)
        return Interrogation(torch.stack(probes, 2), torch.stack(answers, 2), states, *self._if_drawn(*drawn))

    def _if_drawn(self, log_probabilities: Tensor, entropies: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return (log_probabilities, entropies) if self.options["questions"] == "single" else (None, None)


def _chances(logits: Tensor) -> torch.distributions.Categorical:
    return torch.distributions.Categorical(logits=logits, validate_args=False)


class NoninteractiveEncoder(ProbingEncoder):
    """Asks every network the same learned questions. See :class:`ProbingEncoder`."""

    name = "noninteractive"
    interactive = False


class InteractiveEncoder(ProbingEncoder):
    """Lets each question depend on the answers so far. See :class:`ProbingEncoder`."""

    name = "interactive"
    interactive = True
