"""Probing encoders: they never look at a weight, but ask the network questions and read its answers (section 4.2)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.encoders.forms import AskingEncoder
from rnn2vec.encoders.parts import multilayer_perceptron, normal_parameter
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import whole
from rnn2vec.interface import Interface
from rnn2vec.networks import Networks


@dataclasses.dataclass(frozen=True)
class Transcript:
    """What was asked and what was answered.

    Attributes:
        probes: inputs given to each network, ``[N, M, L, X]``.
        answers: what it replied to each, ``[N, M, L, Y]``: probabilities, or numbers.
        core_states: hidden states of the encoder's own recurrent core after each answer, ``[N, L, C]``; None for an
            encoder without one.
        log_probabilities: of every question that was drawn, ``[N, M, L]``; None unless questions are drawn.
        entropies: of what they were drawn from, ``[N, M, L]``, likewise.
    """

    probes: Float[Tensor, "N M L X"]
    answers: Float[Tensor, "N M L Y"]
    core_states: Float[Tensor, "N L C"] | None
    log_probabilities: Float[Tensor, "N M L"] | None = None
    entropies: Float[Tensor, "N M L"] | None = None


CHOICES = {
    "probe_init": ("random", "traces"),
    "readout": ("last", "all"),
    "feedback": ("none", "echo"),
    "questions": ("mixed", "single"),
}
"""Options of a probing encoder that are words."""


class ProbingEncoder(AskingEncoder):
    """Asks M parallel sequences of L questions; the answers make z.

    The questions are learned, as logits that the interface makes inputs of: points of the simplex over tokens, or
    numbers within a range. Non-interactive: they are fixed. Interactive: to each an
    MLP of the state of a recurrent core, which has read all answers so far, adds its part. That is the only difference
    between the two.

    Four options go beyond the paper, whose values are the defaults; what they are worth is in ``docs/learning.md``.

    Args:
        interface: of the networks; it can read all whose inputs and outputs are of these kinds and sizes.
        embedding_size: Z.
        probes: M, sequences of questions asked in parallel, each starting from a zero state.
        probe_length: L, questions in a sequence.
        core_size: hidden units of the core LSTM.
        core_layers: its layers.
        mlp_size: hidden units of the MLPs that make questions and z.
        probe_init: ``random`` logits, or ``traces``: logits of sequences that networks of the zoo read.
        readout: z from the core's ``last`` state, or from ``all`` answers.
        feedback: ``none``, or ``echo``: a question is the network's own last answer, changed by what the encoder adds.
        questions: ``mixed``, points of the simplex; or ``single``, one token each, as the theory counts them: drawn
            while training (``encoder.train()``), the likeliest in use (``encoder.eval()``). No gradient passes through
            a draw; its log-probability is in :class:`Transcript`. What was asked is then read beside the answers.

    Raises:
        RNN2VecError: if an option is unknown or out of range.
    """

    interactive: ClassVar[bool]

    def __init__(
        self,
        interface: Interface,
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
        super().__init__(interface, embedding_size, sizes, **choices)
        if questions == "single" and not interface.inputs.drawn:
            raise RNN2VecError("questions=single asks one token at a time, so it needs networks that read tokens")
        if feedback == "echo" and not (self.interactive and interface.can_echo):
            raise RNN2VecError(
                "feedback=echo asks a network its own last answer, so it needs an interactive encoder and "
                f"networks that predict their next input; got the {self.name} encoder, {interface}"
            )
        asked, heard_size = interface.inputs.size, probes * interface.outputs.size
        heard_size += probes * asked if questions == "single" else 0
        self.probe_logits = normal_parameter(probes, probe_length, asked)
        self.core = (
            nn.LSTM(heard_size, core_size, core_layers, batch_first=True)
            if self.interactive or readout == "last"
            else None
        )
        if self.interactive:
            self.questioner = multilayer_perceptron([core_size, mlp_size, probes * asked])
        read_size = core_size if readout == "last" else heard_size * probe_length
        self.readout = multilayer_perceptron([read_size, mlp_size, embedding_size])

    def work(self, networks: int) -> float:
        """That of one question to each, where they are asked one by one."""
        if not self.interactive:
            return super().work(networks)
        assert self.core is not None
        parameters = [*self.core.parameters(), *self.questioner.parameters()]
        return float(networks * sum(parameter.numel() for parameter in parameters))

    @torch.no_grad()
    def start(self, networks: Networks, sequences: Integer[np.ndarray, "K T"] | Float[np.ndarray, "K T X"]) -> None:
        """With ``probe_init=traces``, let the probes begin as sequences ``[K, T]`` or ``[K, T, X]``; probe k as
        sequence k modulo K.

        Sequences shorter than the probes go on with random logits.
        """
        if self.options["probe_init"] != "traces":
            return
        probes, length, _ = self.probe_logits.shape
        chosen = self.interface.inputs.tensor(sequences[np.arange(probes) % len(sequences), :length])
        logits = self.interface.inputs.logits(chosen)
        self.probe_logits[:, : chosen.shape[1]] = logits.to(self.probe_logits)

    def _ask(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Questions ``[..., X]`` from their logits; where they are drawn, log-probabilities and entropies ``[...]``."""
        if self.options["questions"] == "mixed":
            return self.interface.inputs.questions(logits), logits.new_zeros(()), logits.new_zeros(())
        chances = _chances(logits)
        # torch draws nothing from NaN; of an encoder that diverged, the log-probabilities tell
        token = _chances(logits.nan_to_num()).sample() if self.training else logits.argmax(-1)
        return F.one_hot(token, logits.shape[-1]).to(logits), chances.log_prob(token), chances.entropy()

    def _heard(self, probes: Tensor, answers: Tensor) -> Tensor:
        """What the encoder reads of questions and answers ``[N, M, L, ...]``, likewise."""
        return torch.cat([answers, probes], -1) if self.options["questions"] == "single" else answers

    def represent(self, networks: Networks) -> Float[Tensor, "N Z"]:
        asked = self.interrogate(networks)
        if self.options["readout"] == "last":
            assert asked.core_states is not None
            return self.readout(asked.core_states[:, -1])
        return self.readout(self._heard(asked.probes, asked.answers).flatten(1))

    def interrogate(self, networks: Networks, length: int | None = None) -> Transcript:
        """Put all questions to every network, or only the first ``length`` of each sequence.

        The core sees the answers as the interface reads them; every network's probes are its own, so N x M questions
        run at once.

        Raises:
            RNN2VecError: if it does not read such networks, or ``length`` is none of 1..L.
        """
        self.check_networks(networks)
        longest = self.probe_logits.shape[1]
        length = longest if length is None else whole("the number of questions", length, -longest, 2**31)
        if not 1 <= length <= longest:
            raise RNN2VecError(f"this encoder asks the first 1..{longest} questions, or all with None; got {length}")
        return self._ask_one_by_one(networks, length) if self.interactive else self._ask_at_once(networks, length)

    def _ask_at_once(self, networks: Networks, length: int) -> Transcript:
        logits = self.probe_logits[:, :length].expand(len(networks), -1, -1, -1)
        probes, *drawn = self._ask(logits)
        answers = self.interface.outputs.answers(networks.run(probes)[0])
        states = None if self.core is None else self.core(self._heard(probes, answers).transpose(1, 2).flatten(2))[0]
        return Transcript(probes, answers, states, *self._if_drawn(*drawn))

    def _ask_one_by_one(self, networks: Networks, length: int) -> Transcript:
        models, (count, _, size) = len(networks), self.probe_logits.shape
        core_states = [self.probe_logits.new_zeros(models, self.options["core_size"])]
        core_state: tuple[Tensor, Tensor] | None = None
        state: Any = None
        probes, answers, log_probabilities, entropies = [], [], [], []
        outputs: Tensor | None = None
        for step in range(length):
            logits = self.probe_logits[:, step] + self.questioner(core_states[-1]).unflatten(1, (count, size))
            if self.options["feedback"] == "echo" and outputs is not None:
                logits = logits + self.interface.echo(outputs)
            question, log_probability, entropy = self._ask(logits)
            reply, state = networks.run(question[:, :, None], state)
            outputs = reply[:, :, 0]
            probes.append(question)
            answers.append(self.interface.outputs.answers(outputs))
            log_probabilities.append(log_probability)
            entropies.append(entropy)
            assert self.core is not None
            heard = self._heard(question, answers[-1]).flatten(1)[:, None]
            read, core_state = self.core(heard, core_state)
            core_states.append(read[:, 0])
        drawn = (torch.stack(log_probabilities, -1), torch.stack(entropies, -1))
        states = torch.stack(core_states[1:], 1)
        return Transcript(torch.stack(probes, 2), torch.stack(answers, 2), states, *self._if_drawn(*drawn))

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
