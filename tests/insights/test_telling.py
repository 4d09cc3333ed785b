"""How well each team kept its promises to tell people: real incidents of the last 30 days."""

import pytest

from incidents.comms import services as comms
from incidents.core import services as core
from incidents.core.models import Incident
from incidents.insights.telling import Telling, telling
from tests.escalation.stage import settle
from tests.factories import ServiceFactory, TeamFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def tells(clock, alice):
    """An incident of this service, and updates so many minutes after each other."""

    def tell(service, *waits, is_drill=False):
        incident = core.declare(title="Down", service=service, severity="SEV1")  # every 15 minutes
        Incident.objects.filter(pk=incident.pk).update(is_drill=is_drill)
        core.acknowledge(incident, actor=alice)
        for minutes in waits:
            clock.forward(minutes=minutes)
            comms.publish_update(incident, actor=alice, audience="internal", known="At it.")
        core.dismiss(incident, reason="A test.", actor=alice)

    return tell


def look(clock, found=None):
    return telling(Incident.objects.all() if found is None else found, now=clock.at)


def test_it_judges_each_team_the_worst_first(tells, service, clock, django_assert_num_queries):
    other = ServiceFactory(name="Mail", team=TeamFactory(name="Office", slug="office"))
    tells(service, 10, 10, 16, 15)
    tells(other, 20)
    tells(service, 16, is_drill=True)

    with django_assert_num_queries(2):
        found = look(clock)

    assert found == [
        Telling("Office", 0.0, on_time=0, late=1, missed=0),
        Telling("Payments", 0.75, on_time=3, late=1, missed=0),
    ]
    assert [team.promised for team in found] == [1, 4]


def test_an_update_that_never_came_counts_against_it(policy, service, alice, clock):
    document = {"communication": {"cadence": [{"every": "15 min", "missed": "5 min"}]}}
    policies = core.policies.DEFAULT_POLICIES
    core.publish_revision(slug="default", title="x", policies=policies, document=document)
    incident = core.declare(title="Down", service=service, severity="SEV1")
    core.acknowledge(incident, actor=alice)
    clock.forward(minutes=20)
    settle()

    assert look(clock) == [Telling("Payments", 0.0, on_time=0, late=0, missed=1)]


def test_what_is_old_or_not_for_the_reader_is_left_out(tells, service, clock):
    tells(service, 10)
    assert len(look(clock)) == 1
    assert look(clock, Incident.objects.none()) == []

    clock.forward(days=31)

    assert look(clock) == []
