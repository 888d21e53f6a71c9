"""Cost against size as SVG: static, and readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log10
from xml.etree import ElementTree

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 48, 52
"""The margins: names of the values, of the lines, the title, names of the sizes."""
STEPS = 5
NEAREST_NAMES = 16
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 15px; }
.faint { fill: #59636e; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.c0 { stroke: #0969da; } .c1 { stroke: #bc4c00; } .c2 { stroke: #1a7f37; } .c3 { stroke: #8250df; }
.p0 { fill: #0969da; } .p1 { fill: #bc4c00; } .p2 { fill: #1a7f37; } .p3 { fill: #8250df; }
.paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .faint { fill: #9198a1; }
  .grid { stroke: #3d444d; }
  .c0 { stroke: #4493f8; } .c1 { stroke: #f0883e; } .c2 { stroke: #3fb950; } .c3 { stroke: #ab7df8; }
  .p0 { fill: #4493f8; } .p1 { fill: #f0883e; } .p2 { fill: #3fb950; } .p3 { fill: #ab7df8; }
  .paper { fill: #0d1117; }
}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """`points` are (size, cost), sizes rising."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    """At most four lines. `name` is the file's, without its ending."""

    name: str
    title: str
    sizes: str
    costs: str
    lines: list[Line]

    def svg(self) -> str:
        root = ElementTree.Element(
            "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img"
        )
        ElementTree.SubElement(root, "title").text = self.title
        ElementTree.SubElement(root, "style").text = STYLE
        ElementTree.SubElement(root, "rect", {"class": "paper", "width": str(WIDTH), "height": str(HEIGHT)})
        _text(root, LEFT, 24, self.title, "title")
        _text(root, LEFT, 40, self.costs, "faint")
        _text(root, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, self.sizes, "faint", "middle")
        self._grid(root)
        heights = dict(self._name_heights())
        for number, line in enumerate(self.lines):
            self._line(root, number, line, heights[number])
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode") + "\n"

    @property
    def _largest(self) -> tuple[float, float]:
        sizes, costs = zip(*(point for line in self.lines for point in line.points), strict=True)
        return max(sizes), _round_above(max(costs))

    def _place(self, size: float, cost: float) -> tuple[float, float]:
        """Both axes begin at 0, so that what grows in proportion is a straight line."""
        largest_size, largest_cost = self._largest
        across = LEFT + (WIDTH - LEFT - RIGHT) * size / largest_size
        return round(across, 1), round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * cost / largest_cost, 1)

    def _grid(self, root: ElementTree.Element) -> None:
        largest_size, largest_cost = self._largest
        for step in range(STEPS + 1):
            cost = largest_cost * step / STEPS
            x, y = self._place(0, cost)
            ends = {"x1": str(x), "x2": str(WIDTH - RIGHT), "y1": str(y), "y2": str(y)}
            ElementTree.SubElement(root, "line", {"class": "grid", **ends})
            _text(root, x - 8, y + 4, f"{cost:,.4g}", "faint", "end")
        written = LEFT - 100.0
        for size in sorted({point[0] for line in self.lines for point in line.points}):
            x, y = self._place(size, 0)
            if x - written > len(f"{largest_size:,.0f}") * 8 + 6:
                _text(root, x, y + 18, f"{size:,.0f}", "faint", "middle")
                written = x

    def _line(self, root: ElementTree.Element, number: int, line: Line, name_height: float) -> None:
        places = [self._place(*point) for point in line.points]
        points = " ".join(f"{x},{y}" for x, y in places)
        ElementTree.SubElement(root, "polyline", {"class": f"line c{number}", "points": points})
        for x, y in places:
            ElementTree.SubElement(root, "circle", {"class": f"p{number}", "cx": str(x), "cy": str(y), "r": "3.5"})
        _text(root, places[-1][0] + 10, name_height + 4, line.name, f"p{number}")

    def _name_heights(self) -> Iterator[tuple[int, float]]:
        """At each line's end; where ends are close together, the names stand below one another."""
        ends = sorted((self._place(*line.points[-1])[1], number) for number, line in enumerate(self.lines))
        last = float(-HEIGHT)
        for end, number in ends:
            last = max(end, last + NEAREST_NAMES)
            yield number, last


def _round_above(value: float) -> float:
    """The next of 1, 2, 4, 5, 8 times a power of ten that is not less."""
    power = 10.0 ** floor(log10(value)) if value > 0 else 0.1
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)


def _text(root: ElementTree.Element, x: float, y: float, text: str, kind: str, anchor: str = "start") -> None:
    place = {"x": str(x), "y": str(y), "text-anchor": anchor, "class": kind}
    ElementTree.SubElement(root, "text", place).text = text
