"""What is still missing before anybody can be paged, as sentences that say what to do."""

from django.conf import settings

from incidents.alerts.models import Source
from incidents.core.models import Service, Team
from incidents.escalation.models import EscalationPolicy, PolicyAssignment
from incidents.notifications.models import ContactMethod, LastResortAddress


def what_is_missing() -> list[str]:
    """In the order in which one would do it; empty when a page can go out."""
    checks = [
        (
            settings.LAST_RESORT or LastResortAddress.objects.exists(),
            "No last resort: set LAST_RESORT, or add an address under Notifications, so that "
            "somebody is told when nobody can be paged.",
        ),
        (
            settings.SMTP_HOST,
            "No mail: set SMTP_HOST (and SMTP_USER, SMTP_PASSWORD) to page by e-mail.",
        ),
        (
            settings.PUBLIC_URL != settings.LOCAL_URL,
            "PUBLIC_URL is not set: links in pages lead to this machine only.",
        ),
        (Team.objects.exists(), "No team: add one with its people under Incidents → Teams."),
        (Service.objects.exists(), "No service: add what can break under Incidents → Services."),
        (
            ContactMethod.objects.exclude(verified_at=None).exists(),
            "Nobody has a verified contact method: add one under Notifications.",
        ),
        (
            EscalationPolicy.objects.filter(is_active=True).exists()
            and PolicyAssignment.objects.exists(),
            "No escalation policy is assigned: make one under Escalation and assign it.",
        ),
        (
            Source.objects.exists(),
            "No alert source: add one under Alerts; it shows the curl line for your monitor.",
        ),
    ]
    return [sentence for fulfilled, sentence in checks if not fulfilled]
