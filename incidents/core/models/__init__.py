from incidents.core.models.catalogue import RunbookRevision, Service, Severity, SeverityPolicy
from incidents.core.models.incident import (
    ExpectedSignal,
    IdempotencyKey,
    Incident,
    ReferenceCounter,
    Status,
)
from incidents.core.models.people import (
    ApiToken,
    Membership,
    Organisation,
    Role,
    Team,
    User,
    digest_of,
)
from incidents.core.models.record import (
    Attestation,
    ChecklistItem,
    IncidentRole,
    Kind,
    RoleAssignment,
    TimelineEntry,
)

__all__ = [
    "ApiToken",
    "Attestation",
    "ChecklistItem",
    "ExpectedSignal",
    "IdempotencyKey",
    "Incident",
    "IncidentRole",
    "Kind",
    "Membership",
    "Organisation",
    "ReferenceCounter",
    "Role",
    "RoleAssignment",
    "RunbookRevision",
    "Service",
    "Severity",
    "SeverityPolicy",
    "Status",
    "Team",
    "TimelineEntry",
    "User",
    "digest_of",
]
