from incidents.core.admin import incidents, people, verbs

__all__ = ["incidents", "people", "verbs"]
