"""`python -m benchmarks [N=1000000] [--only row…] [--rounds n]`: a table on the screen, JSON in var/bench."""

from __future__ import annotations

import argparse

from benchmarks import ground


def main() -> None:
    """Prepare, measure, print."""
    options = _options()
    with ground.servers(options.size) as where:
        from benchmarks import data

        ground.say(f"{options.size:,} incidents")
        data.ensure(options.size)
        if not options.without_plain:
            data.ensure_plain(options.size)
        if options.prepare:
            return
        from benchmarks import report, rows

        ground.say("waiting for merges to end")
        data.settle()
        with ground.web(where):
            measured = rows.measure(where, options)
        report.show(report.finish(measured, where, options.size))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("size", nargs="?", default="1000000", metavar="N", help="incidents (N=1000000)")
    parser.add_argument("--rounds", type=int, default=200, help="how often the fast rows are repeated")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="measure these rows alone")
    parser.add_argument("--prepare", action="store_true", help="fill the indices and stop")
    parser.add_argument("--without-plain", action="store_true", help="leave the index without sort order out")
    parser.add_argument("--analysts", type=int, default=1_000, help="how many page at once (default 1,000)")
    options = parser.parse_args()
    options.size = int(options.size.removeprefix("N="))
    return options


if __name__ == "__main__":
    main()
