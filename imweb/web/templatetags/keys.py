"""The single keys of whoever looks at a page."""

from __future__ import annotations

from django import template
from django.template import Context

from imweb.accounts.models import User
from imweb.web.keys import Keys

register = template.Library()


@register.simple_tag(takes_context=True)
def bound_keys(context: Context) -> Keys | None:
    """Return the keys of the user who is signed in."""
    user = getattr(context.get("request"), "user", None)
    return Keys.of(user) if isinstance(user, User) else None
