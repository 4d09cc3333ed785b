"""How pages show what people write."""

from django import template
from django.utils.safestring import SafeString

from incidents.reviews.markdown import render

register = template.Library()


@register.filter
def markdown(text: str, level: int = 3) -> SafeString:
    """People's Markdown as HTML that cannot run; its headings begin at `level`."""
    return render(text or "", level=level)
