"""Sixty pieces of Markdown that are to run something, load something, or lead somewhere bad.

Each calls `__xss`, leaves an element with `data-xss`, or asks for something of evil.example.
"""

MARKDOWN = [
    # Links that run
    "[x](javascript:__xss())",
    "[x](JaVaScRiPt:__xss())",
    "[x](<javascript:__xss()>)",
    "[x](<java\tscript:__xss()>)",
    "[x](java&#115;cript:__xss())",
    "[x](javascript&colon;__xss())",
    "[x](&#x6A;avascript:__xss())",
    "[x](\\javascript:__xss())",
    "[x](javascript://%0a__xss())",
    "[x](vbscript:__xss())",
    "[x](data:text/html,<script>__xss()</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD5fX3hzcygpPC9zY3JpcHQ+)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/)",
    "[x](\x01javascript:__xss())",
    "[x]( javascript:__xss())",
    "[x](\u00a0javascript:__xss())",
    "[x][1]\n\n[1]: javascript:__xss()",
    "[x]\n\n[x]: <javascript:__xss()>",
    '[y]\n\n[y]: data:text/html,x "__xss()"',
    "<javascript:__xss()>",
    "<data:text/html,x>",
    "[a](https://a.example/ 'x\" onmouseover=__xss() data-xss=\"')",
    '[a](https://a.example/"onmouseover=__xss()//)',
    "[a](https://a.example/'onmouseover='__xss())",
    '[<img data-xss src=x onerror=__xss()>](https://a.example "y")',
    # Pictures, which would load something
    "![x](javascript:__xss())",
    "![x](https://evil.example/x.png)",
    '![x](x "onerror=__xss()")',
    '![x" onerror="__xss()](https://evil.example/x.svg)',
    "[![x](https://evil.example/a.png)](javascript:__xss())",
    "![x][p]\n\n[p]: https://evil.example/x.png",
    # HTML in Markdown
    "<script data-xss>__xss()</script>",
    "<div data-xss>\n\n*x*\n\n</div>",
    "text <b data-xss onclick=__xss()>bold</b> text",
    "<img data-xss src=x onerror=__xss()>",
    "<svg data-xss onload=__xss()>",
    "<details data-xss open ontoggle=__xss()>\n\n# x\n\n</details>",
    "<!-- --!><img data-xss src=x onerror=__xss()> -->",
    "<?php __xss() ?><img data-xss src=x onerror=__xss()>",
    "<![CDATA[<img data-xss src=x onerror=__xss()>]]>",
    "<!DOCTYPE html><body data-xss onload=__xss()>",
    "<iframe data-xss srcdoc='<script>parent.__xss()</script>'></iframe>",
    "<a data-xss href=javascript:__xss()>x</a>",
    "<style data-xss>@import '//evil.example/x.css';</style>",
    "<form data-xss action=//evil.example/><button>x</button></form>",
    "<base data-xss href=//evil.example/>",
    "<x-y data-xss style=animation-name:x onanimationstart=__xss()>",
    # Out of code, tables, headings, lists
    "```\n</code></pre><img data-xss src=x onerror=__xss()>\n```",
    '```js" onmouseover="__xss()" data-xss="\nx\n```',
    "```<img data-xss src=x onerror=__xss()>\nx\n```",
    "`</code><img data-xss src=x onerror=__xss()>`",
    "    <img data-xss src=x onerror=__xss()>",
    "| a |\n|---|\n| <img data-xss src=x onerror=__xss()> |",
    '| a |\n|:-:" onmouseover=__xss() data-xss="|\n| b |',
    "a `b\nc` <img data-xss src=x onerror=__xss()> [x](javascript:__xss()) `d`",
    "a `` b\nc `` <script data-xss>__xss()</script> `` d ``",
    "- a\n  ```\n<img data-xss src=x onerror=__xss()>\n```",
    "# x {#y onclick=__xss() data-xss}",
    "- <img data-xss src=x onerror=__xss()>\n  > <svg data-xss onload=__xss()>",
    # Entities, templates, what sanitizers have got wrong
    "&lt;img data-xss src=x onerror=__xss()&gt;",
    "&#60;img data-xss src=x onerror=__xss()&#62;",
    "<math><mtext><table><mglyph><style><img data-xss src=x onerror=__xss()></style></table>",
    '{{7919*7907}} ${7919*7907} {% debug %} " x-data="{}" x-init="__xss()" data-xss="',
]

# The same as `payloads.FOUND`, and: pictures, and links that lead elsewhere than to the web.
LOADED = """() => {
  const found = [];
  for (const element of document.querySelectorAll(".t-prose *, .text *")) {
    if (["IMG", "IFRAME", "OBJECT", "EMBED", "FORM", "SVG", "VIDEO"].includes(
      element.tagName.toUpperCase())) found.push(element.outerHTML.slice(0, 200));
    const href = element.getAttribute("href");
    if (href !== null && !/^(https?:\\/\\/|mailto:)/i.test(href)) found.push("leads to " + href);
    for (const { name } of element.attributes) {
      if (!["href", "title", "rel", "start"].includes(name)) found.push("attribute " + name);
    }
  }
  return found;
}"""
