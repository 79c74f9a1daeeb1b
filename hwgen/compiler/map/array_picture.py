"""Pictures of the array in a pass, which PE works on what: for terminals and as SVG."""

import colorsys

import drawsvg
from rich.text import Text

__all__ = ["text", "svg"]

_CELL = (46, 24)            # of the SVG, in pixels
_LEFT, _TOP = 96, 62
_GOLDEN = 0.618             # of a turn of the colour wheel from a filter group to the next


def _span(first, count):
    return f"{first}" if count == 1 else f"{first}-{first + count - 1}"


def _row_label(row):
    channel, channels, filter_row = row
    return f"r{filter_row}" if channel is None else f"c{_span(channel, channels)} r{filter_row}"


def _groups(one):
    """Filter groups of a pass from the left: number by first filter."""
    firsts = dict.fromkeys(col[1] for col in one.cols if col)
    return {first: number for number, first in enumerate(firsts)}


def _colour(group, shade):
    """Colour of a filter group; ``shade`` 0 or 1 tells neighbouring channel groups apart."""
    red, green, blue = colorsys.hls_to_rgb(group * _GOLDEN % 1, 0.78 + 0.08 * shade, 0.6)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _shade(row):
    channel, channels, filter_row = row
    return filter_row % 2 if channel is None else channel // channels % 2


def text(one):
    """A pass for the terminal: a line for each array row, a cell for each column.

    A cell is the filter group's letter and the output row; a dot is an idle PE.

    Parameters
    ----------
    one : Pass

    Returns
    -------
    rich.text.Text
    """
    groups = _groups(one)
    width = max(len(_row_label(row)) for row in one.rows if row)
    picture = Text(no_wrap=True)
    for row in one.rows:
        picture.append(f"{_row_label(row) if row else '':>{width}} ")
        for col in one.cols:
            if row and col:
                group = groups[col[1]]
                picture.append(f"{_letter(group)}{col[0]}".center(4),
                               style=f"black on {_colour(group, _shade(row))}")
            else:
                picture.append(" ·  ", style="dim")
        picture.append("\n")
    for first, group in groups.items():
        count = next(col[2] for col in one.cols if col and col[1] == first)
        picture.append(f" {_letter(group)} m{_span(first, count)} ",
                       style=f"black on {_colour(group, 0)}")
    return picture


def _letter(group):
    """a to z, then A to F: an array has at most 32 columns."""
    return chr(ord("a") + group) if group < 26 else chr(ord("A") + group - 26)


def svg(title, passes):
    """Passes as one SVG document, one below the other.

    Columns are headed by their filters, rows by their channels and filter row; a cell holds the
    output row, its tooltip all of it.

    Parameters
    ----------
    title : str
    passes : list of Pass

    Returns
    -------
    str
        The same text for the same passes.
    """
    width = max(_LEFT + _CELL[0] * len(passes[0].cols) + 10, 480)
    height = sum(_TOP + _CELL[1] * len(one.rows) + 20 for one in passes) + 24
    drawing = drawsvg.Drawing(width, height, font_family="sans-serif")
    drawing.append(drawsvg.Rectangle(0, 0, width, height, fill="white"))
    drawing.append(drawsvg.Text(title, 15, 10, 20, font_weight="bold"))
    top = 24
    for one in passes:
        _draw(drawing, one, top)
        top += _TOP + _CELL[1] * len(one.rows) + 20
    return drawing.as_svg() + "\n"


def _draw(drawing, one, top):
    wide, high = _CELL
    groups = _groups(one)
    drawing.append(drawsvg.Text(
        f"pass {one.index + 1}: {one.active} of {len(one.rows) * len(one.cols)} PEs", 12, 10,
        top + 20))
    for x, col in enumerate(one.cols):
        if col:
            drawing.append(drawsvg.Text(f"m{_span(*col[1:])}", 10, _LEFT + wide * (x + 0.5),
                                        top + _TOP - 8, text_anchor="middle"))
    for y, row in enumerate(one.rows):
        at = top + _TOP + high * y
        if row:
            drawing.append(drawsvg.Text(_row_label(row), 11, _LEFT - 6, at + high * 0.68,
                                        text_anchor="end"))
        for x, col in enumerate(one.cols):
            busy = row and col
            cell = drawsvg.Rectangle(
                _LEFT + wide * x, at, wide, high, stroke="white",
                fill=_colour(groups[col[1]], _shade(row)) if busy else "#eeeeee")
            cell.append_title(f"row {y}, column {x}: " + (
                f"{_row_label(row)}, output row {col[0]}, filters {_span(*col[1:])}"
                if busy else "idle"))
            drawing.append(cell)
            if busy:
                drawing.append(drawsvg.Text(f"y{col[0]}", 11, _LEFT + wide * (x + 0.5),
                                            at + high * 0.68, text_anchor="middle",
                                            pointer_events="none"))
