from incidents.reviews.admin import items

__all__ = ["items"]
