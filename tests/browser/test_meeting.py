"""A team holds its review with the page: one types, the others see it on the projector."""

import pytest

from incidents.core import services as core
from incidents.core.models import Organisation, User
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from tests.browser.conftest import NARROW, Browse
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(transactional_db: None) -> User:
    Organisation.objects.get_or_create(pk=1)
    core.ensure_default_runbook()
    return UserFactory(username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def review(root: User) -> Review:
    team = TeamFactory(name="Payments")
    MembershipFactory(team=team, user=root, role="manager")
    service = ServiceFactory(name="Checkout", team=team)
    incident = core.declare(title="Nobody can pay", service=service, severity="SEV1", actor=root)
    core.dismiss(incident, reason="A test.", actor=root)
    return reviews.request(incident, reason="To learn.", actor=root)


def test_what_is_agreed_is_typed_in_and_seen_by_all(
    browse: Browse, review: Review, root: User
) -> None:
    address = f"/admin/reviews/review/{review.pk}/change/"
    projector, laptop = browse(root), browse(root, NARROW)
    projector.goto(address)
    projector.get_by_role("button", name="Start the meeting").click()
    projector.get_by_role("button", name="Next point").wait_for()
    projector.reload()
    assert projector.get_by_role("timer").inner_text().count(":") == 1  # it goes on

    laptop.goto(address)
    laptop.get_by_label("Another cause: ask why").fill("Why could nobody pay?")
    laptop.locator("#root_cause").get_by_label("Answer").fill("The pool was empty.")
    laptop.get_by_role("button", name="Ask", exact=True).click()
    laptop.get_by_label("What was agreed").fill("A larger pool")
    laptop.get_by_label("The answer that it comes from").select_option("The pool was empty.")
    laptop.get_by_role("button", name="Agree").click()

    for text in ["The pool was empty.", "A larger pool"]:
        projector.locator("#action_items, #root_cause").get_by_text(text).first.wait_for()
    item = review.items.get()
    assert item.why is not None and item.why.answer == "The pool was empty."
