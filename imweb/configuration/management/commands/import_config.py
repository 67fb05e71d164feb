"""`manage.py import_config FILE [--dry-run]`: put a configuration file in force, all of it or nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imweb.configuration import applying


class Command(BaseCommand):
    """Bring what administrators shape to what a file says."""

    help = "Put a configuration file in force, all or nothing; each fault is named with its line (exit status 1)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file."""
        parser.add_argument("file", metavar="FILE", help="as export_config writes it; - is the standard input")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what changed; fails with every fault and changes nothing when there is one."""
        name = options["file"]
        try:
            raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}. Nothing was changed.") from None
        outcome = applying.apply(raw, dry_run=options["dry_run"])
        for fault in outcome.faults:
            self.stderr.write(f"{name}:{fault}")
        if outcome.faults:
            count = len(outcome.faults)
            raise CommandError(f"{count} fault{'' if count == 1 else 's'}; nothing was changed.")
        for line in outcome.differences:
            self.stdout.write(line)
        for warning in outcome.warnings:
            self.stderr.write(f"warning: {warning}")
        if not outcome.differences:
            self.stdout.write("The configuration in force is the same; nothing to change.")
        elif options["dry_run"]:
            self.stdout.write("Nothing was changed (dry run).")
        else:
            self.stdout.write("In force.")
