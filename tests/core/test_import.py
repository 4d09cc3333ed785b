"""Incidents as documents: out, in, and out again without loss."""

import copy
import json
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from incidents.core import services
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Kind, Status
from incidents.core.records import NotARecord
from incidents.escalation.models import Page
from incidents.insights.audit.run import Scope, audit
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer

pytestmark = pytest.mark.django_db

OUTAGE = {
    "incident": {
        "id": "INC-2024-001",
        "severity": "SEV1",
        "title": "Payment processing outage",
        "started_at": "2024-01-15T14:15:00Z",
        "detected_by": "monitoring_alert",
        "resolved_at": "2024-01-15T15:45:00Z",
        "impact": {"users_affected": 15000, "revenue_lost": "$45000", "duration_minutes": 90},
        "timeline": [
            {"time": "14:15", "event": "Alert triggered"},
            {"time": "14:18", "event": "IC assigned", "who": "Jane"},
            {"time": "14:25", "event": "Root cause identified"},
        ],
        "action_items": ["Add monitoring for connection pool", {"text": "Scale", "owner": "Bob"}],
        "war_room": {"floor": 3},
    }
}


def changed(**facts):
    document = copy.deepcopy(OUTAGE)
    document["incident"] |= facts
    return {
        "incident": {name: value for name, value in document["incident"].items() if value != "-"}
    }


@pytest.fixture
def past(service, alice, clock):
    return services.import_incident(OUTAGE, actor=alice, service=service)[0]


