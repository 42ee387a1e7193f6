"""The report: figures show the arrays they were given; the page is whole in itself and escapes what it is told."""

from __future__ import annotations

import ast
import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from rnn2vec import ENCODERS
from rnn2vec.report import figures, maps, page, style
from rnn2vec.report.page import Section, figure_to_html, render_page

SYMBOLS = ("a", "b", "c", "d", "BOS", "EOS")
LANGUAGE = (("mb", "mc", "md"), "language")
ANGLE = (("angle",), "angle", True)
GROUPS = {"mb": "shift of b", "mc": "shift of c", "md": "shift of d", "exact": "whole language"}
RANDOM = np.random.default_rng(0)


def distributions(*shape: int) -> np.ndarray:
    return RANDOM.dirichlet(np.ones(len(SYMBOLS)), shape)


def history(*losses: float) -> list[dict[str, float]]:
    return [{"step": 10 * k, "seconds": 0.5 * k, "train": 1.1 * x, "validation": x} for k, x in enumerate(losses, 1)]


def shares(value: float) -> dict[str, float]:
    return {"mb": value, "mc": value + 0.1, "md": value + 0.2, "exact": value - 0.1, "exact_all": 0.0}


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


class Elements(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def all_sections() -> list[Section]:
    probes, answers = distributions(3, 5), distributions(3, 5)
    drawn = [
        figures.loss_curves({"interactive": history(0.5, 0.05), "flat": history(0.5, 0.2)}),
        maps.embedding_maps(
            {"flat": RANDOM.normal(size=(9, 4))}, RANDOM.integers(-3, 3, (9, 3)), RANDOM.random(9), *LANGUAGE
        ),
        maps.clone_fidelity(RANDOM.random(9), {"flat": RANDOM.random(9)}, ("x", "y")),
        figures.interrogation(probes, answers, SYMBOLS, ["one", "two", "<script>three</script> & $x$"]),
        figures.answers_along(answers[0], {"flat": answers[1]}, ["BOS", *"abab"][:5], SYMBOLS, "a^n b^(n-1)"),
        figures.share_bars({"flat": {"frozen": shares(0.5), "supervised": shares(0.3)}}, GROUPS, 0.1),
    ]
    # twice the same figure under two names: nothing may be shared by accident
    return [Section(f"Section {k}", "how to read it", figure) for k, figure in enumerate([*drawn, drawn[0]])]


@pytest.fixture(scope="module")
def html(all_sections: list[Section]) -> str:
    table = [{"encoder": "flat", "loss": "0.05", "end-to-end": "-"}, {"encoder": "other", "parameters": "1,234"}]
    return render_page("Title <1>", "languages a^n b^(n+mb) & <b>", table, "caption", all_sections, "foot & note")


def test_the_page_refers_to_nothing_outside_itself(html: str) -> None:
    elements = Elements(html).tags
    assert not {tag for tag, _ in elements} & {"link", "script", "iframe", "base", "object"}
    addresses = [
        value or ""
        for _, attributes in elements
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "action")
    ]
    assert addresses
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in addresses)
    assert "@import" not in html
    assert re.findall(r"url\(([^#)]*)", html) == [""] * html.count("url(")
    for name in re.findall(r'[\w:]+="https?://[^"]*"', html):
        assert name.startswith("xmlns")


