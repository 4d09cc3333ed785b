"""A revision's page reads like a runbook; who may chooses one where they are."""

import pytest
from django.urls import reverse
from django.utils.html import escape

from incidents.core import services
from incidents.core.models import Organisation, RunbookRevision
from incidents.runbooks import services as runbooks
from tests.factories import UserFactory

SLUGS = ["fintech", "saas", "schedgen", "tars", "tps"]


@pytest.fixture
def root(db):
    return UserFactory(is_staff=True, is_superuser=True)


def page_of(client, slug):
    revision = runbooks.apply(runbooks.load(slug), actor=None)
    answer = client.get(reverse("admin:incidents_runbookrevision_change", args=[revision.pk]))
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("slug", SLUGS)
def test_everything_of_a_runbook_stands_on_its_page(client, root, slug):
    client.force_login(root)
    text = page_of(client, slug)

    book = runbooks.load(slug)
    for part in [book.procedures, book.checklists, book.types]:
        assert all(one.title in text for one in part.values())
    assert all(plan.name in text for plan in book.severities.values())
    assert all(f'id="procedure-{name}"' in text for name in book.procedures)
    assert all(escape(line) in text for line in [*book.track, *book.principles])
    links = [*book.related, *book.dashboards, *book.goals, *book.key_metrics]
    assert all(escape(getattr(one, "title", "") or one.metric) in text for one in links)
    assert "The last resort" in text
    assert '<textarea name="document"' not in text
    assert "timedelta" not in text and "{%" not in text


def test_it_reads_like_a_runbook(client, root):
    client.force_login(root)
    text = " ".join(page_of(client, "schedgen").split())

    assert '<td data-label="Takes">5–10 min</td>' in text
    assert '<td data-label="Takes">5 min + deploy</td>' in text
    assert '<td data-label="Respond">next working day</td>' in text
    assert "SEV-2: pages on call; tells team, Product owner" in text
    assert "15 min after it was acknowledged, until it is identified" in text
    assert '<td data-label="Update">every 15 min</td>' in text
    assert "SEV-1, SEV-2, SEV-3: required, within 48 h" in text
    assert "docker-compose up -d --scale pdf-worker=5" in text


def test_windows_attestations_and_budgets_are_told(client, root):
    client.force_login(root)
    tps, fintech, tars = (
        " ".join(page_of(client, slug).split()) for slug in ["tps", "fintech", "tars"]
    )

    assert '<span class="t-badge">5 min to 15 min</span>' in tps
    assert "after 2 min, unless it has recovered by then" in tps
    assert "latency ratio is attested at 5.0 or more for 30 min" in tps
    assert "more than 10 % of users for 30 min" in tps
    assert "99.95 %: 21 min 36 s of each 30 days may be lost" in fintech
    assert "it becomes SEV-1" in fintech
    assert "error rate is attested below 0.1 % for 10 min" in tars
    assert "Customers are told of P2 when more than 100 users are affected" in tars
    assert "<th>Respond</th>" not in tars and "<th>Respond</th>" in fintech
    assert ">Investigation</a>" in tars


def test_the_built_in_one_shows_its_rows(client, root):
    client.force_login(root)
    revision = services.ensure_default_runbook()

    answer = client.get(reverse("admin:incidents_runbookrevision_change", args=[revision.pk]))

    assert answer.status_code == 200
    assert "Severity policies" in answer.text
    assert "t-ladder" not in answer.text


def test_what_is_written_in_a_runbook_does_nothing_on_its_page(client, root, tmp_path):
    client.force_login(root)
    path = tmp_path / "evil.yaml"
    path.write_text(
        'format: 1\nslug: evil\ntitle: "<script>alert(1)</script>"\n'
        'severities: {SEV1: {name: <b>x</b>, definition: "<img src=x onerror=alert(2)>"}}\n'
    )
    revision = runbooks.apply(runbooks.load(str(path)), actor=None)

    text = client.get(reverse("admin:incidents_runbookrevision_change", args=[revision.pk])).text

    assert "<script>alert" not in text and "<img src=x" not in text and "<b>x</b>" not in text
    assert "&lt;img src=x onerror=alert(2)&gt;" in text


def choosing(model, pk):
    return reverse(f"admin:incidents_{model}_verb", args=[pk, "runbook"])


def test_an_administrator_chooses_for_everybody(client, root, service):
    Organisation(pk=1).save()
    client.force_login(root)
    asked = client.get(choosing("organisation", 1)).text
    assert all(f'value="{slug}"' in asked for slug in [*SLUGS, "default"])

    answer = client.post(choosing("organisation", 1), {"runbook": "saas"}, follow=True)

    assert "New incidents begin under “Software as a service”." in answer.text
    assert services.revision_for(service).slug == "saas"


def test_a_manager_chooses_for_the_team(client, alice, bob, team, service):
    client.force_login(alice)

    answer = client.post(choosing("team", team.pk), {"runbook": "tars"}, follow=True)

    assert "New incidents of Payments begin under “TARS”." in answer.text
    team.refresh_from_db()
    assert team.runbook == "tars"
    client.force_login(bob)
    client.post(choosing("team", team.pk), {"runbook": "tps"})
    team.refresh_from_db()
    assert team.runbook == "tars"


def test_a_manager_does_not_choose_for_everybody(client, alice):
    Organisation(pk=1).save()
    client.force_login(alice)

    client.post(choosing("organisation", 1), {"runbook": "saas"})

    assert Organisation.current().runbook == "default"
    assert not RunbookRevision.objects.filter(slug="saas").exists()


def test_what_does_not_exist_cannot_be_chosen(client, root):
    Organisation(pk=1).save()
    client.force_login(root)

    answer = client.post(choosing("organisation", 1), {"runbook": "../../etc/passwd"})

    assert "is not one of the available choices" in answer.text
    assert Organisation.current().runbook == "default"
