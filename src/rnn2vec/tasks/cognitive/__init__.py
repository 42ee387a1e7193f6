"""Cognitive tasks of neuroscience, behind one interface: seven numbers in, three out, trials of 60 steps."""

from __future__ import annotations

from rnn2vec.tasks.cognitive.comparisons import DelayedComparison, DelayedMatch, DelayedNonMatch
from rnn2vec.tasks.cognitive.decisions import ContextIntegration, MultisensoryIntegration, PerceptualDecision
from rnn2vec.tasks.cognitive.flip_flop import FlipFlop
from rnn2vec.tasks.cognitive.intervals import IntervalReproduction, ReadySetGo
from rnn2vec.tasks.cognitive.navigation import HeadDirection, PathIntegration
from rnn2vec.tasks.cognitive.reaching import AntiGo, DelayedAntiGo, DelayedGo, Go
from rnn2vec.tasks.cognitive.sines import SineGenerator
from rnn2vec.tasks.cognitive.trials import CognitiveTask

TASKS: tuple[type[CognitiveTask], ...] = (
    Go,
    AntiGo,
    DelayedGo,
    DelayedAntiGo,
    PerceptualDecision,
    ContextIntegration,
    MultisensoryIntegration,
    DelayedMatch,
    DelayedNonMatch,
    DelayedComparison,
    ReadySetGo,
    IntervalReproduction,
    FlipFlop,
    SineGenerator,
    PathIntegration,
    HeadDirection,
)
"""Kinds of tasks; each stands at the place of its ``number``."""