def test_ids_are_unique_on_the_page_and_every_reference_finds_one(html: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', html)
    references = set(re.findall(r'(?:url\(#|href="#)([^")]+)', html))
    assert len(ids) == len(set(ids))
    assert references == set(ids)


def test_text_is_escaped_everywhere(html: str) -> None:
    assert "<h1>Title &lt;1&gt;</h1>" in html
    assert "&amp; &lt;b&gt;" in html
    assert "foot &amp; note" in html
    assert "<script>" not in html
    assert "<script>three</script> & $x$" in Elements(html).text  # a title in a figure, as it was given
    evil = Section('" onload="alert(1)', "<i>", Figure(figsize=(1, 1)))
    rendered = Elements(render_page("t", "l", [{"<a>": "<td>"}], "<u>", [evil], "f"))
    assert not any("onload" in attributes for _, attributes in rendered.tags)
    assert not {tag for tag, _ in rendered.tags} & {"i", "a", "u"}


def test_exponents_are_raised(html: str) -> None:
    assert "a<sup>n</sup> b<sup>n+mb</sup>" in html
    figure = figures.answers_along(distributions(1), {}, ["a"], SYMBOLS, "a^n b^(n-3) c^n d^(n+12)")
    assert titles(figure)[0] == "the network, aⁿ bⁿ⁻³ cⁿ dⁿ⁺¹²"


def test_columns_of_numbers_are_aligned_to_the_right(html: str) -> None:
    table = html[html.index("<table>") : html.index("</table>")]
    assert '<th scope="col">encoder</th>' in table
    for column in ("loss", "end\N{NON-BREAKING HYPHEN}to\N{NON-BREAKING HYPHEN}end", "parameters"):
        assert f'<th scope="col" class="number">{column}</th>' in table
    cells = re.findall(r"<td[^>]*>(.*?)</td>", table)
    assert [re.sub("<.*?>", "", cell) for cell in cells] == ["flat", "0.05", "-", "", "other", "", "", "1,234"]
    assert style.COLOURS["flat"] in cells[0]  # the encoder's colour in the figures
    assert "swatch" not in cells[4]


@pytest.mark.parametrize("text", ["0.98", "-0.12", "1,234", "3e-05", "12 %", "nan", "-", ""])
def test_what_belongs_in_a_column_of_numbers(text: str) -> None:
    assert page._is_number(text)


@pytest.mark.parametrize("text", ["flat", "2 layers", "1.0 (best)"])
def test_what_does_not(text: str) -> None:
    assert not page._is_number(text)


def test_a_page_without_results_has_no_table_and_no_figures() -> None:
    rendered = render_page("title", "lead", [], "caption", [], "footer")
    assert not {tag for tag, _ in Elements(rendered).tags} & {"table", "figure", "section"}


def test_rendering_is_reproducible() -> None:
    first, second = (figures.loss_curves({"flat": history(0.5, 0.05)}) for _ in range(2))
    assert figure_to_html(first, "loss") == figure_to_html(second, "loss")


def test_small_figures_are_svg_and_heavy_ones_png() -> None:
    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1])
    small = figure_to_html(figure, 'a "line"')
    assert small.startswith('<svg role="img" aria-label="a &#34;line&#34;"')
    assert "<?xml" not in small
    assert "<metadata" not in small
    axes.scatter(*RANDOM.random((2, 5000)), c=RANDOM.random(5000))
    heavy = figure_to_html(figure, 'a "cloud"')
    content = re.fullmatch(r'<img alt="a &#34;cloud&#34;" width="192" src="data:image/png;base64,([\w+/=]+)">', heavy)
    assert content
    assert base64.b64decode(content[1], validate=True).startswith(b"\x89PNG")
    assert len(heavy) < page.SVG_LIMIT


def test_a_page_of_a_large_zoo_stays_small() -> None:
    snapshots, names = 4000, list(style.COLOURS)[:4]
    z, accuracy = {name: RANDOM.normal(size=(snapshots, 3)) for name in names}, RANDOM.random(snapshots)
    drawn = maps.embedding_maps(z, RANDOM.integers(-3, 3, (snapshots, 3)), accuracy, *LANGUAGE)
    clones = maps.clone_fidelity(accuracy, {name: RANDOM.random(snapshots) for name in names}, ("x", "y"))
    assert len(figure_to_html(drawn, "maps")) + len(figure_to_html(clones, "clones")) < 2_500_000


def test_loss_curves_show_training_and_validation_over_both_clocks() -> None:
    figure = figures.loss_curves({"flat": history(0.4, 0.2), "interactive": history(0.4, 0.04)}, "reverse-kl")
    for axes, clock in zip(figure.axes, ("step", "seconds"), strict=True):
        assert axes.get_xlabel() == clock
        assert axes.get_yscale() == "log"
        train, validation = axes.lines[2:]
        assert train.get_linewidth() < validation.get_linewidth()
        np.testing.assert_allclose(train.get_ydata(), [0.44, 0.044])
        np.testing.assert_array_equal(validation.get_ydata(), [0.4, 0.04])
        np.testing.assert_array_equal(validation.get_xdata(), [10, 20] if clock == "step" else [0.5, 1.0])
    assert "reverse kl" in figure.axes[0].get_ylabel()
    # the legend is in the order of the curves' ends
    assert [text.get_text() for text in figure.legends[0].texts][:2] == ["flat, 0.2", "interactive, 0.04"]


@pytest.mark.parametrize("losses", [(0.3, 0.2), (0.3, 0.0)])
def test_losses_of_a_narrow_range_or_of_zero_have_a_linear_axis(losses: tuple[float, ...]) -> None:
    assert figures.loss_curves({"flat": history(*losses)}).axes[0].get_yscale() == "linear"


