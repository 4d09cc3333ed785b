"""A team's channel hears of the beginning and the end."""

from datetime import timedelta

import pytest

from incidents.comms import services as comms
from incidents.comms.models import TeamChannel
from incidents.core import services as core
from incidents.core.models import Service, Team, User
from incidents.escalation.models import EscalationPolicy
from incidents.timers.clock import VirtualClock
from tests.api.conftest import caller
from tests.comms.conftest import Publish, sent_to
from tests.escalation.stage import settle
from tests.factories import TeamFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel(team: Team, policy: EscalationPolicy) -> TeamChannel:
    return comms.create_channel(
        name="#incidents", team=team, kind="recorder", address="channel", actor=None
    )


def test_it_posts_at_declaration_and_at_resolution_once_each(
    channel: TeamChannel, service: Service, bob: User
):
    incident = core.declare(title="Down", service=service, severity="SEV1")
    settle()
    (first,) = sent_to("channel")
    core.note(incident, text="Hm.", actor=bob)
    core.dismiss(incident, reason="A test.", actor=bob)
    settle()
    (last,) = sent_to("channel")

    assert first.subject == "[SEV1] Checkout: Down"
    assert last.subject == "Resolved: [SEV1] Checkout: Down"


def test_the_runbook_says_what_is_posted_where_and_for_which_severities(
    channel: TeamChannel, service: Service, runbook: Publish
):
    post = {"on": "declared", "channel": "#incidents", "severities": ["SEV1"]}
    runbook({"posts": [{**post, "template": "[{severity}] Incident declared: {title}"}]})
    comms.create_channel(name="#other", kind="recorder", address="other", actor=None)

    core.declare(title="Down", service=service, severity="SEV1")
    core.declare(title="Slow", service=service, severity="SEV2")
    settle()

    assert [one.subject for one in sent_to("channel")] == ["[SEV1] Incident declared: Down"]
    assert sent_to("other") == []


def test_a_channel_of_another_team_or_switched_off_hears_nothing(
    channel: TeamChannel, service: Service
):
    comms.create_channel(
        name="#search",
        team=TeamFactory(name="Search"),
        kind="recorder",
        address="search",
        actor=None,
    )
    comms.change_channel(channel, is_active=False, actor=None)

    core.declare(title="Down", service=service, severity="SEV1")
    settle()

    assert sent_to("channel") == sent_to("search") == []


def test_nothing_of_a_private_incident_is_posted_and_a_drill_carries_its_label(
    channel: TeamChannel, service: Service, alice: User, clock: VirtualClock
):
    core.expect_signal(
        matchers={"dedup_key": "drill"},
        until=clock.at + timedelta(hours=1),
        label_before_acknowledgement="[DRILL]",
    )
    core.declare(title="Leak", service=service, severity="SEV1", is_private=True, audience=[alice])
    core.declare(title="Down", service=service, severity="SEV1", signal={"dedup_key": "drill"})
    settle()

    assert [one.subject for one in sent_to("channel")] == ["[DRILL] [SEV1] Checkout: Down"]


def test_a_change_that_says_nothing_leaves_the_channel_as_it_is(channel: TeamChannel, alice: User):
    address = f"/api/v1/team-channels/{channel.pk}/"

    assert caller(alice).send("PATCH", address, {"is_active": False}).status_code == 200
    answer = caller(alice).send("PATCH", address, {})

    assert (answer.status_code, answer.json()["is_active"]) == (200, False)
