from datetime import timedelta

import pytest

from incidents.core import services
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Kind, RunbookRevision, Status
from incidents.core.services.idempotency import KeyReused
from incidents.core.signals import entry_recorded
from incidents.timers import engine
from incidents.timers.models import Timer
from tests.core.story import kinds

pytestmark = pytest.mark.django_db


def test_it_declares_an_incident(service, bob, clock):
    incident = services.declare(title="  Payments fail ", service=service, actor=bob, via="api")

    assert incident.reference == "INC-2026-03-02-001"
    assert incident.title == "Payments fail"
    assert incident.status == Status.INVESTIGATING
    assert incident.severity == "SEV1"
    assert incident.started_at is None
    assert incident.detected_at == incident.declared_at == clock.at
    assert kinds(incident) == [Kind.DECLARED]


def test_it_numbers_incidents_by_day(service, clock):
    references = [services.declare(title="x", service=service).reference for _ in range(2)]
    clock.forward(days=1)
    references.append(services.declare(title="x", service=service).reference)

    assert references == ["INC-2026-03-02-001", "INC-2026-03-02-002", "INC-2026-03-03-001"]


def test_it_follows_the_reference_format_of_the_runbook(service, clock):
    services.publish_revision(
        slug="fintech", title="x", policies=[], reference_format="{date}-{time}-[{service}]"
    )
    service.runbook = "fintech"

    first, second = (services.declare(title="x", service=service) for _ in range(2))

    assert first.reference == "2026-03-02-1000-[checkout]"
    assert second.reference == "2026-03-02-1000-[checkout]-2"


def test_a_reference_that_would_break_its_pages_is_refused_where_it_is_set(service):
    with pytest.raises(DomainError, match="slash"):
        services.publish_revision(
            slug="bank", title="x", policies=[], reference_format="INC/{date}/{number}"
        )

    assert not RunbookRevision.objects.filter(slug="bank").exists()


def test_it_keeps_the_runbook_revision_it_was_declared_under(service, incident):
    services.publish_revision(slug="default", title="Newer", policies=[])

    later = services.declare(title="x", service=service)

    assert incident.revision.version == 1
    assert later.revision.version == 2


def test_a_missing_runbook_never_stops_a_declaration(service):
    service.runbook = "deleted-long-ago"

    incident = services.declare(title="x", service=service)

    assert incident.revision.slug == "default"
    assert services.policy_of(incident).severity == "SEV1"


def test_it_notices_a_missed_target(incident, clock):
    clock.forward(minutes=5)
    engine.tick()

    missed = incident.timeline.filter(kind=Kind.TARGET_MISSED)
    assert [entry.data["target"] for entry in missed] == ["respond"]


def test_it_does_not_notice_a_target_that_was_met(incident, bob, clock):
    services.acknowledge(incident, actor=bob)

    clock.forward(minutes=29)
    engine.tick()

    assert not incident.timeline.filter(kind=Kind.TARGET_MISSED).exists()


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"title": "   "}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"severity": "SEV9"}, "severity"),
    ],
)
def test_it_refuses_nonsense_and_says_which_field(service, facts, field):
    with pytest.raises(DomainError) as refusal:
        services.declare(**{"title": "x", "service": service} | facts)

    assert refusal.value.field == field
    assert not Incident.objects.exists()


def test_it_refuses_a_start_in_the_future(service, clock):
    with pytest.raises(DomainError):
        services.declare(title="x", service=service, started_at=clock.at + timedelta(minutes=6))


def test_it_takes_a_start_that_is_ahead_by_clock_skew_as_now(service, clock):
    ahead = clock.at + timedelta(minutes=1)

    assert services.declare(title="x", service=service, started_at=ahead).started_at == clock.at


class TestExpectedSignals:
    @pytest.fixture
    def drill(self, alice, clock):
        return services.expect_signal(
            matchers={"service": "checkout", "dedup_key": "drill-7"},
            until=clock.at + timedelta(minutes=15),
            label_before_acknowledgement="",
            audience=[alice],
            last_resort=alice,
        )

    def _declare(self, service, key):
        signal = {"source": "monitor", "dedup_key": key, "service": service.slug}
        return services.declare(title="x", service=service, signal=signal)

    def test_it_makes_a_drill_of_the_signal_that_was_announced(self, service, drill, alice, bob):
        incident = self._declare(service, "drill-7")

        assert incident.is_drill
        assert incident.is_private
        assert list(incident.audience.all()) == [alice]
        assert incident.label == ""
        assert services.acknowledge(incident, actor=bob).label == "[DRILL]"

    def test_a_real_outage_beside_the_drill_stays_real(self, service, drill):
        incident = self._declare(service, "something-else")

        assert not incident.is_drill
        assert not incident.is_private

    def test_an_announcement_ends(self, service, drill, clock):
        clock.forward(minutes=15)

        assert not self._declare(service, "drill-7").is_drill

    def test_an_announcement_can_be_withdrawn(self, service, drill):
        services.withdraw_expectation(drill)

        assert not self._declare(service, "drill-7").is_drill


class TestIdempotency:
    def _declare(self, bob, service, body="x"):
        return services.declare_once(
            key="k1", request={"title": body}, actor=bob, title=body, service=service
        )

    def test_it_answers_a_repeated_request_with_the_same_incident(self, bob, service):
        first, made = self._declare(bob, service)
        again, made_again = self._declare(bob, service)

        assert (made, made_again) == (True, False)
        assert first == again
        assert Incident.objects.count() == 1

    def test_it_refuses_the_same_key_for_another_request(self, bob, service):
        self._declare(bob, service)

        with pytest.raises(KeyReused):
            self._declare(bob, service, body="y")

    def test_another_person_may_use_the_same_key(self, bob, alice, service):
        self._declare(bob, service)
        self._declare(alice, service, body="y")

        assert Incident.objects.count() == 2


class TestAnnouncing:
    def test_a_receiver_that_fails_does_not_stop_a_declaration(self, service, clock):
        seen = []

        def broken(entry, _incident):
            seen.append(entry.kind)
            if len(seen) == 1:
                raise ValueError("a bug in a status page")

        entry_recorded.connect(broken, kinds={Kind.DECLARED})
        incident = services.declare(title="x", service=service)
        assert Incident.objects.filter(pk=incident.pk).exists()

        engine.tick()
        entry_recorded.disconnect(broken)

        assert seen == [Kind.DECLARED, Kind.DECLARED]
        assert not Timer.objects.pending().filter(kind="core.repair").exists()

    def test_an_essential_receiver_that_fails_undoes_it(self, service):
        def broken(entry, _incident):
            raise ValueError("nobody would be paged")

        entry_recorded.connect(broken, essential=True)
        with pytest.raises(ValueError, match="nobody"):
            services.declare(title="x", service=service)
        entry_recorded.disconnect(broken)

        assert not Incident.objects.exists()
        assert not Timer.objects.exists()


def test_it_installs_the_default_runbook_once(service):
    services.declare(title="x", service=service)
    services.declare(title="y", service=service)

    assert RunbookRevision.objects.count() == 1