def test_embedding_maps_colour_dots_by_language_and_accuracy() -> None:
    tasks = np.array([[-3, 0, 1], [2, 0, 1], [-3, 1, 1], [-3, 0, 2]])
    accuracy = np.array([1.0, 0.0, 0.5, 0.2])
    z = np.zeros((4, 5))
    z[:, 2] = [0, 1, 2, 3]
    figure = maps.embedding_maps({"flat": z, "interactive": RANDOM.normal(size=(4, 5))}, tasks, accuracy, *LANGUAGE)
    assert len(figure.axes) == 6  # two rows of two maps and a key
    by_language, by_accuracy = figure.axes[0].collections[0], figure.axes[3].collections[0]
    order = [1, 3, 2, 0]  # the most accurate are drawn last
    places = by_language.get_offsets()
    np.testing.assert_allclose(np.abs(places[:, 0] - places[0, 0]), np.abs(z[order, 2] - 1), atol=1e-9)
    np.testing.assert_allclose(places[:, 1], 0, atol=1e-9)
    assert figure.axes[0].get_xlabel() == "PC 1 (100%)"
    assert figure.axes[0].get_ylabel() == "PC 2 (0%)"
    low, high = 0.08, 0.9
    colours = np.array([[low] * 3, [high, low, low], [low, high, low], [low, low, high]])
    np.testing.assert_allclose(by_language.get_facecolors()[:, :3], colours[order])
    shades = by_accuracy.get_facecolors()[:, :3].sum(1)
    assert (np.diff(shades) < 0).all()  # the more accurate, the darker


def test_the_key_shows_the_colours_of_the_dots() -> None:
    tasks = np.array([[-3, 0, 1], [2, 0, 1], [-3, 1, 1], [-3, 0, 2]])
    figure = maps.embedding_maps({"flat": RANDOM.normal(size=(4, 5))}, tasks, np.arange(4.0) / 4, *LANGUAGE)
    dots = figure.axes[0].collections[0].get_facecolors()[:, :3]
    key = np.asarray(figure.axes[1].images[0].get_array())  # from -3 up to 2; mb, mc, md
    np.testing.assert_allclose([key[0, 0], key[5, 0], key[4, 1], key[5, 2]], dots)
    np.testing.assert_allclose(key[0, 1:], 1)  # values never seen are left white
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["mb", "mc", "md"]


def test_clone_fidelity_plots_emulator_over_network() -> None:
    network = np.array([0.0, 0.5, 1.0])
    figure = maps.clone_fidelity(network, {"flat": 1 - network, "statistics": np.ones(3)}, ("x", "y"))
    dots = figure.axes[0].collections[0]
    np.testing.assert_array_equal(dots.get_offsets(), np.stack([network, 1 - network], axis=1))
    assert to_hex(dots.get_facecolors()[0]) == style.COLOURS["flat"]
    assert titles(figure) == ["flat\nr = -1.00", "statistics\nno r: equal scores"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), [[0, 0], [1, 1]])


@pytest.mark.parametrize(
    ("network", "clones", "said"),
    [
        ([], [], "no networks"),
        ([0.5], [0.5], "one network"),
        ([0.1] * 7, [0.0, 1.0, 0.2, 0.3, 0.4, 0.5, 0.6], "equal accuracies"),
        ([0.0, 1.0], [0.3, 0.3], "equal scores"),
    ],
)
def test_clone_fidelity_says_why_there_is_no_correlation(network: list[float], clones: list[float], said: str) -> None:
    figure = maps.clone_fidelity(np.array(network), {"flat": np.array(clones)}, ("x", "y"))
    assert titles(figure) == [f"flat\nno r: {said}"]


def test_interrogation_shows_questions_answers_and_where_questions_differ() -> None:
    probes, answers = np.repeat(distributions(1, 4), 2, axis=0), distributions(2, 4)
    probes[:, 3] = [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]]
    figure = figures.interrogation(probes, answers, SYMBOLS, ["first", "second"])
    for network, title in enumerate(("first", "second")):
        above, asked, answered = figure.axes[3 * network : 3 * network + 3]
        assert above.get_title(loc="left") == title
        np.testing.assert_allclose([bar.get_height() for bar in above.patches], [0, 0, 0, 0.5], atol=1e-12)
        np.testing.assert_array_equal(asked.images[0].get_array(), probes[network].T)
        np.testing.assert_array_equal(answered.images[0].get_array(), answers[network].T)
        assert asked.images[0].get_clim() == (0, 1)
        assert [label.get_text() for label in asked.get_yticklabels()] == list(SYMBOLS)


def test_interrogation_has_no_bars_where_all_are_asked_the_same() -> None:
    probes = np.repeat(distributions(1, 4), 3, axis=0)
    figure = figures.interrogation(probes, distributions(3, 4), SYMBOLS, ["x", "y", "z"])
    assert len(figure.axes) == 6
    assert all(len(axes.images) == 1 for axes in figure.axes)
    assert titles(figure)[::2] == ["x", "y", "z"]


