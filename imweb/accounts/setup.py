"""What accounts need before the first sign-in; may be repeated."""

from __future__ import annotations

from imweb.accounts import permissions
from imweb.accounts.models import Role


def ensure_roles() -> list[str]:
    """Create the ready roles that are missing, leave an edited one alone, and return the names created."""
    created = []
    for name, (label, granted) in permissions.READY_ROLES.items():
        _role, new = Role.objects.get_or_create(name=name, defaults={"label": label, "permissions": sorted(granted)})
        if new:
            created.append(name)
    return created
