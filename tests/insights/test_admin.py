"""The auditor's pages: what was found in each minute, for whoever opens the admin."""

from datetime import timedelta

import pytest
from django.urls import reverse

from incidents.insights.models import AuditRun
from incidents.timers import clock as house_clock
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/insights/auditrun/"


@pytest.fixture
def manager(client):
    client.force_login(UserFactory(username="root", is_superuser=True))
    return client


def made(minutes=0, **facts):
    at = house_clock.now() - timedelta(minutes=minutes)
    given = {"slot": at, "at": at, "took_ms": 1_234, "has_passed": True, **facts}
    return AuditRun.objects.create(**given)


@pytest.fixture
def ill(clock):
    finding = {
        **{"name": "I1", "title": "no incident is silent", "sentence": "Somebody is asked."},
        **{"error": "", "count": 23, "keys": [], "advice": "Acknowledge it yourself."},
        "offences": [["incident:7", "INC-7 has <b>no</b> step."]],
    }
    return made(minutes=1, has_passed=False, findings=[finding], looked_at={"open incidents": 9})


def test_it_lists_when_what_and_how_long(manager, ill):
    made()

    html = manager.get(LIST).content.decode()

    assert html.index("Everything holds") < html.index("Trouble")
    assert "no incident is silent" in html
    assert "1.23 s" in html


def test_it_tells_each_finding_with_what_to_do(manager, ill):
    html = manager.get(reverse("admin:insights_auditrun_change", args=[ill.pk])).content.decode()

    for told in ["I1, no incident is silent", "Somebody is asked.", "Acknowledge it yourself."]:
        assert told in html
    assert "INC-7 has &lt;b&gt;no&lt;/b&gt; step." in html
    assert "23 in all" in html
    assert "9 open incidents" in html


def test_nobody_writes_it(manager, ill):
    address = reverse("admin:insights_auditrun_change", args=[ill.pk])

    assert manager.get(f"{LIST}add/").status_code == 403
    assert manager.post(address, {"has_passed": "on"}).status_code == 403
    ill.refresh_from_db()
    assert not ill.has_passed


def test_who_may_not_open_the_admin_sees_none(client, ill, bob):
    client.force_login(bob)

    assert client.get(LIST).status_code in {302, 403}


def test_the_cockpit_leads_there(manager, ill):
    assert f'href="{LIST}"' in manager.get("/admin/").content.decode()
