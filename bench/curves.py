"""Curves of percents, as SVG."""
from xml.sax.saxutils import escape

from chart import COLOURS, STYLE, WIDTH, line, text

LEFT, RIGHT, TOP, HEIGHT = 50, 110, 46, 240

# So far from each other two labels can be read.
LABEL = 15


def lines(title, axis, curves, marks=()):
    """curves: [(label, role, [percent, ...])], all as long as each other; marks: [(role, first, last, percent)], what is to be compared with those
    from first to last."""
    bottom = TOP + HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 44}" viewBox="0 0 {WIDTH} {bottom + 44}" '
           f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">',
           f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{bottom + 44}" fill="#ffffff"/>', text(12, 26, title, "title")]
    for percent in range(0, 101, 20):
        y = bottom - percent / 100 * HEIGHT
        out += [line(LEFT, y, WIDTH - RIGHT, y, "#e6e8ea"), text(LEFT - 6, y + 4, str(percent), "axis", "end")]
    out.append(text(LEFT, bottom + 34, axis, "axis"))
    step = (WIDTH - LEFT - RIGHT) / max(len(curves[0][2]) - 1, 1)
    for label, role, percents in curves:
        places = [(LEFT + at * step, bottom - percent / 100 * HEIGHT) for at, percent in enumerate(percents)]
        out.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" fill="none" stroke="{COLOURS[role]}" stroke-width="2"/>')
    for role, first, last, percent in marks:
        y = bottom - percent / 100 * HEIGHT
        out.append(line(LEFT + first * step, y, LEFT + last * step, y, COLOURS[role], 3, ' stroke-dasharray="5 3"'))
    return "\n".join(out + labels([(bottom - percents[-1] / 100 * HEIGHT, label) for label, _, percents in curves]) + ["</svg>"]) + "\n"


def labels(places):
    """[(y, label)]: each at the end of its curve, or as far below the one above it as it must be."""
    out, least = [], 0
    for y, label in sorted(places):
        y = max(y, least)
        out.append(text(WIDTH - RIGHT + 6, y + 4, label))
        least = y + LABEL
    return out
