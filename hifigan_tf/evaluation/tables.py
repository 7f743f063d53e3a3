"""Tables of figures: as Markdown for documents, and in columns for the terminal."""

from collections.abc import Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """The rows below a header; the first ``left`` columns are left-aligned, the others right-aligned."""
    rule = ["---" if place < left else "--:" for place in range(len(header))]
    lines = [f"| {' | '.join(header)} |", f"|{'|'.join(rule)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row, with the first cell left-aligned and the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *right]))
    return lines
