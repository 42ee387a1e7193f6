"""The report: one HTML file that needs nothing but itself. Figures are in it, as SVG or as PNG."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure

from rnn2vec.report.style import COLOURS

SVG_LIMIT = 300_000
"""Characters; a larger SVG, such as a scatter of many dots, becomes a PNG if that is smaller."""
RASTER_DPI = 144
NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
"""The same figure gives the same bytes, and no address of a vocabulary is in them."""


@dataclass(frozen=True)
class Section:
    """A figure or a table of the report.

    Attributes:
        title: its headline.
        caption: what is drawn and how to read it.
        figure: drawn when the page is rendered.
        table: rows, column to text, in place of a figure.
    """

    title: str
    caption: str
    figure: Figure | None = None
    table: Sequence[Mapping[str, str]] = ()


def render_page(
    title: str,
    lead: str,
    table: Sequence[Mapping[str, str]],
    table_caption: str,
    sections: Sequence[Section],
    footer: str,
) -> str:
    """Make the whole page. All text is escaped; ``b^n`` and ``b^(n+1)`` are set with their exponents raised.

    Args:
        title: of the page.
        lead: what was done and what came out, in a paragraph.
        table: rows, column to text; a column that holds only numbers is aligned to the right.
        table_caption: what the columns mean.
        sections: figures, numbered in this order.
        footer: seeds, versions and the like.
    """
    tables = int(bool(table))
    drawn = 0
    shown = []
    for section in sections:
        tables, drawn = tables + (section.figure is None), drawn + (section.figure is not None)
        shown.append(
            {
                "title": section.title,
                "caption": section.caption,
                "figure": figure_to_html(section.figure, section.title) if section.figure else "",
                "table": _columns(section.table),
                "number": f"Figure {drawn}" if section.figure else f"Table {tables}",
            }
        )
    return _TEMPLATE.render(
        title=title,
        lead=lead,
        table=_columns(table),
        table_caption=table_caption,
        sections=shown,
        footer=footer,
        colours=COLOURS,
    )


def _columns(table: Sequence[Mapping[str, str]]) -> dict[str, object]:
    columns = list(dict.fromkeys(column for row in table for column in row))
    numeric = {column for column in columns if all(_is_number(row.get(column, "")) for row in table)}
    return {"columns": columns, "numeric": numeric, "rows": table}


def figure_to_html(figure: Figure, alt: str) -> str:
    """An element that shows the figure at its own size, or smaller on a narrow screen: inline SVG, or PNG if smaller.

    Args:
        figure: what to show.
        alt: read to those who cannot see it; also tells apart two figures that look the same.
    """
    svg = _svg(figure, alt)
    if len(svg) <= SVG_LIMIT:
        return svg
    image = _image(figure, alt)
    return min(svg, image, key=len)


def _svg(figure: Figure, alt: str) -> str:
    """Inline SVG whose text stays text, in the font of the page."""
    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "rnn2vec", "image.composite_image": False}):
        figure.savefig(stream, format="svg", metadata=NO_METADATA, dpi=RASTER_DPI)
    drawing = stream.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = drawing.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
    return _own_ids(drawing, alt)


def _own_ids(drawing: str, alt: str) -> str:
    """Keep the ids that are referred to, and make them this figure's own: a page has many figures."""
    own = hashlib.sha256(f"{alt}\n{drawing}".encode()).hexdigest()[:8]
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', drawing))
    drawing = re.sub(r' id="([^"]*)"', lambda found: f' id="f{own}-{found[1]}"' if found[1] in used else "", drawing)
    return re.sub(r'(url\(#|href="#)', rf"\1f{own}-", drawing)


def _image(figure: Figure, alt: str) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=RASTER_DPI, pil_kwargs={"optimize": True})
    content = base64.b64encode(stream.getvalue()).decode()
    width = round(96 * figure.get_figwidth())
    return f'<img alt="{escape(alt)}" width="{width}" src="data:image/png;base64,{content}">'


