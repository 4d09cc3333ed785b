"""A document as Markdown: for repositories and wikis, which render it with whatever they have."""

import re
from collections.abc import Iterator

from incidents.reviews.document.layout import Block, Branch, Cell, Laid
from incidents.reviews.markdown import escape, inline, tame


def as_markdown(laid: Laid) -> str:
    parts = [f"# {inline(laid.title)}", "  \n".join(f"*{inline(note)}*" for note in laid.notes)]
    parts.append(_table(("Fact", "Value"), laid.facts, bold=True))
    for chapter in laid.chapters:
        parts.append(f"## {inline(chapter.title)}")
        for block in chapter.blocks:
            # A table that is the whole of its chapter has the chapter's name already.
            if block.name and len(chapter.blocks) > 1 and block.kind != "facts":
                parts.append(f"### {inline(block.name)}")
            parts.append(_block(block))
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    if block.kind == "text":
        return tame(block.text, level=3)
    if block.kind == "facts":
        return "\n".join(f"- **{inline(a.text)}**: {inline(b.text)}" for a, b in block.rows)
    if block.kind == "table":
        return _table(block.heads, block.rows)
    if block.kind == "lines":
        return "\n".join(f"- {escape(row[0].text)}" for row in block.rows)
    if block.kind == "tree":
        return "\n".join(_branches(block.tree, 0))
    return f"*{inline(block.text)}*"


def _table(
    heads: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...], *, bold: bool = False
) -> str:
    lines = [_row(inline(head) for head in heads), _row("---" for _ in heads)]
    for row in rows:
        first, *others = [_cell(cell) for cell in row]
        lines.append(_row([f"**{first}**" if bold else first, *others]))
    return "\n".join(lines)


def _row(cells: Iterator[str] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = inline(cell.text)
    if cell.tone == "quiet" and text:
        text = f"*{text}*"
    elif cell.tone == "bad" and text:
        text = f"**{text}**"
    if cell.detail:
        text = f"{text}{'' if text.endswith(('.', '!', '?')) else '.'} *{inline(cell.detail)}*"
    return f"{text} <{cell.link}>" if _is_web(cell.link) else text


def _is_web(address: str) -> bool:
    return re.fullmatch(r"https?://[^\s<>|\\]+", address) is not None


def _branches(branches: tuple[Branch, ...], depth: int) -> Iterator[str]:
    indent = "   " * depth
    for number, branch in enumerate(branches, start=1):
        yield f"{indent}{number}. **{inline(branch.ask)}** {inline(branch.answer)}".rstrip()
        for action in branch.actions:
            yield f"{indent}   - Action: {inline(action)}"
        yield from _branches(branch.branches, depth + 1)
