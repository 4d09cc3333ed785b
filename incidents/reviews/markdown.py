"""Markdown that people write: shown as HTML that cannot run, and put into documents as text.

CommonMark with tables and strikethrough. HTML in it is shown as it was typed; pictures are links,
as a picture would tell a stranger's server who reads; only http, https and mailto lead anywhere.
"""

import re
from collections.abc import Sequence
from functools import cache, lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

LONGEST = 20_000
TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code"),
    *("em", "strong", "s", "a", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}
SCHEMES = {"http", "https", "mailto"}
_LEADS = re.compile(r"(?:https?://|mailto:)[^\s\\]", re.IGNORECASE)


@lru_cache(maxsize=512)
def render(text: str, *, level: int = 3) -> SafeString:
    """As HTML. Its headings begin at `level`: they stand below those of the page.

    Kept: what is made to take long (2 s for LONGEST brackets) does so once in each process.
    """
    parser = _parser()
    tokens = parser.parse(text[:LONGEST])
    _lower(tokens, level - 1)
    html = parser.renderer.render(tokens, parser.options, {})
    return mark_safe(clean(html))  # noqa: S308


def clean(html: str) -> str:
    """Nothing but `TAGS` and safe links, whatever `html` is: the second of two locks."""
    return nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    parser.enable(["table", "strikethrough"]).disable("image")
    parser.validateLink = _is_safe  # type: ignore[method-assign, assignment]
    return parser


def _is_safe(address: str) -> bool:
    """Whether it becomes a link; others stay the text that they are."""
    return _LEADS.match(address.strip()) is not None


def _lower(tokens: Sequence[Token], by: int) -> None:
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + by, 6)}"


# --- In documents ---------------------------------------------------------------------------------

_SIGNS = re.compile(r"([\\`*\[\]<|]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|(?<=~)~|&(?=[#\w]))")
_AT_THE_START = re.compile(r"^([-+=#>~]|\d+[.)])")


def escape(text: str) -> str:
    """Plain text as Markdown that reads the same: on one line, nothing in it is a sign."""
    line = inline(text)
    return _AT_THE_START.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", line)


def inline(text: str) -> str:
    """The same where something stands before it already: in a table, behind the sign of a list."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
_RULED = re.compile(r"^ {0,3}(=+|-+)\s*$")
_HEADING = re.compile(r"^( {0,3})(#{1,6})(?=\s|$)")
_LINK = re.compile(r"(?<!\\)((?:\\\\)*)(\](?:\(|:))")  # a sign behind `\` is none already
_TAG = re.compile(r"<(?=[a-z/!?])(?!https?://[^\s<>\"']+>)", re.IGNORECASE)


def tame(text: str, *, level: int = 3) -> str:
    """People's Markdown for a document that others will render, with whatever they have.

    Headings begin at `level`; what would be HTML or a link that runs is text. Only fenced code
    stays as it is: where code in a line ends, only the whole paragraph tells. Fences lose what
    they are indented by, as one in a list would end where the list does.
    """
    lines, fence = list[str](), ""
    for line in text[:LONGEST].replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        found = _FENCE.match(line)
        if fence:
            is_end = found and found[1].startswith(fence) and not found[2].strip()
            lines.append(fence if is_end else line)
            fence = "" if is_end else fence
        elif found and not ("`" in found[1] and "`" in found[2]):
            fence = found[1]
            lines.append(fence + re.sub(r'[<&"]', "", found[2]))
        elif lines and lines[-1].strip() and _RULED.match(line):
            lines.append("")  # an underlined heading would stand above the document's own
        else:
            lines.append(_tame_line(line, level))
    return "\n".join([*lines, fence] if fence else lines).strip()


def _tame_line(line: str, level: int) -> str:
    line = _HEADING.sub(lambda m: m[1] + "#" * min(len(m[2]) + level - 1, 6), line)

    def address(match: re.Match[str]) -> str:
        rest = line[match.end() :].lstrip(" <")
        return match[0] if _LEADS.match(rest) else f"{match[1]}\\{match[2]}"

    return _TAG.sub("&lt;", _LINK.sub(address, line))