def _is_number(text: str) -> bool:
    """Whether a cell belongs in a column of numbers; an empty one or a dash does."""
    number = r"[-+−]?[\d.,]+(e[-+]?\d+)?°?"
    return re.fullmatch(rf"{number}( \({number} to {number}\))?\s?%?|nan|[-–]?", text) is not None


def _powers(text: str) -> Markup:
    return Markup(re.sub(r"\^(?:(\w)|\(([^()]*)\))", r"<sup>\1\2</sup>", str(escape(text))))


_PAGE = """{%- macro as_table(table) -%}
<div class="wide">
<table>
<thead><tr>{% for column in table.columns %}<th scope="col"{% if column in table.numeric %} class="number"{% endif %}>
{{- column | replace("-", "‑") }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for row in table.rows %}
<tr>{% for column in table.columns %}{% set cell = row.get(column, "") -%}
<td{% if column in table.numeric %} class="number"{% endif %}>
{%- if cell in colours %}<span class="swatch" style="background: {{ colours[cell] }}"></span>{% endif %}
{{- cell | interval }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table>
</div>
{%- endmacro -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { margin: 0 auto; padding: 56px 24px 40px; max-width: 960px; color: #22262b; background: #fff;
  font: 16px/1.55 "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; }
h1 { margin: 0 0 14px; font-size: 34px; line-height: 1.15; letter-spacing: -0.01em; }
h2 { margin: 0 0 14px; font-size: 20px; line-height: 1.3; }
.lead { margin: 0 0 40px; max-width: 44em; font-size: 18px; line-height: 1.5; }
section, .results { margin: 0 0 56px; padding-top: 22px; border-top: 1px solid #d9dde2; }
figure { margin: 0; }
figure svg, figure img { display: block; max-width: 100%; height: auto; }
figure svg text { font-family: inherit !important; }
figcaption { margin-top: 12px; max-width: 52em; font-size: 14px; line-height: 1.5; color: #4a515a; }
figcaption b { color: #22262b; }
sup { font-size: 0.72em; line-height: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 0 7px 14px; text-align: left; }
th:first-child, td:first-child { padding-left: 0; white-space: nowrap; }
th { font-weight: 600; line-height: 1.25; vertical-align: bottom; border-bottom: 1.5px solid #22262b; }
td { border-bottom: 1px solid #e6e9ed; }
.number { text-align: right; }
td small { color: #6b737c; white-space: nowrap; }
.swatch { display: inline-block; width: 10px; height: 10px; margin-right: 8px; border-radius: 50%; }
footer { padding-top: 16px; border-top: 1px solid #d9dde2; font-size: 13px; color: #6b737c; }
@media print { section { break-inside: avoid; } }
</style>
</head>
<body>
<header>
<h1>{{ title }}</h1>
<p class="lead">{{ lead | powers }}</p>
</header>
<main>
{%- if table.rows %}
<figure class="results">
{{ as_table(table) }}
<figcaption><b>Table 1.</b> {{ table_caption | powers }}</figcaption>
</figure>
{%- endif %}
{%- for section in sections %}
<section>
<h2>{{ section.title | powers }}</h2>
<figure>
{{ section.figure | safe }}{% if section.table.rows %}{{ as_table(section.table) }}{% endif %}
<figcaption><b>{{ section.number }}.</b> {{ section.caption | powers }}</figcaption>
</figure>
</section>
{%- endfor %}
</main>
<footer>{{ footer }}</footer>
</body>
</html>
"""


def _interval(text: str) -> Markup:
    """A mean and its interval, ``0.91 (0.89 to 0.93)``, with the interval in a line of its own."""
    mean, bracket, ends = str(escape(text)).partition(" (")
    return Markup(f"{mean}<br><small>({ends}</small>" if bracket and " to " in ends else mean + bracket + ends)


def _compile() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["powers"] = _powers
    environment.filters["interval"] = _interval
    return environment


_TEMPLATE = _compile().from_string(_PAGE)
