"""`manage.py prepare_demo database|incidents`: what `make demo` runs before it starts the web server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imweb.demo import preparation
from imweb.errors import ImError


class Command(BaseCommand):
    """Prepare the database, or fill OpenSearch at the first start."""

    help = "Prepare the demo's database (users, static files) or its incidents; idempotent."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the step."""
        parser.add_argument("step", choices=["database", "incidents"])
        parser.add_argument("--count", type=int, default=20_000, help="incidents to generate at the first start")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the step."""
        try:
            if options["step"] == "database":
                preparation.database()
            else:
                preparation.incidents(options["count"])
        except ImError as error:
            raise CommandError(error.reason) from None
