"""Pictures of what xase-bench found: SVG by hand, for README.md. The same results give the same
bytes."""

import html
import math

WIDTH = 760
LEFT, RIGHT = 78, 24
INK, GRID, FADED = "#1f2933", "#e4e7eb", "#7b8794"
COLOURS = ("#1769aa", "#b4540a", "#2f7d32", "#8e24aa")
TARGET = "#c62828"


def number(value):
    """A tick's label: 350k, 1.5M, 0.2."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def text(x, y, words, anchor="start", colour=INK, size=13, turned=False):
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{size}"{turn}>{html.escape(words)}</text>')


def line(x1, y1, x2, y2, colour=GRID, width=1.0, dashes=""):
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width:g}"{dashed}/>')


def document(height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Arial, sans-serif" '
        f'role="img" aria-label="{html.escape(title)}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        text(LEFT, 26, title, size=16), *parts, "</svg>", ""])


class Panel:
    """Axes and what is drawn between them. Scales turn a value into 0 to 1."""

    def __init__(self, top, height, x_scale, y_scale, x_label, y_label):
        self.top, self.height = top, height
        self.x_scale, self.y_scale = x_scale, y_scale
        self.parts = []
        self.labels = []
        self._axes(x_label, y_label)

    def x(self, value):
        return LEFT + self.x_scale.place(value) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return self.top + (1 - self.y_scale.place(value)) * self.height

    def _axes(self, x_label, y_label):
        bottom = self.top + self.height
        for value, words in self.y_scale.ticks:
            self.parts.append(line(LEFT, self.y(value), WIDTH - RIGHT, self.y(value)))
            self.parts.append(text(LEFT - 8, self.y(value) + 4, words, "end", size=12))
        for value, words in self.x_scale.ticks:
            self.parts.append(line(self.x(value), self.top, self.x(value), bottom))
            if x_label:
                self.parts.append(text(self.x(value), bottom + 18, words, "middle", size=12))
        self.parts.append(line(LEFT, bottom, WIDTH - RIGHT, bottom, INK))
        self.parts.append(line(LEFT, self.top, LEFT, bottom, INK))
        if x_label:
            self.parts.append(text((LEFT + WIDTH - RIGHT) / 2, bottom + 38, x_label, "middle"))
        self.parts.append(text(18, self.top + self.height / 2, y_label, "middle", turned=True))

    def curve(self, points, colour, dots=False):
        places = [(self.x(x), self.y(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          'stroke-width="2" stroke-linejoin="round"/>')
        if dots:
            self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
                           for x, y in places]

    def level(self, value, words, colour=TARGET, dashes="6 4"):
        """A line all across, with its name above its right end."""
        self.parts.append(
            line(LEFT, self.y(value), WIDTH - RIGHT, self.y(value), colour, 1.5, dashes))
        self.labels.append(
            text(WIDTH - RIGHT - 4, self.y(value) - 5, words, "end", colour, 12))

    def piece(self, x, value, colour):
        """A target of one place: a short line."""
        self.parts.append(line(self.x(x) - 26, self.y(value), self.x(x) + 26, self.y(value),
                               colour, 2.5, "5 3"))

    def span(self, begin, end, words):
        self.parts.insert(0, f'<rect x="{self.x(begin):.1f}" y="{self.top:.1f}" '
                             f'width="{self.x(end) - self.x(begin):.1f}" '
                             f'height="{self.height:.1f}" fill="#fdecea"/>')
        if words:
            self.labels.append(text((self.x(begin) + self.x(end)) / 2, self.top + 16, words,
                                    "middle", TARGET, 12))

    def legend(self, entries, x=LEFT + 14):
        """(colour, words, dashed) each, from the top left, on a ground of their own."""
        width = 46 + 6.6 * max(len(words) for _, words, _ in entries)
        self.labels.append(
            f'<rect x="{x - 6}" y="{self.top + 4:.1f}" width="{width:.1f}" '
            f'height="{19 * len(entries) + 4}" fill="#ffffff" fill-opacity="0.9"/>')
        for i, (colour, words, dashed) in enumerate(entries):
            y = self.top + 18 + 19 * i
            self.labels.append(line(x, y - 4, x + 26, y - 4, colour, 2.5, "5 3" if dashed else ""))
            self.labels.append(text(x + 33, y, words, size=12))

    def drawn(self):
        return self.parts + self.labels


class Linear:
    def __init__(self, highest, words=number):
        step = 10 ** math.floor(math.log10(max(highest, 1e-9)))
        step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5)
                    if highest / (step * part) <= 6)
        self.highest = step * math.ceil(highest / step - 1e-9)
        count = round(self.highest / step)
        self.ticks = [(step * i, words(step * i)) for i in range(count + 1)]

    def place(self, value):
        return min(max(value / self.highest, 0), 1)


class Logarithmic:
    def __init__(self, lowest, highest, base=10, words=number):
        self.base = base
        self.first = math.floor(math.log(lowest, base) + 1e-9)
        self.last = max(math.ceil(math.log(highest, base) - 1e-9), self.first + 1)
        self.ticks = [(base ** i, words(base ** i)) for i in range(self.first, self.last + 1)]

    def place(self, value):
        at = (math.log(max(value, 1e-9), self.base) - self.first) / (self.last - self.first)
        return min(max(at, 0), 1)


class Nines:
    """Shares of calls: each step to the right is ten times nearer to all of them."""

    LAST = 4.3

    def __init__(self):
        self.ticks = [(share, f"{share:g} %") for share in (0, 50, 90, 99, 99.9, 99.99)]

    def place(self, share):
        return min(-math.log10(max(1 - share / 100, 10 ** -self.LAST)), self.LAST) / self.LAST


def points_of(report, key):
    return next(series["points"] for series in report["series"] if series["key"] == key)


def median_of(report, key):
    return next(one["median"] for one in report["lines"] if one["key"] == key)


def latency(results, targets):
    """record() by share of its calls."""
    report = results["record"]
    cases = (("paced", "one every 10 µs"), ("sparse", "one a millisecond"),
             ("cold", "the core's caches evicted before each"),
             ("colder", "all caches evicted before each"))
    curves = {key: points_of(report, f"distribution.{key}") for key, _ in cases}
    values = [max(y, 10) for points in curves.values() for _, y in points]
    panel = Panel(46, 340, Nines(), Logarithmic(min(values), max(values)),
                  "share of the calls that take at most so long", "one record(), ns")
    for colour, (key, _) in zip(COLOURS, cases):
        panel.curve(curves[key], colour)
        for place, share in (("median", 50), ("p99", 99)):
            target = targets.get(f"record:call.{key}.{place}")
            if target is not None:
                panel.piece(share, target, colour)
    panel.legend([(colour, words, False) for colour, (_, words) in zip(COLOURS, cases)]
                 + [(INK, "at most, as demanded", True)])
    return document(446, "What one record() of a real decision takes", panel.drawn())


def producers(results, targets):
    """Ring to durable as producers become more."""
    points = points_of(results["scale"], "producers")
    limits = [(median_of(results["durable"], key), words) for key, words in (
        ("limit.write", "limit: write and sync of the same bytes"),
        ("limit.pass", "limit: one SHA-256 pass over the same bytes"))]
    target = targets["durable:durable.one"]
    highest = max([y for _, y in points] + [target] + [value for value, _ in limits])
    panel = Panel(46, 340, Logarithmic(1, max(x for x, _ in points), 2), Linear(1.08 * highest),
                  "producer processes", "records a second, ring to durable")
    for value, words in limits:
        panel.level(value, words, FADED, "2 3")
    panel.level(target, "demanded of one producer")
    panel.curve(points, COLOURS[0], dots=True)
    return document(446, "Ring to durable, by number of producers", panel.drawn())


def outage(results, targets):
    """Backlog and latency while the API goes and comes back."""
    report = results["outage"]
    (gone, _), (back, _) = points_of(report, "away")
    times = Linear(max(x for x, _ in points_of(report, "backlog")))

    def panel(top, key, label, last=False):
        points = points_of(report, key)
        made = Panel(top, 150, times, Linear(max(1.1 * max(y for _, y in points), 1)),
                     "seconds" if last else "", label)
        made.span(gone, back, "the API is away" if key == "backlog" else "")
        made.curve(points, COLOURS[0])
        return made

    waiting = panel(46, "backlog", "records that wait")
    age = panel(226, "age", "oldest of them, s")
    medians, highest = points_of(report, "record.median"), points_of(report, "record.p99")
    values = [max(y, 10) for _, y in medians + highest]
    calls = Panel(406, 190, times, Logarithmic(min(values), 10 * max(values)), "seconds",
                  "one record(), ns")
    calls.span(gone, back, "")
    calls.curve(highest, COLOURS[1])
    calls.curve(medians, COLOURS[0])
    calls.level(targets["record:call.sparse.median"], "demanded of the median")
    calls.legend([(COLOURS[1], "p99 of a quarter second", False), (COLOURS[0], "median", False)])
    return document(656, "An outage of the API under a steady load",
                    waiting.drawn() + age.drawn() + calls.drawn())


PICTURES = {"latency.svg": latency, "producers.svg": producers, "outage.svg": outage}
