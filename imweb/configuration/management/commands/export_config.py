"""`manage.py export_config [FILE]`: the configuration in force as YAML, to keep in version control."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imweb.configuration import document


class Command(BaseCommand):
    """Write the configuration; equal configurations are equal bytes."""

    help = "Write the configuration as YAML: to a file, or to the standard output. Secrets are never in it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file."""
        parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="- is the standard output")
        parser.add_argument("--schema", action="store_true", help="write the JSON schema of such files instead")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file whole or not at all."""
        if options["schema"]:
            text = json.dumps(document.json_schema(), indent=2, ensure_ascii=False) + "\n"
        else:
            text = document.written(document.standing())
        if options["file"] == "-":
            self.stdout.write(text, ending="")
            return
        target = Path(options["file"])
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(target)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise CommandError(f"{target}: {error.strerror}. Nothing was written.") from None
