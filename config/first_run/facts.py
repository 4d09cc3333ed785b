"""What is there and what is not, by one query."""

from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from incidents.alerts.models import Source
from incidents.core.models import Incident, Membership, Organisation, Role, Service, Team
from incidents.escalation.models import PolicyAssignment
from incidents.notifications.addresses import Channel
from incidents.notifications.models import ContactMethod, LastResortAddress
from incidents.oncall.models import TeamSchedule

UNROUTED = "unrouted"  # team and service that alerts make for themselves
NAMELESS = Organisation._meta.get_field("name").default


def responders() -> QuerySet[Membership]:
    return Membership.objects.filter(user__is_active=True).exclude(role=Role.VIEWER)


def uncovered_services() -> QuerySet[Service]:
    """Active ones to which no escalation policy applies: only the last resort hears of them."""
    assigned = PolicyAssignment.objects.filter(
        Q(service=OuterRef("pk")) | Q(team=OuterRef("team")) | Q(service=None, team=None)
    )
    return Service.objects.filter(~Exists(assigned), is_active=True)


@dataclass(frozen=True)
class Facts:
    """All that one query can tell."""

    organisation: Organisation
    has: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "Facts":
        wanted = {
            "last_resort": LastResortAddress.objects.filter(is_active=True),
            "team": Team.objects.exclude(slug=UNROUTED),
            "responder": responders(),
            "contact": ContactMethod.objects.usable().filter(
                user__in=responders().values("user_id")
            ),
            "mail_contact": ContactMethod.objects.usable().filter(
                kind=Channel.EMAIL, user__is_active=True
            ),
            "schedule": TeamSchedule.objects.all(),
            "policy": PolicyAssignment.objects.all(),
            "uncovered": uncovered_services(),
            "service": Service.objects.filter(is_active=True).exclude(slug=UNROUTED),
            "source": Source.objects.filter(is_active=True),
            "answer": Incident.objects.exclude(acknowledged_at=None),
        }
        row = Organisation.objects.annotate(
            **{f"has_{name}": Exists(found) for name, found in wanted.items()}
        ).first()
        if row is None:  # nobody ran `up` here yet
            return cls(Organisation(pk=1), {name: found.exists() for name, found in wanted.items()})
        return cls(row, {name: getattr(row, f"has_{name}") for name in wanted})

    @cached_property
    def is_complete(self) -> bool:
        """Whether a page can go out and has done so: enough to stop reading further."""
        has = dict(self.has)
        uncovered, _ = has.pop("uncovered"), has.pop("mail_contact")
        has["last_resort"] |= bool(settings.LAST_RESORT)
        has["contact"] |= bool(settings.SMTP_HOST)
        return self.is_named and all(has.values()) and not uncovered

    @property
    def is_named(self) -> bool:
        return self.organisation.name != NAMELESS
