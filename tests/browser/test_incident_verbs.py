"""Each verb of the incident's page, pressed in the browser; what is typed is hostile."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from incidents.core import services as core
from incidents.core.adminsite import known_verbs
from incidents.core.models import Incident, Service
from tests.browser.conftest import NARROW, Browse, Gallery
from tests.browser.payloads import FOUND, PAYLOADS, PRODUCT
from tests.browser.walking import page_of, press, said
from tests.browser.world import World
from tests.core import runbook
from tests.factories import ServiceFactory

pytestmark = pytest.mark.usefixtures("transactional_db")

TEXT = "".join(PAYLOADS[place] for place in [0, 4, 32])
SHOWN = TEXT[:40]


@pytest.fixture(scope="module")
def transactional_db(world: World) -> None:
    """Each test has an incident of its own, in an organisation that stays."""


# --- As the incident stands before ----------------------------------------------------------------


def fresh(world: World) -> Incident:
    return core.declare(title="It is slow", service=world.service, severity="SEV3")


def held(world: World) -> Incident:
    return core.acknowledge(fresh(world), actor=world.bob)


def identified(world: World) -> Incident:
    return core.identify(held(world), suspected_cause="A full disk", actor=world.bob)


def recovered(world: World) -> Incident:
    return core.mark_recovered(held(world), actor=world.bob)


def mended(world: World) -> Incident:
    core.start_mitigating(
        incident := identified(world), mitigation="Space", kind="other", actor=world.bob
    )
    return core.mark_recovered(incident, actor=world.bob)


def closed(world: World) -> Incident:
    return core.dismiss(fresh(world), reason="Nothing", actor=world.bob)


def listed(world: World) -> Incident:
    incident = held(world)
    core.add_checklist_item(incident, text="Look at the graphs", actor=world.bob)
    return incident


def ticked(world: World) -> Incident:
    incident = listed(world)
    core.tick(incident.checklist.get(), actor=world.bob)
    return incident


def planned(world: World) -> Incident:
    """Of a service whose runbook knows types and procedures."""
    service = ServiceFactory(team=world.team)
    runbook.publish(service)
    return core.declare(title="It is odd", service=service, severity="SEV4")


def to_be_told(world: World) -> Incident:
    """Of which its runbook wants customers to hear."""
    return core.declare(
        title="It is down", service=Service.objects.get(name="Tills"), severity="SEV1"
    )


# --- What a person does on the page ---------------------------------------------------------------


def asks(label: str, **facts: str) -> Callable[[Page], None]:
    """Press, fill the form that asks, press again."""

    def act(page: Page) -> None:
        press(page, label)
        fill(page, facts)
        page.locator("#content form, main form").get_by_role(
            "button", name=label, exact=True
        ).last.click()

    return act


def at_once(label: str) -> Callable[[Page], None]:
    return lambda page: press(page, label)


def fill(page: Page, facts: dict[str, str]) -> None:
    for name, value in facts.items():
        field = page.locator(f"[name={name}]:visible").first
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(label=value)
        else:
            field.fill(value)


def changes_severity(page: Page) -> None:
    page.locator("summary", has_text="Severity: SEV3").click()
    fill(page, {"severity": "SEV2", "reason": TEXT})
    page.get_by_role("button", name="Change severity").click()


def changes_type(page: Page) -> None:
    page.get_by_role("link", name="Type: not known").click()
    fill(page, {"incident_type": "Data loss"})
    page.get_by_role("button", name="Change type").click()


def gives_role(page: Page) -> None:
    page.locator("summary", has_text="Roles").click()
    page.get_by_label("Commander", exact=True).select_option(label="Bob")
    page.get_by_role("button", name="Set commander").click()


def writes_note(page: Page) -> None:
    page.get_by_label("Note", exact=True).fill(TEXT)
    page.get_by_role("button", name="Add note").click()


def corrects(page: Page) -> None:
    page.get_by_role("link", name="Correct “It began”").click()
    fill(page, {"at_0": "2026-01-05", "at_1": "10:00", "reason": TEXT})
    page.get_by_role("button", name="Correct a milestone").click()


def merges(page: Page) -> None:
    press(page, "Merge into another")
    page.locator("[name=into]").select_option(index=1)
    page.get_by_role("button", name="Merge into another").click()


def opens(section: str, link: str, label: str, **facts: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.locator("section", has=page.get_by_role("heading", name=section)).get_by_role(
            "link", name=link
        ).click()
        fill(page, facts)
        page.get_by_role("button", name=label).click()

    return act


PRESSES = {
    "acknowledge": (fresh, at_once("Acknowledge"), "Alice has it"),
    "join": (held, at_once("Join"), "You joined"),
    "identify": (held, asks("Identified", suspected_cause=TEXT), SHOWN),
    "start-mitigating": (
        identified,
        asks("Start mitigating", mitigation=TEXT, kind="Rollback"),
        SHOWN,
    ),
    "mark-recovered": (held, at_once("It works again"), "Works again"),
    "relapse": (recovered, at_once("It broke again"), "It is broken again"),
    "resolve": (
        mended,
        asks("Resolve", root_cause=TEXT, resolution=TEXT, override_reason=TEXT),
        "It is resolved.",
    ),
    "dismiss": (held, asks("False alarm", reason=TEXT), "closed as a false alarm"),
    "merge": (held, merges, "It ended as a duplicate of"),
    "reopen": (closed, asks("Reopen", reason=TEXT), "It is open again"),
    "snooze": (
        held,
        asks("Snooze", until_0="2037-01-05", until_1="10:00", reason=TEXT),
        "Snoozed until",
    ),
    "unacknowledge": (held, asks("Give it back", reason=TEXT), "Nobody has it"),
    "attest": (
        held,
        asks("Attest its health", fact="error_rate", value="2", window="00:05:00"),
        "error_rate = 2",
    ),
    "publish-update": (
        held,
        asks("Write an update", audience="Colleagues", known=TEXT),
        "It is published.",
    ),
    "decline-customer-notice": (
        to_be_told,
        asks("Customers are not told", reason=TEXT),
        "It is recorded why they are not told.",
    ),
    "request-review": (
        closed,
        asks("Ask for a review", reason=TEXT),
        "Whoever runs it was told.",
    ),
    "agree-action": (
        fresh,
        asks("Agree on something to do", title=TEXT),
        "It is agreed, and its owner hears of it.",
    ),
    "propose-runbook-change": (
        fresh,
        asks("Propose a change to the runbook", section="checklists", text=TEXT),
        "It is proposed.",
    ),
    "escalate": (fresh, asks("Escalate", reason=TEXT), SHOWN),
    "page": (fresh, asks("Page somebody", user="Bob", reason=TEXT), SHOWN),
    "reroute": (fresh, asks("Reroute", policy="Payments", reason=TEXT), SHOWN),
    "note": (fresh, writes_note, SHOWN),
    "change-severity": (fresh, changes_severity, "Severity is SEV2 now."),
    "change-type": (planned, changes_type, "It is of the type “Data loss” now."),
    "follow-procedure": (
        planned,
        opens("Procedure", "Choose", "Follow a procedure", procedure="Restart"),
        "Its steps are on the page.",
    ),
    "assign-role": (fresh, gives_role, "Bob is commander now."),
    "add-to-do": (fresh, opens("Checklist", "Add", "Add a to-do", text=TEXT), SHOWN),
    "tick": (listed, at_once("Done: Look at the graphs"), "Done: Look at the graphs"),
    "untick": (ticked, at_once("Not done after all: Look at the graphs"), "To do again"),
    "record-impact": (
        fresh,
        opens("Impact", "Change", "Record the impact", impact=TEXT, users_affected="7"),
        SHOWN,
    ),
    "correct-milestone": (fresh, corrects, "is corrected"),
}


def test_every_verb_is_pressed(world: World) -> None:
    assert {verb.name for verb in known_verbs("incidents.incident")} == set(PRESSES)


@pytest.mark.parametrize("verb", PRESSES)
def test_a_verb_is_pressed_and_its_effect_seen(gallery: Gallery, world: World, verb: str) -> None:
    before, act, effect = PRESSES[verb]
    incident = before(world)
    page = gallery.page(world.alice)
    page.goto(page_of(incident))

    act(page)

    page.wait_for_url(f"**{page_of(incident)}**")
    said(page, effect)
    assert page.evaluate(FOUND, PRODUCT) == []


def test_the_form_that_declares_offers_the_types_of_the_chosen_service(
    browse: Browse, world: World
) -> None:
    page = browse(world.alice, NARROW)
    page.goto("/i/declare/")
    service, types = page.get_by_label("Service"), page.get_by_label("Type")

    assert types.is_hidden()
    service.select_option(label="Shop")
    types.select_option(label="Data loss (P1)")
    service.select_option(label="Checkout")
    assert types.is_hidden()
    service.select_option(label="Shop")
    assert types.input_value() == ""
    types.select_option(label="Data loss (P1)")
    page.get_by_label("Title").fill(TEXT)
    page.get_by_role("button", name="Declare").click()

    page.wait_for_url("**/i/INC-**")
    said(page, "Data loss")
