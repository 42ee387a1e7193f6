"""The page of a comparison: figures, tables and what they do not say."""

from __future__ import annotations

from rnn2vec.library.compare import Comparison
from rnn2vec.report.comparison import both_answers, difference_over_time
from rnn2vec.report.page import Section, render_page

NOT_PROVEN = "What was not found in the search is not proven to be absent."


def summary_rows(comparison: Comparison) -> list[dict[str, str]]:
    """A row a figure, as text."""
    traces, worst = comparison.traces, comparison.worst
    rows = {
        "mean difference": f"{traces.mean:.4g}",
        "largest difference on the inputs": f"{traces.largest:.4g}",
        "largest difference found by search": f"{worst.difference:.4g}",
    }
    if traces.error_to_signal is not None:
        rows["error-to-signal ratio"] = f"{traces.error_to_signal:.4g}"
    if traces.disagreement is not None:
        rows["steps with another likeliest class"] = f"{traces.disagreement:.2%}"
    parts = ["first", "second", "third", "last"] if len(traces.by_part) == 4 else map(str, range(len(traces.by_part)))
    rows |= {
        f"mean, {part} quarter of the steps": f"{value:.4g}" for part, value in zip(parts, traces.by_part, strict=True)
    }
    return [{"figure": name, "value": value} for name, value in rows.items()]


def comparison_page(comparison: Comparison, name_a: str, name_b: str, footer: str = "") -> str:
    """One HTML page that needs nothing but itself."""
    traces, worst, outputs = comparison.traces, comparison.worst, comparison.interface.outputs
    outputs_rows = [
        {"output": str(number), "mean absolute difference": f"{mean:.4g}", "largest": f"{largest:.4g}"}
        for number, (mean, largest) in enumerate(zip(traces.by_output, traces.largest_by_output, strict=True))
    ]
    count, steps = comparison.inputs.shape[:2]
    classes = outputs.kind == "classes"
    sections = [
        Section(
            "Over time",
            f"Differences at each of {steps} steps, over {count} sequences. Where they grow, the networks drift apart.",
            difference_over_time(traces.by_step, traces.largest_by_step, outputs.measure),
        ),
        Section("Output by output", "Differences of each output alone, in the same unit.", table=outputs_rows),
        Section(
            "The input that makes them differ most",
            f"Found by: {worst.found_by}, after {worst.read:,} steps. The difference is largest, "
            f"{worst.difference:.4g}, at step {worst.step}. {NOT_PROVEN}",
            both_answers(worst.inputs, worst.answers_a, worst.answers_b, worst.apart, classes),
        ),
    ]
    lead = (
        f"A is {name_a}, B is {name_b}. Both were asked {count} sequences of {steps} steps, and then inputs that a "
        f"search chose to make them differ. Difference: {outputs.measure}, at a step."
    )
    return render_page("Two networks compared", lead, summary_rows(comparison), "", sections, footer)
