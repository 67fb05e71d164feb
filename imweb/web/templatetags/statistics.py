"""What templates of the statistics page need."""

from __future__ import annotations

from django import template

from imweb.web.statistics.panels import lasting

register = template.Library()
register.filter("lasting", lasting)
