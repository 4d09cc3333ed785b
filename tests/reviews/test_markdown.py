import re
import time

import pytest
from markdown_it import MarkdownIt

from incidents.reviews.markdown import LONGEST, escape, render, tame
from tests.browser.payloads import PAYLOADS


def test_it_shows_what_commonmark_says():
    html = render(
        "## Cause\n\nA **bold** `word`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- ~~two~~"
    )

    assert "<h4>Cause</h4>" in html
    assert "<strong>bold</strong> <code>word</code>" in html
    assert "<td>1</td>" in html
    assert "<li><s>two</s></li>" in html


def test_it_shows_html_as_it_was_typed():
    assert render("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"


@pytest.mark.parametrize(
    "address",
    ["javascript:x", "JaVaScRiPt:x", "data:text/html,x", "//evil.example", "/admin/", "x"],
)
def test_it_makes_no_link_of_other_addresses_than_those_of_the_web(address):
    assert "<a" not in render(f"[x]({address}) <{address}>\n\n[y]: {address}\n[y]")


def test_its_links_tell_nobody_where_they_came_from():
    assert render("[x](https://a.example)") == (
        '<p><a href="https://a.example" rel="noopener noreferrer nofollow">x</a></p>\n'
    )


def test_it_loads_no_pictures():
    assert "<img" not in render("![x](https://a.example/x.png)")


@pytest.mark.parametrize("text", ["[" * LONGEST, "*a " * LONGEST, ">" * LONGEST, "`a" * LONGEST])
def test_it_does_not_take_long_for_what_is_made_to_last(text):
    began = time.monotonic()
    render(text)
    tame(text)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        *PAYLOADS,
        "# x",
        "- x",
        "1. x",
        "a|b",
        "*x*",
        "_x_ a_b_c",
        "&lt; a & b",
        "x\n---",
        "# x",
        "> x",
        "~~x~~ ~y",
        "+ x",
        "12) x",
    ],
)
def test_an_escaped_text_reads_the_same_in_any_markdown(text):
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(escape(text))

    assert html == f"<p>{_as_html(' '.join(text.split()))}</p>\n"


def _as_html(text):
    for sign, name in [("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot")]:
        text = text.replace(sign, f"&{name};")
    return text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_tamed_text_makes_no_element_even_where_html_is_allowed(payload):
    html = MarkdownIt("commonmark", {"html": True}).render(tame(payload))

    assert set(re.findall(r"<[^>]*>?", html)) <= {"<p>", "</p>", "<br />", "<em>", "</em>"}


# Code that ends elsewhere than its line says, fences that are none, signs behind signs.
SMUGGLED = [
    "intro `code starts\nends` <img src=x onerror=alert(1)> [x](javascript:alert(1)) `tail`",
    "a `` b\nc `` <script>alert(1)</script> `` z ``",
    "| `a | b` `<img src=x> ` |",
    "[x](https://a`) `b` <img src=x> `",
    "- a\n  ```\n<img src=x>\n```",
    "  ~~~\n~~~\n<img src=x>",
    "```\n```\x0c\n```\n<img src=x>",
    "[x\\](javascript:alert(1)) [y\\\\](javascript:alert(1))",
    "[`a]: javascript:alert(1) 'b`'\n\n[`a]",
]


@pytest.mark.parametrize("payload", SMUGGLED)
def test_nothing_is_smuggled_through_as_code(payload):
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = lambda _address: True
    html = parser.render(tame(payload))

    assert not re.search("<img|<script|href=.javascript", html), html


def test_a_tamed_text_keeps_code_and_lowers_headings():
    text = (
        "# A\n`a < b` <b>\n```js\n<script>\n```\nB\n===\n[x](javascript:y) [z](https://a.example)"
    )

    assert tame(text).split("\n") == [
        *("### A", "`a < b` &lt;b>", "```js", "<script>", "```", "B", ""),
        r"[x\](javascript:y) [z](https://a.example)",
    ]


def test_a_tamed_text_closes_its_code():
    assert tame("```\nx") == "```\nx\n```"
