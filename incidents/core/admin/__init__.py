from incidents.core.admin import accounts, incidents, organisation, people, verbs

__all__ = ["accounts", "incidents", "organisation", "people", "verbs"]
