from incidents.notifications.admin import contacts, deliveries, last_resort

__all__ = ["contacts", "deliveries", "last_resort"]
