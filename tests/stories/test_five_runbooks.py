"""One incident under each of the five runbooks, whole, over the API and on the clock."""

from collections.abc import Callable

import pytest

from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.notifications.transports.recorder import Recorder
from incidents.runbooks import services as runbooks
from tests.escalation import conftest as escalation
from tests.escalation.rulebook import person
from tests.escalation.stage import Phones, settle

pytestmark = pytest.mark.django_db

schedule, last_resort, phones = escalation.schedule, escalation.last_resort, escalation.phones

FUNCTIONS = {
    "director": "diana",
    "team-lead": "tom",
    "engineering-lead": "lena",
    "product-owner": "otto",
    "system-administrator": "sam",
    "vp-engineering": "vera",
    "cto": "carl",
}
PHASES = {"suspected_cause": "A bad deployment", "root_cause": "A bad deployment"}


class Desk:
    """What Bob does over the API, and what his incident looks like there."""

    def __init__(self, client, user) -> None:
        _, secret = core.issue_token(user, name="story", scope="respond")
        self.client, self.headers = client, {"Authorization": f"Bearer {secret}"}

    def declare(self, **facts) -> str:
        answer = self._post("/api/v1/incidents/", {"service": "checkout", **facts})
        assert answer.status_code == 201, answer.text
        self.reference = answer.json()["reference"]
        return self.reference

    def does(self, verb: str, **facts):
        return self._post(f"/api/v1/incidents/{self.reference}/{verb}/", facts)

    def sees(self) -> dict:
        url = f"/api/v1/incidents/{self.reference}/"
        return self.client.get(url, headers=self.headers).json()

    def unmet(self, **facts) -> set[str]:
        answer = self.does("resolve", **facts)
        assert answer.status_code == 409, answer.text
        return {one["code"] for one in answer.json()["unmet"]}

    def resolves(self, kind: str = "rollback") -> None:
        answer = self.does("resolve", **PHASES, mitigation="Rolled back", kind=kind)
        assert answer.status_code == 200, answer.text

    def _post(self, url, facts):
        return self.client.post(url, facts, content_type="application/json", headers=self.headers)


@pytest.fixture
def live_by(schedule, last_resort, phones, team, service, alice) -> Callable[[str], None]:
    """The team chooses a shipped runbook as its manager does; everybody it calls has a phone."""

    def choose(slug: str) -> None:
        for function, name in FUNCTIONS.items():
            person(name, function)
        runbooks.adopt(slug, team=team, actor=alice)

    return choose


@pytest.fixture
def desk(client, bob) -> Desk:
    return Desk(client, bob)


@pytest.fixture
def monitor(client, team, service, alice):
    source = alerts.create_source(name="Prometheus", team=team, service=service, actor=alice)

    def post(summary: str, status: str = "firing"):
        facts = {"dedup_key": "one", "status": status, "summary": summary}
        url = f"/api/v1/alerts/{source.key}/"
        return client.post(url, facts, content_type="application/json").json()

    return post


def paged(phones: Phones) -> list[str]:
    settle()
    return [who for who, urgency in phones.take() if urgency == "page"]


def words(phones: Phones) -> list[str]:
    """Subjects of everything that arrives now."""
    settle()
    said = [sent.subject for sent in Recorder.sent]
    Recorder.sent.clear()
    return said


def minutes_later(clock, minutes: int, phones: Phones) -> list[str]:
    who = []
    for _ in range(minutes):
        clock.forward(minutes=1)
        who += paged(phones)
    return who


def to_do(desk: Desk) -> list[str]:
    return [item["text"] for item in desk.sees()["checklist"]]


def kinds() -> list[str]:
    return list(Incident.objects.get().timeline.values_list("kind", flat=True))


def test_tps_calls_everybody_when_data_is_lost_and_wants_it_healthy(
    live_by, monitor, desk, phones, clock
):
    live_by("tps")
    desk.reference = monitor("Queue inconsistency")["incident"]

    incident = desk.sees()
    assert (incident["incident_type"], incident["severity"]) == ("data-loss", "SEV1")
    assert incident["severity_label"] == "Severity 1"
    assert paged(phones) == ["alice", "bob", "diana"]  # at once: on call, manager, director
    assert "Make sure that it is an incident and no false alarm" in to_do(desk)
    assert desk.does("acknowledge").status_code == 200
    desk.does("updates", audience="internal", known="The queue loses items", next="Stop workers")
    assert minutes_later(clock, 9, phones) == []
    assert "alice" in minutes_later(clock, 2, phones)  # the update at 10 minutes was missed

    monitor("Queue inconsistency", "resolved")
    assert "Circuit breakers are closed" in to_do(desk)
    assert {"attested:error_rate", "attested:queue_depth"} < desk.unmet(
        **PHASES, mitigation="Rolled back", kind="rollback"
    )


