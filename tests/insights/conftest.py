from tests.escalation.conftest import dana, declared, last_resort, phones, policy, schedule

__all__ = ["dana", "declared", "last_resort", "phones", "policy", "schedule"]
