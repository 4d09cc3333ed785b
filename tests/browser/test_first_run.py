"""As a new user: from an empty folder to the first page, by the checklist alone."""

import json
import re
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SIZES
from tests.browser.upped import Fresh, fresh
from tests.browser.watch import Watch
from tests.chaos.servers import Provider, eventually, provider

PATIENCE_MS = 15_000


class NewUser:
    """Knows nothing but the checklist: presses what it offers next, and fills what is asked."""

    def __init__(self, page: Page, house: Fresh, wire: Provider) -> None:
        self.page, self.house, self.wire = page, house, wire

    def log_in(self) -> None:
        self.page.goto("/")
        self.page.get_by_label("Username").fill("admin")
        self.page.get_by_label("Password").fill(self.house.password)
        self.page.get_by_role("button", name="Log in").click()

    def takes(self, step: str) -> None:
        """The step that the checklist says is next must be this one; its button is pressed."""
        self.page.goto("/admin/")
        current = self.page.locator("li[aria-current=step]")
        expect(current.locator("strong")).to_have_text(step)
        current.get_by_role("link").first.click()

    def saves(self) -> None:
        """Whether it was enough, the checklist will tell."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Save", exact=True).click()

    def chooses(self, field: str, text: str) -> None:
        """In a list, or in a box that searches."""
        select = self.page.locator(f"[name={field}]")
        if "select2" not in (select.get_attribute("class") or ""):
            select.select_option(label=text)
            return
        select.locator("xpath=following-sibling::span").locator(".select2-selection").click()
        self.page.locator(".select2-container--open .select2-search__field").fill(text)
        self.page.locator(".select2-results__option[role=option]", has_text=text).first.click()

    def hears(self, text: str) -> dict[str, str]:
        """The next message at the webhook with `text` in it."""

        def heard() -> list[dict[str, str]]:
            said = [json.loads(request.body)["data"] for request in self.wire.ledger]
            return [message for message in said if text in str(message)]

        return eventually(heard, within=20)[-1]


@pytest.mark.parametrize("size", SIZES)
def test_a_new_user_is_paged_within_ten_minutes(
    browser: Browser, tmp_path: Path, size: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    with provider() as wire, fresh(tmp_path, WEBHOOK_ALLOW_PRIVATE="true") as house:
        began = time.monotonic()
        context = browser.new_context(base_url=house.url, viewport=size)
        context.set_default_timeout(PATIENCE_MS)
        watch = Watch(house.url)
        watch.attach(context)
        walk(NewUser(context.new_page(), house, wire))
        took = time.monotonic() - began
        context.close()

    with capsys.disabled():
        sys.stdout.write(f"\nFrom the login to the acknowledged page: {took:.1f} s\n")
    assert took < 600
    assert watch.drain() == []


def walk(user: NewUser) -> None:
    user.log_in()
    makes_an_organisation(user)
    can_be_reached(user)
    says_who_is_asked(user)
    is_paged(user)


def makes_an_organisation(user: NewUser) -> None:
    page, wire = user.page, user.wire
    user.takes("Organisation and time zone")
    page.get_by_label("Name").fill("Acme")
    user.chooses("timezone", "Europe/Berlin")
    user.saves()

    user.takes("Last resort")
    page.get_by_label("Name").fill("Duty phone")
    user.chooses("kind", "Webhook")
    page.get_by_label("Address").fill(f"{wire.url}last-resort")
    user.saves()

    user.takes("A team")
    page.get_by_label("Name").fill("Payments")
    user.saves()

    user.takes("People who respond")
    page.get_by_text("Add another Person").click()
    user.chooses("memberships-0-user", "admin")
    user.saves()


def can_be_reached(user: NewUser) -> None:
    page, wire = user.page, user.wire
    user.takes("Contacts that work")
    user.chooses("kind", "Webhook")
    page.get_by_label("Address").fill(f"{wire.url}admin")
    page.get_by_role("button", name="Add it and send the code").click()
    page.get_by_role("link", name="I have copied it").click()
    code = re.search(r"\d{8}", user.hears("verification code")["body"])
    assert code
    page.get_by_label("The code").fill(code[0])
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("Verified.").first).to_be_visible()


def says_who_is_asked(user: NewUser) -> None:
    page = user.page
    for step in ["A schedule", "An escalation policy"]:
        user.takes(step)
        with page.expect_navigation():
            page.get_by_role("button", name=re.compile("Make its")).click()

    user.takes("A service")
    page.get_by_label("Name").fill("Checkout")
    user.saves()

    user.takes("A source of alerts")
    page.get_by_label("Name").fill("Prometheus")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("curl").first).to_be_visible()


def is_paged(user: NewUser) -> None:
    page = user.page
    user.takes("Page me now")
    page.get_by_role("button", name="Page me now").click()
    asked = user.hears("[TEST]")
    pressed_link = re.search(r"http://\S+/a/[\w-]+/", str(asked).replace("'", " "))
    assert pressed_link

    phone = page.context.new_page()
    phone.goto(pressed_link[0])
    phone.get_by_role("button", name="Acknowledge").click()
    expect(phone.get_by_text("You have it")).to_be_visible()
    phone.close()

    expect(page.get_by_text("The whole way works")).to_be_visible(timeout=30_000)
    page.goto("/admin/")
    expect(page.locator("li[aria-current=step]")).to_have_count(0)
