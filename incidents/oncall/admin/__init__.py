from incidents.oncall.admin import pages, tables, verbs

__all__ = ["pages", "tables", "verbs"]
