from incidents.oncall.admin import others, pages, tables, verbs

__all__ = ["others", "pages", "tables", "verbs"]
