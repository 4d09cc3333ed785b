"""The stage of escalation: Bob is on call for Payments, and phones that remember."""

from tests.escalation.conftest import dana, last_resort, phones, policy, schedule

__all__ = ["dana", "last_resort", "phones", "policy", "schedule"]
