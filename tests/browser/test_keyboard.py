"""Without a mouse: Tab, Enter and Space are enough, and one sees where one is."""

import re

import pytest
from playwright.sync_api import Page

from incidents.core.models import Incident
from tests.browser.conftest import SIZES, Browse
from tests.browser.walking import PASSWORD, give_password, said
from tests.browser.world import build

pytestmark = pytest.mark.django_db(transaction=True)

MOST_TABS = 150

# The focused element with its name, and whether focusing it changes how it (or its frame) looks.
FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const label = element.labels && element.labels[0] ? element.labels[0].innerText : "";
  const name = element.getAttribute("aria-label") || label || element.innerText || "";
  const box = element.getBoundingClientRect();
  const look = () => [element, element.parentElement].map((part) => {
    const { outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor, color } =
      getComputedStyle(part);
    return [outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor, color].join();
  }).join();
  const focused = look();
  element.blur();
  const blurred = look();
  element.focus({ focusVisible: true });
  return {
    name: name.trim().replace(/\\s+/g, " "), tag: element.tagName,
    visible: box.width > 1 && box.height > 1, marked: focused !== blurred,
  };
}"""


class Keyboard:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.unmarked: set[str] = set()

    def reaches(self, name: str) -> None:
        """Tab until the focus is on what is called so; on the way every stop must be visible."""
        stops = []
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            focused = self.page.evaluate(FOCUSED)
            if focused is None:
                continue
            stops.append(focused["name"])
            if not (focused["visible"] and focused["marked"]):
                self.unmarked.add(f"{focused['tag']} {focused['name'][:60]} at {self.page.url}")
            if re.fullmatch(name, focused["name"]):
                return
        pytest.fail(f"Tab never reaches {name!r}, but {stops}")

    def presses(self, name: str, key: str = "Enter") -> None:
        self.reaches(name)
        self.page.keyboard.press(key)

    def types(self, name: str, text: str) -> None:
        self.reaches(name)
        self.page.keyboard.type(text)


@pytest.mark.parametrize("size", SIZES)
def test_a_manager_works_without_a_mouse(browse: Browse, size: dict[str, int]) -> None:
    world = build()
    give_password(world.alice)
    page = browse(size=size)
    page.goto("/admin/")
    keys = Keyboard(page)

    page.get_by_label("Username").evaluate("field => field.blur()")
    keys.types("Username.*", "alice")
    keys.types("Password.*", PASSWORD)
    keys.presses("Log in")
    page.wait_for_url(re.compile(r"\d/admin/$"))
    keys.presses(".*5xx on checkout.*")
    page.wait_for_url("**/change/")
    keys.presses("Acknowledge", "Space")
    said(page, "Alice has it")
    keys.types("Note", "The disk is full")
    keys.presses("Add note")
    said(page, "Your note is on the timeline.")
    keys.presses("Identified")
    page.wait_for_url("**/do/identify/**")
    keys.types("What do you suspect.*", "A full disk")
    keys.presses("Identified")
    said(page, "It is marked identified.")
    _uses_a_menu(keys)

    incident = Incident.objects.get(pk=world.incidents["new"].pk)
    assert (incident.status, incident.suspected_cause) == ("identified", "A full disk")
    assert keys.unmarked == set()


def _uses_a_menu(keys: Keyboard) -> None:
    keys.presses("More…", "Space")
    keys.presses("Snooze")
    keys.page.wait_for_url("**/do/snooze/**")


def test_a_responder_works_without_a_mouse(browse: Browse) -> None:
    world = build()
    page = browse(world.bob)
    page.goto("/i/")
    keys = Keyboard(page)

    keys.presses(".*5xx on checkout.*")
    page.wait_for_url("**/i/INC-*/")
    keys.presses("Acknowledge", "Space")
    said(page, "You have it")
    keys.types("Note", "The disk is full")
    keys.presses("Add the note")
    said(page, "The disk is full")

    assert keys.unmarked == set()
