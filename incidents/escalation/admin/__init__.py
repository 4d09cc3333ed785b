from incidents.escalation.admin import asking, assignments, panels, policies

__all__ = ["asking", "assignments", "panels", "policies"]
