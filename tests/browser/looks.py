"""What a page must be, whoever looks at it: readable for everybody, no wider than the screen."""

from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

SERIOUS = {"serious", "critical"}

# Faults of unfold's own markup that no template of ours can mend: rule → part of the element.
OF_UNFOLD: dict[str, str] = {}

_TOO_WIDE = """() => {
  const root = document.scrollingElement, faults = [];
  if (root.scrollWidth > window.innerWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width && box.right > window.innerWidth + 1 && element.children.length === 0;
    }).slice(0, 3).map((element) => element.outerHTML.slice(0, 160));
    faults.push(`the page is ${root.scrollWidth} px wide: ${wide.join(" ")}`);
  }
  for (const table of document.querySelectorAll("table, pre, svg")) {
    if (!table.checkVisibility() || !table.getClientRects().length) continue;
    for (let box = table.parentElement; box && box !== document.body; box = box.parentElement) {
      const overflow = getComputedStyle(box).overflowX;
      if (["auto", "scroll"].includes(overflow)) break;
      if (["hidden", "clip"].includes(overflow) && box.scrollWidth > box.clientWidth + 2) {
        faults.push(`hidden sideways: ${table.outerHTML.slice(0, 160)}`);
        break;
      }
    }
  }
  return faults;
}"""

_AXE = """async (options) => (await axe.run(document, options)).violations.map((violation) => ({
  id: violation.id, impact: violation.impact,
  nodes: violation.nodes.map((node) => node.html.slice(0, 200) + " " +
    (node.failureSummary || "").split("\\n")[1].trim().slice(0, 120)),
}))"""


@cache
def _axe_source() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text()


# What axe is asked: everything; what the theme can change; the rest, in a tenth of the time.
EVERYTHING: dict[str, Any] = {}
COLOURS: dict[str, Any] = {"runOnly": ["color-contrast"]}
SHAPES: dict[str, Any] = {"rules": {"color-contrast": {"enabled": False}}}


def barriers(page: Page, asked: dict[str, Any] = EVERYTHING) -> list[str]:
    """What axe finds that keeps somebody from using the page: serious and critical faults."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe_source())  # not as a script of the page, which the policy would refuse
    found = page.evaluate(_AXE, {"resultTypes": ["violations"], "preload": False, **asked})
    faults = []
    for violation in found:
        nodes = [node for node in violation["nodes"] if not _of_unfold(violation["id"], node)]
        if violation["impact"] in SERIOUS and nodes:
            faults.append(f"{violation['id']} x{len(nodes)}, e.g. {nodes[0]}")
    return faults


def _of_unfold(rule: str, node: str) -> bool:
    return rule in OF_UNFOLD and OF_UNFOLD[rule] in node


def too_wide(page: Page) -> list[str]:
    """What does not fit the width of the screen."""
    return page.evaluate(_TOO_WIDE)


def darken(page: Page) -> None:
    """As with the dark theme: unfold's is a class, our own follow the system."""
    page.emulate_media(color_scheme="dark")
    if "/admin/" in page.url:
        page.evaluate("document.documentElement.classList.add('dark')")


def lighten(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    if "/admin/" in page.url:
        page.evaluate("document.documentElement.classList.remove('dark')")
