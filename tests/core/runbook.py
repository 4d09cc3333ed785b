"""A small runbook with a bit of everything that core acts on."""

from incidents.core import services
from incidents.core.services.policies import DEFAULT_POLICIES

DOCUMENT = {
    "severities": {
        "SEV1": {"name": "P1", "definition": "All is down."},
        "SEV2": {"name": "P2", "definition": "Much is down."},
        "SEV4": {
            "name": "P4",
            "definition": "A typo.",
            "response": "ticket",
            "next_working_day": True,
        },
    },
    "types": {
        "data-loss": {
            "title": "Data loss",
            "definition": "Items vanish.",
            "severity": "SEV1",
            "alerts": ["Items lost", "QueueInconsistent"],
            "checklist": "preserve",
            "procedure": "freeze",
        },
        "slow": {
            "title": "Performance degradation",
            "definition": "It answers, but slowly.",
            "severity": "SEV2",
            "alerts": ["HighLatency"],
        },
    },
    "checklists": {
        "triage": {
            "title": "Triage",
            "severities": ["SEV1", "SEV2"],
            "phases": [
                {
                    "title": "First minutes",
                    "opens": "0 min",
                    "due": "5 min",
                    "items": [
                        {"text": "See that it is real"},
                        {"text": "Tell who is hurt", "role": "communications_lead"},
                    ],
                },
                {
                    "title": "Stabilise",
                    "opens": "5 min",
                    "due": "15 min",
                    "items": [{"text": "Stop the bleeding"}],
                },
            ],
        },
        "preserve": {
            "title": "Keep the evidence",
            "on_request": True,
            "phases": [{"title": "At once", "items": [{"text": "Copy the queue"}]}],
        },
        "watch": {
            "title": "Watch it",
            "severities": ["SEV1"],
            "begins": "recovered",
            "phases": [{"title": "Watch", "due": "10 min", "items": [{"text": "Queue drains"}]}],
        },
        "write-up": {
            "title": "Write it up",
            "severities": ["SEV1"],
            "begins": "resolved",
            "phases": [{"title": "Write", "due": "15 min", "items": [{"text": "The impact"}]}],
        },
    },
    "procedures": {
        "freeze": {
            "title": "Freeze the queue",
            "symptoms": ["Items vanish without a result"],
            "questions": [
                {"ask": "Are they lost?", "answers": [{"if": "In the dead letters", "then": "No."}]}
            ],
            "phases": [
                {
                    "title": "Stop",
                    "due": "1 min",
                    "steps": [
                        {"text": "Stop the workers", "command": "stop", "expect": "0 workers"}
                    ],
                },
                {
                    "title": "Restore",
                    "due": "2 min",
                    "when": "there is a backup",
                    "steps": [{"text": "Restore the backup"}],
                },
            ],
            "options": [
                {"title": "Replay", "when": "a bug", "steps": [{"text": "Replay the items"}]}
            ],
            "rollback": {
                "when": [{"text": "It was deployed in the last 2 h"}, {"text": "The code fits"}],
                "steps": [{"text": "Undo the deployment", "command": "rollout undo"}],
            },
            "verify": [{"text": "Nothing vanishes", "expect": "0 lost"}],
            "causes": [
                {"cause": "Full disk", "solution": "Make room", "takes": {"text": "5 min + deploy"}}
            ],
            "prevent": ["An alarm on the disk"],
        },
        "restart": {
            "title": "Restart",
            "phases": [{"title": "Restart", "steps": [{"text": "Restart it"}]}],
        },
    },
}


def publish(service, *, document=DOCUMENT, policies=DEFAULT_POLICIES, **facts):
    """Have `service` use this runbook from now on."""
    revision = services.publish_revision(
        slug="shop", title="Shop", policies=policies, document=document, **facts
    )
    service.runbook = "shop"
    service.save(update_fields=["runbook"])
    return revision
