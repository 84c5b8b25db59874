"""Bars with intervals, as SVG."""
from xml.sax.saxutils import escape

WIDTH = 760
LEFT = 190               # where bars begin
RIGHT = 80               # room behind the longest for figures
TOP = 46
ROW = 30
BAR = 18

COLOURS = {"ours": "#1f6fb2", "peer": "#8a8f98", "floor": "#d3d6da"}
STYLE = ("text{font-family:sans-serif;font-size:13px;fill:#1c1e21}.title{font-size:15px;font-weight:bold}"
         ".axis{font-size:11px;fill:#666a70}")


def nice_step(largest):
    """A step for the axis of which four to nine fit: 1, 2 or 5 times a power of ten."""
    step = 1.0
    while largest / step > 9:
        step *= 10
    while largest / step < 0.9:
        step /= 10
    for part in (0.1, 0.2, 0.5, 1):
        if largest / (step * part) <= 9:
            return step * part
    return step


def figure(value):
    return f"{value:#.3g}".rstrip(".") if value < 1000 else f"{value:,.0f}"


def line(x1, y1, x2, y2, colour, width=1, more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"{more}/>'


def text(x, y, words, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor="{anchor}">{escape(words)}</text>'


def bars(title, axis, rows, marks=()):
    """rows: [(label, role, interval.Interval)]; marks: [(row, value)], a limit to be seen in that row."""
    bounded = [i.high for _, _, i in rows if i.high < 10 * i.value] + [i.value for _, _, i in rows] + [value for _, value in marks]
    largest = max(bounded)
    step = nice_step(largest)
    scale = (WIDTH - LEFT - RIGHT) / largest
    bottom = TOP + ROW * len(rows)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 44}" viewBox="0 0 {WIDTH} {bottom + 44}" '
           f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">',
           f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{bottom + 44}" fill="#ffffff"/>', text(12, 26, title, "title")]
    tick = 0
    while tick * step <= largest * 1.0001:
        x = LEFT + tick * step * scale
        out += [line(x, TOP, x, bottom, "#e6e8ea"), text(x, bottom + 15, f"{tick * step:g}", "axis", "middle")]
        tick += 1
    out.append(text(LEFT, bottom + 34, axis, "axis"))
    for at, (label, role, found) in enumerate(rows):
        out += bar(TOP + at * ROW, label, role, found, scale, largest)
    for at, value in marks:
        x = LEFT + value * scale
        out.append(line(x, TOP + at * ROW + 2, x, TOP + at * ROW + ROW - 2, "#c0392b", 2, ' stroke-dasharray="4 2"'))
    return "\n".join(out + ["</svg>"]) + "\n"


def bar(y, label, role, found, scale, largest):
    middle = y + ROW / 2
    end = LEFT + found.value * scale
    low, high = LEFT + found.low * scale, LEFT + min(found.high, largest) * scale
    out = [text(LEFT - 8, middle + 4, label, anchor="end"),
           f'<rect x="{LEFT}" y="{middle - BAR / 2:.1f}" width="{end - LEFT:.1f}" height="{BAR}" fill="{COLOURS[role]}"/>']
    if high - low > 1:
        out += [line(low, middle, high, middle, "#1c1e21", 1.5), line(low, middle - 5, low, middle + 5, "#1c1e21", 1.5),
                line(high, middle - 5, high, middle + 5, "#1c1e21", 1.5)]
    return out + [text(WIDTH - 12, middle + 4, figure(found.value), anchor="end")]
