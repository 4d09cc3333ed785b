"""A document as Markdown: for repositories and wikis, which render it with whatever they have."""

from collections.abc import Iterator

from incidents.reviews.document.layout import Block, Branch, Cell, Laid
from incidents.reviews.markdown import escape, tame


def as_markdown(laid: Laid) -> str:
    parts = [f"# {escape(laid.title)}", "  \n".join(f"*{escape(note)}*" for note in laid.notes)]
    parts.append(_table(("Fact", "Value"), laid.facts, bold=True))
    for chapter in laid.chapters:
        parts.append(f"## {escape(chapter.title)}")
        for block in chapter.blocks:
            # A table that is the whole of its chapter has the chapter's name already.
            if block.name and len(chapter.blocks) > 1 and block.kind != "facts":
                parts.append(f"### {escape(block.name)}")
            parts.append(_block(block))
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    if block.kind == "text":
        return tame(block.text, level=3)
    if block.kind == "facts":
        return "\n".join(f"- **{escape(a.text)}**: {escape(b.text)}" for a, b in block.rows)
    if block.kind == "table":
        return _table(block.heads, block.rows)
    if block.kind == "lines":
        return "\n".join(f"- {escape(row[0].text)}" for row in block.rows)
    if block.kind == "tree":
        return "\n".join(_branches(block.tree, 0))
    return f"*{escape(block.text)}*"


def _table(
    heads: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...], *, bold: bool = False
) -> str:
    lines = [_row(escape(head) for head in heads), _row("---" for _ in heads)]
    for row in rows:
        first, *others = [_cell(cell) for cell in row]
        lines.append(_row([f"**{first}**" if bold else first, *others]))
    return "\n".join(lines)


def _row(cells: Iterator[str] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.tone == "quiet" and text:
        text = f"*{text}*"
    elif cell.tone == "bad" and text:
        text = f"**{text}**"
    return f"{text} ({escape(cell.detail)})" if cell.detail else text


def _branches(branches: tuple[Branch, ...], depth: int) -> Iterator[str]:
    indent = "   " * depth
    for number, branch in enumerate(branches, start=1):
        yield f"{indent}{number}. **{escape(branch.ask)}** {escape(branch.answer)}".rstrip()
        for action in branch.actions:
            yield f"{indent}   - Action: {escape(action)}"
        yield from _branches(branch.branches, depth + 1)
