from django.db import connection

from tests.escalation.conftest import dana, declared, last_resort, phones, policy, schedule

__all__ = ["dana", "declared", "last_resort", "phones", "policy", "schedule"]

# It starts processes with a database of their own: once is enough.
collect_ignore = ["test_alive.py"] if connection.vendor == "postgresql" else []