class TestImport:
    def test_it_makes_a_resolved_incident_of_the_past(self, past, alice):
        assert (past.reference, past.severity, past.status) == ("INC-2024-001", "SEV1", "resolved")
        assert past.started_at == datetime(2024, 1, 15, 14, 15, tzinfo=UTC)
        assert past.resolved_at == datetime(2024, 1, 15, 15, 45, tzinfo=UTC)
        assert (past.users_affected, past.revenue_lost, past.currency) == (15000, 45000, "USD")
        assert past.declared_via == "monitoring_alert"
        told = past.timeline.filter(kind=Kind.NOTE).order_by("id")
        assert [(entry.at.hour, entry.at.minute, entry.summary) for entry in told] == [
            (14, 15, "Alert triggered"),
            (14, 18, "IC assigned"),
            (14, 25, "Root cause identified"),
        ]
        assert past.timeline.get(kind=Kind.IMPORTED).actor == alice

    def test_it_pages_nobody_and_nothing_is_due(self, past):
        assert not Timer.objects.pending().of(past).exists()
        assert not Page.objects.exists()
        assert not Delivery.objects.exists()
        assert not past.checklist.exists()

    def test_the_auditor_finds_nothing_wrong_with_it(self, past, clock):
        clock.forward(minutes=10)

        assert audit(Scope(clock.at)).findings == []

    def test_the_same_again_changes_nothing(self, past, service, alice):
        again, is_new = services.import_incident(OUTAGE, actor=alice, service=service)

        assert (again, is_new) == (past, False)
        assert Incident.objects.without_canary().count() == 1
        assert past.timeline.filter(kind=Kind.IMPORTED).count() == 1

    def test_another_one_of_the_same_id_is_refused(self, past, service, alice):
        with pytest.raises(Exception, match="another incident INC-2024-001 already"):
            services.import_incident(changed(title="Other"), actor=alice, service=service)

        assert Incident.objects.get(reference="INC-2024-001").title == OUTAGE["incident"]["title"]

    def test_its_id_never_stands_in_the_way_of_a_real_incident(self, service, alice, clock):
        for number in [1, 2, 4]:
            document = changed(id=f"INC-2026-03-02-{number:03}")
            services.import_incident(document, actor=alice, service=service)

        declared = [
            services.declare(title="Down", service=service, severity="SEV1") for _ in range(2)
        ]

        assert [one.reference[-3:] for one in declared] == ["003", "005"]

    def test_without_an_id_it_gets_a_number(self, service, alice, clock):
        incident, _ = services.import_incident(changed(id="-"), actor=alice, service=service)

        assert incident.reference == "INC-2026-03-02-001"

    def test_after_midnight_is_the_next_day(self, service, alice, clock):
        night = changed(
            started_at="2024-01-15T23:50:00Z",
            resolved_at="2024-01-16T01:00:00Z",
            timeline=[{"time": "23:45", "event": "a"}, {"time": "00:10", "event": "b"}],
        )

        incident, _ = services.import_incident(night, actor=alice, service=service)

        told = incident.timeline.filter(kind=Kind.NOTE).order_by("id")
        assert [entry.at.day for entry in told] == [15, 16]

    def test_one_without_an_id_is_known_again_and_makes_no_second_incident(
        self, service, alice, clock
    ):
        nameless = changed(id="-")

        first, is_new = services.import_incident(nameless, actor=alice, service=service)
        again, is_new_again = services.import_incident(nameless, actor=alice, service=service)

        assert (is_new, is_new_again, again.pk) == (True, False, first.pk)
        assert Incident.objects.without_canary().count() == 1

    def test_one_without_an_id_that_differs_in_little_is_to_get_one(self, service, alice, clock):
        first, _ = services.import_incident(changed(id="-"), actor=alice, service=service)

        with pytest.raises(DomainError, match=f"looks like {first.reference}.*an id of its own"):
            services.import_incident(changed(id="-", severity=2), actor=alice, service=service)

        assert Incident.objects.without_canary().count() == 1
        other, is_new = services.import_incident(
            changed(id="INC-2024-002", severity=2), actor=alice, service=service
        )
        later, _ = services.import_incident(
            changed(id="-", resolved_at="2024-01-15T16:00:00Z"), actor=alice, service=service
        )
        assert is_new and len({first.pk, other.pk, later.pk}) == 3

    @pytest.mark.parametrize(
        ("facts", "line"),
        [
            ({"title": "-"}, "incident.title: is missing."),
            ({"severity": "bad"}, 'incident.severity: "bad" is no severity; use one of SEV1'),
            ({"resolved_at": "-"}, "incident.resolved_at: is missing: only what is over"),
            ({"resolved_at": "2099-01-01T00:00:00Z"}, "incident.resolved_at: lies in the future."),
            ({"resolved_at": "2023-01-01T00:00:00Z"}, "incident.resolved_at: is before the start."),
            ({"started_at": "-"}, "incident.started_at: is missing."),
            ({"started_at": "noon"}, 'incident.started_at: "noon" is no instant'),
            ({"timeline": [{"time": 855, "event": "x"}]}, "incident.timeline[0].time: 855 is no"),
            ({"timeline": ["Alert"]}, 'incident.timeline[0]: "Alert" must have a time'),
            ({"timeline": [{"time": "14:15"}]}, "incident.timeline[0].event: null must be text"),
            ({"impact": {"revenue_lost": "lots"}}, 'incident.impact.revenue_lost: "lots" is no'),
            ({"impact": {"users_affected": "many"}}, 'incident.impact.users_affected: "many" is'),
            ({"id": "a/b"}, 'incident.id: "a/b" cannot be a reference.'),
            ({"id": "CANARY"}, 'incident.id: "CANARY" cannot be a reference.'),
            ({"detected_at": "2024-01-15T14:00:00Z"}, "incident.detected_at: is not between"),
            ({"mitigation_kind": "prayer"}, 'incident.mitigation_kind: "prayer" is unknown'),
            ({"title": "A\x00"}, "incident: holds a character that is no text."),
            ({"more": {"deep": ["\ud800"]}}, "incident: holds a character that is no text."),
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_is_stored(self, service, alice, clock, facts, line):
        with pytest.raises(NotARecord) as refusal:
            services.import_incident(changed(**facts), actor=alice, service=service)

        assert any(said.startswith(line) for said in refusal.value.lines), refusal.value.lines
        assert not Incident.objects.without_canary().exists()

    @pytest.mark.parametrize("nonsense", [None, [], "x", {}, {"incident": []}])
    def test_what_is_no_document_is_refused(self, service, alice, nonsense):
        with pytest.raises(NotARecord, match="Begin with “incident:”"):
            services.import_incident(nonsense, actor=alice, service=service)

    @pytest.mark.parametrize(
        ("text", "amount", "currency"),
        [("€1,234.50", "1234.50", "EUR"), ("900 CHF", "900", "CHF"), (70, "70", "")],
    )
    def test_money_is_read_as_people_write_it(self, service, alice, clock, text, amount, currency):
        incident, _ = services.import_incident(
            changed(impact={"revenue_lost": text}), actor=alice, service=service
        )

        assert (str(incident.revenue_lost), incident.currency) == (amount, currency)


class TestRoundTrip:
    def test_what_came_in_goes_out_as_it_was(self, past):
        assert services.export_incident(past) == OUTAGE

    def test_what_changed_since_is_in_it_and_all_else_stays(self, past, alice, clock):
        services.note(past, text="The pool was too small", actor=alice)
        services.record_impact(past, users_affected=16000, actor=alice)

        out = services.export_incident(Incident.objects.get(pk=past.pk))["incident"]

        assert out["impact"] == OUTAGE["incident"]["impact"] | {"users_affected": 16000}
        assert out["timeline"][:3] == OUTAGE["incident"]["timeline"]
        assert out["timeline"][3]["event"] == "The pool was too small"
        assert out["war_room"] == {"floor": 3}
        assert out["action_items"] == OUTAGE["incident"]["action_items"]

    def test_an_own_one_comes_back_the_same(self, incident, service, alice, bob, clock):
        services.acknowledge(incident, actor=bob)
        clock.forward(minutes=30)
        services.mark_recovered(incident, actor=bob)
        services.record_impact(
            incident, users_affected=7, revenue_lost=12, currency="EUR", impact="Shops", actor=bob
        )
        clock.forward(hours=20)
        services.resolve(
            incident, root_cause="Disk", mitigation="Rotated", kind="restart", actor=bob
        )
        out = services.export_incident(Incident.objects.get(pk=incident.pk))
        out["incident"]["id"] = "INC-COPY"

        copied, _ = services.import_incident(out, actor=alice)

        assert services.export_incident(copied) == out
        assert (copied.root_cause, copied.users_affected) == ("Disk", 7)
        assert copied.acknowledged_at == Incident.objects.get(pk=incident.pk).acknowledged_at
        assert copied.status == Status.RESOLVED

    def test_one_that_is_open_can_be_reported(self, incident):
        out = services.export_incident(incident)["incident"]

        assert out["status"] == "investigating"
        assert "resolved_at" not in out
        assert out["timeline"][0]["time"] == "10:00"


class TestApi:
    def post(self, client, user, document):
        client.force_login(user)
        body = json.dumps(document)
        return client.post("/api/v1/incidents/import/", body, content_type="application/json")

    def test_a_manager_imports_and_anybody_exports(self, service, alice, bob, client, clock):
        document = changed(service="checkout")

        first, again = (self.post(client, alice, document) for _ in range(2))
        client.force_login(bob)
        out = client.get("/api/v1/incidents/INC-2024-001/export/")

        assert (first.status_code, again.status_code) == (201, 200)
        assert out.json() == document

    def test_a_responder_and_a_stranger_may_not(self, service, bob, charlie, client, clock):
        document = changed(service="checkout")

        assert [self.post(client, user, document).status_code for user in [bob, charlie]] == [
            403,
            403,
        ]

    def test_it_says_what_is_wrong(self, service, alice, client, clock):
        answer = self.post(client, alice, changed(service="checkout", severity="bad"))
        unknown = self.post(client, alice, OUTAGE | {"more": 1})

        assert answer.status_code == unknown.status_code == 400
        assert "incident.severity" in answer.json()["detail"]


def test_its_pages_open(past, alice, client):
    client.force_login(alice)

    for page in [
        reverse("admin:incidents_incident_change", args=[past.pk]),
        f"/i/{past.reference}/",
        "/i/resolved/",
        "/admin/",
    ]:
        assert client.get(page).status_code == 200, page
    assert "Imported" in client.get(f"/i/{past.reference}/").content.decode()
