"""Curves of percents, as SVG."""
from xml.sax.saxutils import escape

from chart import COLOURS, STYLE, WIDTH, line, text

LEFT, RIGHT, TOP, HEIGHT = 50, 110, 46, 240


def lines(title, axis, curves):
    """curves: [(label, role, [percent, ...])], all as long as each other."""
    bottom = TOP + HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 44}" viewBox="0 0 {WIDTH} {bottom + 44}" '
           f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">',
           f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{bottom + 44}" fill="#ffffff"/>', text(12, 26, title, "title")]
    for percent in range(0, 101, 20):
        y = bottom - percent / 100 * HEIGHT
        out += [line(LEFT, y, WIDTH - RIGHT, y, "#e6e8ea"), text(LEFT - 6, y + 4, str(percent), "axis", "end")]
    out.append(text(LEFT, bottom + 34, axis, "axis"))
    for label, role, percents in curves:
        step = (WIDTH - LEFT - RIGHT) / max(len(percents) - 1, 1)
        places = [(LEFT + at * step, bottom - percent / 100 * HEIGHT) for at, percent in enumerate(percents)]
        out += [f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" fill="none" stroke="{COLOURS[role]}" stroke-width="2"/>',
                text(places[-1][0] + 6, places[-1][1] + 4, label)]
    return "\n".join(out + ["</svg>"]) + "\n"