def test_next_letter_shows_the_network_its_emulators_and_their_distance() -> None:
    network = distributions(3)
    emulators = {"interactive": network.copy(), "flat": distributions(3)}
    figure = figures.answers_along(network, emulators, ["BOS", "a", "b"], SYMBOLS, "string ab")
    assert len(figure.axes) == 4
    for axes, expected in zip(figure.axes, (network, *emulators.values()), strict=False):
        np.testing.assert_array_equal(axes.images[0].get_array(), expected.T)
    assert "string ab" in titles(figure)[0]
    exact, rough = figure.axes[-1].lines
    np.testing.assert_array_equal(exact.get_ydata(), 0)
    np.testing.assert_allclose(rough.get_ydata(), np.abs(network - emulators["flat"]).sum(1) / 2)
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["BOS", "a", "b"]
    ink = figure.axes[2].images[0].get_cmap()(1.0)[:3]
    np.testing.assert_allclose(ink, to_rgb(style.COLOURS["flat"]))


def test_task_bars_tell_frozen_from_supervised() -> None:
    frozen, supervised = shares(0.5), shares(0.3)
    metrics = {"flat": {"frozen": frozen, "supervised": supervised}, "interactive": {"frozen": shares(0.7)}}
    (axes,) = figures.share_bars(metrics, GROUPS, chance=1 / 27).axes
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    order = ("mb", "mc", "md", "exact")
    assert heights == [[values[key] for key in order] for values in (frozen, supervised, shares(0.7))]
    assert [bars[0].get_hatch() is not None for bars in axes.containers] == [False, True, False]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), 1 / 27)
    start, end = axes.lines[0].get_xdata()  # chance is that of the whole language: within its group
    assert start <= min(bars[3].get_x() for bars in axes.containers)
    assert max(bars[2].get_x() + bars[2].get_width() for bars in axes.containers) < start < end


def test_a_share_that_is_not_known_has_no_number_on_its_bar() -> None:
    values = {"mb": 0.25, "mc": float("nan"), "md": 1.0, "exact": 0.0}
    (axes,) = figures.share_bars({"flat": {"frozen": values}}, GROUPS, 0.1).axes
    assert [text.get_text() for text in axes.texts] == ["25", "", "100", "0", "chance"]


def test_encoders_have_colours_of_their_own_and_others_a_common_one() -> None:
    assert len(set(style.COLOURS.values()) | {style.FALLBACK}) == 1 + len(ENCODERS)
    assert style.colour("transformer") == style.COLOURS["transformer"]
    assert style.colour("something else") == style.FALLBACK


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    before = dict(mpl.rcParams)
    figure_to_html(figures.loss_curves({"flat": history(0.5, 0.05)}), "loss")
    assert dict(mpl.rcParams) == before


def test_the_report_knows_no_torch_no_pyplot_and_nothing_else_of_the_package() -> None:
    for module in (figures, page):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        assert not [name for name in names if "torch" in name or "pyplot" in name]
        assert {name for name in names if name.startswith("rnn2vec")} <= {"rnn2vec.report.style"}


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.loss_curves({}),
        lambda: figures.loss_curves({"flat": []}),
        lambda: figures.loss_curves({"flat": history(0.5)}),
        lambda: maps.embedding_maps({}, np.zeros((3, 3)), np.zeros(3), *LANGUAGE),
        lambda: maps.embedding_maps({"flat": np.zeros((0, 4))}, np.zeros((0, 3)), np.zeros(0), *LANGUAGE),
        lambda: maps.embedding_maps({"flat": np.ones((1, 4))}, np.ones((1, 3)), np.ones(1), *LANGUAGE),
        lambda: maps.embedding_maps({"flat": np.arange(4.0)[:, None]}, np.ones((4, 3)), np.ones(4), *LANGUAGE),
        lambda: maps.clone_fidelity(np.zeros(0), {}, ("x", "y")),
        lambda: maps.clone_fidelity(np.zeros(0), {"flat": np.zeros(0)}, ("x", "y")),
        lambda: maps.clone_fidelity(np.ones(1), {"flat": np.ones(1)}, ("x", "y")),
        lambda: figures.interrogation(np.zeros((0, 4, 6)), np.zeros((0, 4, 6)), SYMBOLS, []),
        lambda: figures.interrogation(distributions(1, 1), distributions(1, 1), SYMBOLS, ["one"]),
        lambda: figures.interrogation(distributions(3, 41), distributions(3, 41), SYMBOLS, ["one", "two", "three"]),
        lambda: figures.answers_along(distributions(1), {}, ["BOS"], SYMBOLS, ""),
        lambda: figures.share_bars({}, GROUPS, 0.1),
        lambda: figures.share_bars({name: {"frozen": shares(0.5)} for name in "abcdefghij"}, GROUPS, 0.0),
    ],
)
def test_empty_and_odd_sizes_can_be_drawn(draw: object) -> None:
    figure = draw()  # type: ignore[operator]
    assert figure_to_html(figure, "odd").startswith("<svg")


