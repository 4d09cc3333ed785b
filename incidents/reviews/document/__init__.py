"""The document of a review: composed of facts, laid out, rendered. Pure but for the template."""

from incidents.reviews.document.as_html import as_html
from incidents.reviews.document.as_markdown import as_markdown
from incidents.reviews.document.as_record import as_record, as_yaml
from incidents.reviews.document.compose import compose, composed, places_of, text_of
from incidents.reviews.document.layout import Edition, lay

__all__ = [
    "Edition",
    "as_html",
    "as_markdown",
    "as_record",
    "as_yaml",
    "compose",
    "composed",
    "lay",
    "places_of",
    "text_of",
]
