"""Small steps that every walk takes."""

import re

from playwright.sync_api import Page, expect

from incidents.core.models import Incident, User

PASSWORD = "correct horse battery"


def give_password(user: User) -> None:
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def page_of(incident: Incident) -> str:
    return f"/admin/incidents/incident/{incident.pk}/change/"


def press(page: Page, label: str) -> None:
    """A button or link of the incident's page, also one that hides in a menu."""
    found = page.get_by_role("button", name=label, exact=True)
    found = found.or_(page.get_by_role("link", name=label, exact=True))
    more = page.get_by_text("More…", exact=True)
    expect(found.or_(more).first).to_be_visible()
    if not found.first.is_visible():
        more.click()
    found.first.click()


def said(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_text(text).first).to_be_visible()
