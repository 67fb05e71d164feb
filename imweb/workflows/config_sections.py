"""Workflows in a configuration file."""

from __future__ import annotations

from imweb.configuration.sections import of_kind, register
from imweb.workflows.definitions import WORKFLOWS

register(of_kind("workflows", "Workflows", WORKFLOWS))
