"""The stage of escalation: Bob is on call for Payments, and phones that remember."""

from tests.escalation.conftest import dana, declared, last_resort, phones, policy, schedule

__all__ = ["dana", "declared", "last_resort", "phones", "policy", "schedule"]