def test_saas_watches_for_half_an_hour_before_it_is_over(live_by, desk, phones, clock):
    live_by("saas")

    reference = desk.declare(title="Payments fail", severity="SEV1")

    assert reference == "INC-2026-001"
    assert paged(phones) == ["bob", "tom"]
    assert desk.does("acknowledge").status_code == 200
    assert "Keep the focus on recovery, away from blame" in to_do(desk)
    desk.does("updates", audience="internal", known="Looking")
    settle()
    phones.take()
    assert minutes_later(clock, 19, phones) == []
    assert minutes_later(clock, 2, phones)  # due after 15 minutes, missed 5 later
    desk.does("mark-recovered")
    facts = {**PHASES, "mitigation": "Rolled back", "kind": "rollback"}
    assert desk.unmet(**facts) == {"monitoring_window"}
    clock.forward(minutes=30)
    desk.resolves()
    settle()
    assert desk.sees()["status"] == "resolved"


def test_schedgen_finds_its_procedure_by_the_alert(live_by, monitor, desk, phones, clock, client):
    live_by("schedgen")

    desk.reference = monitor("HighErrorRate")["incident"]

    assert desk.reference == "INC-2026-03-02-001"
    assert desk.sees()["incident_type"] == "high-error-rate"
    settle()
    arrived = phones.take()
    assert [who for who, urgency in arrived if urgency == "page"] == ["bob"]
    assert ("otto", "message") in arrived
    url = f"/api/v1/incidents/{desk.reference}/procedure/"
    procedure = client.get(url, headers=desk.headers).text
    assert "Roll back" in procedure and "5–10 min" in procedure
    desk.does("acknowledge")
    desk.does("updates", audience="internal", known="Reading logs")
    settle()
    phones.take()
    assert "lena" in minutes_later(clock, 16, phones)  # the cause is unclear after 15 minutes
    desk.does("updates", audience="internal", known="It was the deployment")
    monitor("HighErrorRate", "resolved")
    desk.resolves()
    assert "Run the complete smoke tests" in to_do(desk)


def test_fintech_raises_what_lasts_an_hour(live_by, desk, phones, clock):
    live_by("fintech")

    reference = desk.declare(title="Notifications fail", severity="SEV2")

    assert reference == "2026-03-02-1000-checkout"
    assert paged(phones) == ["bob"]
    desk.does("acknowledge")
    desk.does("identify", suspected_cause="A bug")
    desk.does("start-mitigating", mitigation="Deploying the fix", kind="fix_forward")
    for _ in range(5):
        desk.does("updates", audience="internal", known="At work")
        minutes_later(clock, 12, phones)
    settle()
    assert desk.sees()["severity"] == "SEV1"
    assert Kind.SEVERITY_CHANGED in kinds()
    assert Kind.CUSTOMERS_ASKED in kinds()  # customers hear of a SEV-1


def test_tars_tells_customers_of_every_p1(live_by, desk, phones, clock):
    live_by("tars")

    desk.declare(title="Payments are down", severity="SEV1")

    assert desk.sees()["severity_label"] == "P1"
    assert paged(phones) == ["bob"]
    desk.does("acknowledge")
    desk.does("assign-role", role="commander", user="bob")
    assert Kind.CUSTOMERS_ASKED in kinds()
    assert "Deployments of the last 1 h are looked through" in to_do(desk)
    desk.does("mark-recovered")
    assert desk.unmet(**PHASES, mitigation="Rolled back", kind="rollback") == {
        "attested:error_rate"
    }
    clock.forward(minutes=10)
    attested = desk.does("attest", fact="error_rate", value="0.05", unit="%", window=600)
    assert attested.status_code < 300, attested.text
    desk.resolves()
    assert desk.sees()["status"] == "resolved"
