"""The doors of a fresh process that helps to fill: Django is set up before anything of ours is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imweb.demo.generator import Plan, Targets
    from imweb.demo.sending import Tally


def begin(plan: Plan, where: Targets) -> None:
    """Set this process up for a plan."""
    import django

    django.setup()
    from imweb.demo import filling

    filling.begin(plan, where)


def fill_share(numbers: list[int]) -> tuple[int, Tally]:
    """Write some hours of the plan."""
    from imweb.demo import filling

    return filling.fill_share(numbers)
