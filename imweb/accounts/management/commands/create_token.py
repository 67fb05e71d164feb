"""`manage.py create_token USERNAME`: make an API token and print it alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from imweb.accounts import administration
from imweb.accounts.models import ApiToken, User


class Command(BaseCommand):
    """Print a new token of a user's; it is shown this once."""

    help = "Create an API token for a user and print it (it cannot be shown again)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the user, the token's name and its life."""
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument("--days", type=int, default=90, help="days until it expires (0: never)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the token."""
        try:
            user = User.objects.get(username=options["username"], is_active=True)
        except User.DoesNotExist:
            raise CommandError(f"There is no active user {options['username']!r}.") from None
        if options["days"] < 0:
            raise CommandError("--days must be 0 (never expires) or more.")
        days = options["days"] or None
        with transaction.atomic():
            token, secret = ApiToken.issue(user, options["name"], days=days)
            stated: dict[str, Any] = {"token": token.name, "hint": token.hint, "scopes": [], "days": days}
            administration.record("token", user.username, "created", None, stated, "manage.py create_token")
        self.stdout.write(secret)
