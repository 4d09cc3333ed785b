"""A document as one HTML file: no script, no file beside it, made to be read and to be printed."""

from django.template.loader import render_to_string

from incidents.reviews.document.layout import Laid


def as_html(laid: Laid) -> str:
    return render_to_string("reviews/document.html", {"laid": laid})
