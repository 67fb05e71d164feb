"""`manage.py import_detections FILE…`: detections (NDJSON: a Windows event and its Sigma rule a line) as incidents."""

from __future__ import annotations

import time
from datetime import UTC
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imweb.demo.importer import Import, Line
from imweb.demo.progress import Progress
from imweb.errors import ImError
from imweb.incidents.times import BadInstant, parse_instant
from imweb.opensearch import gateway, schema


class Command(BaseCommand):
    """Read detections and make an incident of each, once."""

    help = "Import detections; importing a file twice adds nothing. Bad lines are named and skipped (exit status 1)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the files and where their times go."""
        parser.add_argument("files", nargs="+", metavar="FILE", help="NDJSON, also .gz; - is the standard input")
        parser.add_argument(
            "--rebase",
            metavar="INSTANT",
            help="place them in the day before this instant (`now`), in their own order (default: their own times)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the files and say what became of their lines; fails when a line was skipped."""
        # The bare stream: Django's wrapper ends every write with a newline.
        progress = Progress(cast(Any, self.stderr)._out, 0, "lines")

        def complain(where: Line, reason: str) -> None:
            progress.say(f"{where}: {reason}")

        run = Import(complain, progress.add, self._rebase_ms(options["rebase"]))
        try:
            if not gateway().alias_indices(schema.incidents_alias()):
                raise CommandError("The indices are missing; run `manage.py bootstrap` first.")
            done = run.run(options["files"])
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}. Nothing was imported.") from None
        except ImError as error:
            raise CommandError(f"{error.reason} Run the same command again to go on.") from None
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped after {progress.done:,} lines; the same command goes on.", returncode=130
            ) from None
        progress.finish()
        self.stdout.write(
            f"{done.created:,} incidents imported, {done.existing:,} were there already,"
            f" {done.skipped:,} lines skipped."
        )
        if done.skipped:
            raise CommandError(f"{done.skipped:,} lines could not be imported; they are named above.")

    def _rebase_ms(self, text: str | None) -> int | None:
        if text is None:
            return None
        try:
            return parse_instant(text, now_ms=time.time_ns() // 1_000_000, tz=UTC)
        except BadInstant as error:
            raise CommandError(f"--rebase: {error.reason}.") from None
