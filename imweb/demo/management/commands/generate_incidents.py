"""`manage.py generate_incidents N --seed S`: believable incidents with their groups and history, streamed."""

from __future__ import annotations

import time
from datetime import UTC
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imweb.demo.fields import ensure_fields
from imweb.demo.filling import fill, targets
from imweb.demo.generator import MAX_DAYS, MAX_INCIDENTS, Plan
from imweb.demo.progress import Progress
from imweb.errors import ImError
from imweb.incidents import pits
from imweb.incidents.documents import iso
from imweb.incidents.times import BadInstant, parse_instant
from imweb.opensearch import gateway, schema

MAX_PROCESSES = 32


class Command(BaseCommand):
    """Fill the indices with a made-up past."""

    help = "Generate incidents, aggregation results and history; the same for the same N, seed, days and end."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare N, the seed, the period and the number of processes."""
        parser.add_argument("number", metavar="N", type=int, help=f"how many incidents, 1 to {MAX_INCIDENTS:,}")
        parser.add_argument("--seed", type=int, default=1, help="another seed makes another company (default: 1)")
        parser.add_argument("--days", type=int, default=30, help=f"how far back, 1 to {MAX_DAYS:,} days (default: 30)")
        parser.add_argument("--end", help="the last instant, ISO 8601 or date math (default: now)")
        parser.add_argument("--processes", type=int, default=1, help="how many work at once (default: 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the arguments, define the demo's fields, write the run and say what became of it."""
        plan = self._plan(options)
        if not 1 <= options["processes"] <= MAX_PROCESSES:
            raise CommandError(f"--processes lies between 1 and {MAX_PROCESSES}, not {options['processes']}.")
        # The bare stream: Django's wrapper ends every write with a newline.
        progress = Progress(cast(Any, self.stderr)._out, plan.size, "incidents")
        try:
            if not gateway().alias_indices(schema.incidents_alias()):
                raise CommandError("The indices are missing; run `manage.py bootstrap` first.")
            ensure_fields()
            tally = fill(plan, options["processes"], progress.add)
            seconds = progress.finish()
            gateway().refresh([*schema.document_aliases(), schema.history_alias()])
            pits.note_write(None)
        except ImError as error:
            raise CommandError(f"{error.reason} Run the same command again (with --end) to go on.") from None
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped after {progress.done:,} incidents; `--seed {plan.seed} --end {iso(plan.end_ms)}` goes on.",
                returncode=130,
            ) from None
        where = targets()
        made = [tally.created.get(name, 0) for name in (where.incidents, where.aggregations, where.history)]
        self.stdout.write(
            f"{made[0]:,} incidents, {made[1]:,} groups and {made[2]:,} history entries in {seconds:.1f} s"
            f" ({sum(made) / seconds:,.0f} documents/s, {made[0] / seconds:,.0f} incidents/s);"
            f" seed {plan.seed}, end {iso(plan.end_ms)}."
        )
        if already := sum(tally.existing.values()):
            self.stdout.write(f"{already:,} documents existed already and were left as they are.")
        if tally.failed:
            reasons = "\n  ".join(tally.reasons)
            raise CommandError(f"{tally.failed:,} documents were refused; the first:\n  {reasons}")

    def _plan(self, options: dict[str, Any]) -> Plan:
        now_ms = int(time.time() * 1000)
        try:
            end_ms = parse_instant(options["end"], now_ms=now_ms, tz=UTC) if options["end"] else now_ms
            return Plan.of(options["number"], options["seed"], options["days"], end_ms)
        except BadInstant as error:
            raise CommandError(f"--end: {error.reason}.") from None
        except ValueError as error:
            raise CommandError(f"{error}.") from None