def test_property_bars_show_angles_in_degrees_and_shares() -> None:
    metrics = {
        "interactive": {
            "frozen": {"angle_error": 5.0, "accuracy_r2": 0.9},
            "supervised": {"angle_error": 120.0, "accuracy_r2": -3.0},
        },
        "flat": {"frozen": {"angle_error": float("nan"), "accuracy_r2": 0.5}},
    }
    titles = {"angle_error": "angle, degrees off", "accuracy_r2": "accuracy, R2"}
    figure = figures.property_bars(metrics, titles, {"angle_error": 180.0, "accuracy_r2": 1.0})
    angle, accuracy = figure.axes
    assert [bar.get_width() for bar in angle.patches] == [5.0, 0.0, 120.0, 0.0]
    assert angle.get_xlim()[0] == 0
    assert 180 <= angle.get_xlim()[1] < 360
    assert [bar.get_width() for bar in accuracy.patches] == [0.9, 0.5, 0.0, 0.0]
    assert "-3" in [text.get_text() for text in accuracy.texts]
    assert "120" in [text.get_text() for text in angle.texts]


def test_numbers_are_drawn_as_lines_with_their_names() -> None:
    asked, said = RANDOM.random((2, 5, 1)), RANDOM.normal(size=(2, 5, 2))
    figure = figures.interrogation(asked, said, ("level", "slope"), ["one", "two"], lines=True, limits=(-3.0, 3.0))
    lines = [[line.get_ydata() for line in axes.lines] for axes in figure.axes]
    np.testing.assert_array_equal([own[0] for own in lines if len(own) == 1], asked[..., 0])
    np.testing.assert_array_equal([own for own in lines if len(own) == 2], said.swapaxes(1, 2))
    names = [[text.get_text() for text in axes.texts] for axes in figure.axes if len(axes.lines) == 2]
    assert names == [["level", "slope"]] * 2
    assert not any(axes.images for axes in figure.axes)
    along = figures.answers_along(said[0], {"flat": said[1]}, list("abcde"), ("level", "slope"), "", limits=(-3.0, 3.0))
    np.testing.assert_allclose(along.axes[-1].lines[0].get_ydata(), np.abs(said[0] - said[1]).mean(1))


def test_what_has_no_end_is_drawn_whole() -> None:
    metrics = {"flat": {"frozen": {"rate_error": 250.0}}, "interactive": {"frozen": {"rate_error": 4.0}}}
    (axes,) = figures.property_bars(metrics, {"rate_error": "rate, mean error"}, {"rate_error": None}).axes
    assert [bar.get_width() for bar in axes.patches][:2] == [250.0, 4.0]
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlim()[1] > 250


def test_exponents_are_raised_whatever_the_letters() -> None:
    answers = distributions(1)
    figure = figures.answers_along(answers, {}, ["BOS"], SYMBOLS, "a^n b^(n+2) x^(k-1) y^Q z^(Q+1)")
    assert titles(figure)[0].endswith("aⁿ bⁿ⁺² xᵏ⁻¹ y^Q z^(Q+1)")  # there is no raised Q


def test_angles_are_hues_and_tiles_are_pictures() -> None:
    tasks = np.array([[0.0], [359.9], [180.0]])
    figure = maps.embedding_maps({"flat": RANDOM.normal(size=(3, 4))}, tasks, np.array([0.1, 0.2, 0.3]), *ANGLE)
    colours = figure.axes[0].collections[0].get_facecolors()[:, :3]
    assert np.abs(colours[0] - colours[1]).max() < 0.01  # once round the circle
    assert np.abs(colours[0] - colours[2]).max() > 0.3
    probes = np.zeros((1, 5, 4))
    probes[0, 2] = [0.0, 1.0, 0.0, 0.0]  # the upper right pixel of the third tile
    drawn = figures.interrogation(probes, distributions(1, 5), SYMBOLS, ["a network"], tile=2)
    strip = np.asarray(drawn.axes[0].images[0].get_array())
    assert strip.shape == (2, 10)
    assert np.argwhere(strip > 0).tolist() == [[0, 5]]
