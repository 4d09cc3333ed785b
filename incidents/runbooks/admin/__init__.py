"""A revision's page reads like a runbook; managers choose one where they are, and keep it true."""

from incidents.runbooks.admin import choosing, panels, reviewing

__all__ = ["choosing", "panels", "reviewing"]
