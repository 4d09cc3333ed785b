from incidents.comms.admin import lists, updates

__all__ = ["lists", "updates"]
