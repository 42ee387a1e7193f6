"""What was found out of a box, as JSON and as a page."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from rnn2vec.identification.found import UNLIKELY, Identification
from rnn2vec.report.identification import narrowing
from rnn2vec.report.page import Section, render_page

SHOWN = 20
"""Candidates, and steps of a question, that are shown."""


def plain_identification(found: Identification) -> dict[str, Any]:
    """All of it, JSON-serialisable: candidates of a millionth and more, and in any case the first few."""
    return {
        "candidates": [
            dataclasses.asdict(each)
            for place, each in enumerate(found.candidates)
            if each.probability >= UNLIKELY or place < SHOWN
        ],
        "none_of_these": found.none_of_these,
        "altered_copy": found.altered_copy.name if found.altered_copy else None,
        "answers": found.answers,
        "noise": found.noise,
        "bits": list(found.bits),
        "none": list(found.none),
        "questions": found.questions,
        "letters": found.letters,
        "ended": found.ended,
        "failed": found.failed,
        "alike": [list(names) for names in found.alike],
        "transcript": [
            {"question": told.question.tolist(), "answer": told.answer.tolist(), "begun": told.begun}
            for told in found.transcript
        ],
    }


def candidate_rows(found: Identification, most: int) -> list[dict[str, str]]:
    """A table: candidates that are likely, or, where it is none of them, the nearest; and that it is none."""
    shown = [each for each in found.candidates[:most] if each.probability >= 1e-4 or found.none_of_these > 0.5]
    rows = [
        {
            "candidate": each.name,
            "probability": f"{each.probability:.4f}",
            **({} if each.difference is None else {"difference": f"{each.difference:.3g}"}),
        }
        for each in shown
    ]
    last = {"candidate": "none of these", "probability": f"{found.none_of_these:.4f}"}
    return [*rows, last | ({"difference": ""} if rows and "difference" in rows[0] else {})]


def identification_page(found: Identification, box: str, footer: str = "") -> str:
    """One HTML page that needs nothing but itself."""
    rows = candidate_rows(found, SHOWN)
    asked = [
        {
            "question": str(number + 1),
            "steps": str(len(told.question) - told.begun),
            "asked": ("... " if told.begun else "") + _short(told.question[told.begun :]),
        }
        for number, told in enumerate(found.transcript)
    ]
    bits, none = np.array(found.bits), np.array(found.none)
    sections = [
        Section(
            "How the field narrows",
            "Bits that are left of which network it is, and the probability that it is none, after each question.",
            narrowing(bits, none),
        ),
        Section("What was asked", "Each question begins anew, but for those with dots, which go on.", table=asked),
    ]
    if found.alike:
        alike = [{"networks": ", ".join(names)} for names in found.alike]
        sections.append(Section("Not told apart", "They answer every question of the pool alike.", table=alike))
    lead = f"The box is {box}. {found.questions} questions, {found.letters} steps in all; then {found.ended}."
    return render_page("Which network is it?", lead, rows, "", sections, footer)


def _short(question: np.ndarray) -> str:
    plain = [f"{value:.3g}" if question.dtype.kind == "f" else str(value) for value in question.reshape(-1)[:SHOWN]]
    return " ".join(plain) + (" ..." if question.size > SHOWN else "")
