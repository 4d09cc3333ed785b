"""Markdown that people write runs nothing, loads nothing and leads nowhere but to the web."""

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Page

from incidents.core import services as core
from incidents.core.models import Organisation, Service, User
from incidents.reviews import services as reviews
from incidents.reviews.exporting import export
from incidents.reviews.models import Review
from tests.browser.conftest import Browse
from tests.browser.hostile_markdown import LOADED, MARKDOWN
from tests.browser.payloads import FOUND, PRODUCT
from tests.browser.watch import Watch
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
EVERYTHING = "\n\n".join(f"{text}\n\n* * *" for text in MARKDOWN)


@pytest.fixture
def root(transactional_db: None) -> User:
    Organisation.objects.get_or_create(pk=1)
    core.ensure_default_runbook()
    return UserFactory(username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def service(root: User) -> Service:
    team = TeamFactory(name="Payments")
    MembershipFactory(team=team, user=root, role="manager")
    return ServiceFactory(name="Checkout", team=team)


@pytest.fixture
def review(service: Service, root: User) -> Review:
    """Sixty payloads in each section, in a why, an action item, an entry and a figure."""
    incident = core.declare(title=MARKDOWN[32], service=service, severity="SEV1", actor=root)
    core.dismiss(incident, reason=MARKDOWN[33], actor=root)
    review = reviews.request(incident, reason="To learn.", actor=root)
    for key in ["summary", "lessons", "root_cause"]:
        version = reviews.stored_section(_now(review), key).version
        reviews.write_section(_now(review), key=key, text=EVERYTHING, version=version, actor=root)
    for number, text in enumerate(MARKDOWN):
        why = reviews.ask_why(_now(review), ask=text, answer=text, actor=root)
        if number % 10 == 0:
            title = " ".join(text.split())
            reviews.add_item(incident, title=title, detail=text, why=why, actor=root)
            at = incident.declared_at
            reviews.add_entry(_now(review), at=at, text=text, actor=root)
    return _now(review)


def _now(review: Review) -> Review:
    return Review.objects.with_context().get(pk=review.pk)


def found_on(page: Page) -> list[str]:
    """What is there that should not be, also after every pointer and key has been everywhere."""
    page.evaluate("""() => {
      for (const element of document.querySelectorAll("main *, .t-review *, .t-form *")) {
        for (const name of ["mouseover", "focus", "toggle", "animationstart", "error", "load"]) {
          element.dispatchEvent(new Event(name));
        }
      }
    }""")
    return [*page.evaluate(FOUND, PRODUCT), *page.evaluate(LOADED)]


def test_there_are_sixty() -> None:
    assert len(set(MARKDOWN)) >= 60


def test_nothing_runs_where_people_read_what_others_wrote(
    browse: Browse, watch: Watch, review: Review, root: User
) -> None:
    """At the end, `watch` says what was logged, loaded from elsewhere, or asked in a dialog."""
    page = browse(root)
    for path in ["change/", "document/", "write/summary/"]:
        page.goto(f"/admin/reviews/review/{review.pk}/{path}")
        if path.startswith("write"):
            page.get_by_role("button", name="Preview").click()
            page.get_by_text("This is how it will read").wait_for()
        assert found_on(page) == [], path
    page.set_content(export(review, form="html").text)  # the file, without the house's headers
    assert found_on(page) == []

    # A wiki may render it by something that believes every tag; what it loads is its business.
    watch.allow("evil.example")
    page.route("**/evil.example/**", lambda route: route.abort())
    text = export(review, form="markdown").text
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    page.set_content(html)
    assert page.evaluate(FOUND, PRODUCT) == []
