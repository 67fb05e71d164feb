"""Where a workflow's statuses and steps stand in a picture; pure geometry in pixels, drawn by a template."""

from __future__ import annotations

from dataclasses import dataclass

from imweb.workflows.model import Status, Transition, Workflow

WIDTH, HEIGHT = 128, 36
GAP_X, GAP_Y = 76, 34
MARGIN = 14


@dataclass(frozen=True, slots=True)
class Box:
    """One status; `x` and `y` are its upper left corner."""

    status: Status
    x: int
    y: int
    initial: bool = False

    @property
    def middle(self) -> tuple[int, int]:
        """Return where its text stands."""
        return self.x + WIDTH // 2, self.y + HEIGHT // 2 + 4


@dataclass(frozen=True, slots=True)
class Arrow:
    """One step as an SVG path."""

    transition: Transition
    path: str
    back: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """The whole picture."""

    width: int
    height: int
    boxes: list[Box]
    arrows: list[Arrow]


def graph(workflow: Workflow) -> Graph:
    """Return the picture: the initial status at the left, each further one a step to the right, the ends last."""
    columns = _columns(workflow)
    tallest = max((len(column) for column in columns), default=1)
    boxes: dict[str, Box] = {}
    # Steps over a whole column go round it, above or below; a curve reaches three quarters of the way to its handles.
    above = 11 * (len(columns) - 1) if len(columns) > 2 else 0
    for x, column in enumerate(columns):
        # Shorter columns stand in the middle of the height.
        shift = (tallest - len(column)) * (HEIGHT + GAP_Y) // 2
        for y, status in enumerate(column):
            left = MARGIN + x * (WIDTH + GAP_X)
            top = MARGIN + above + shift + y * (HEIGHT + GAP_Y)
            boxes[status.name] = Box(status, left, top, status.name == workflow.initial)
    steps = [t for t in workflow.transitions if t.source in boxes and t.target in boxes]
    arrows = [_arrow(step, boxes[step.source], boxes[step.target], number) for number, step in enumerate(steps)]
    below = 16 + 9 * (len(columns) - 1) if any(arrow.back for arrow in arrows) or above else 0
    width = 2 * MARGIN + len(columns) * (WIDTH + GAP_X) - GAP_X
    height = 2 * MARGIN + tallest * (HEIGHT + GAP_Y) - GAP_Y + above + below
    return Graph(max(width, WIDTH), height, list(boxes.values()), arrows)


def _columns(workflow: Workflow) -> list[list[Status]]:
    distance = {workflow.initial: 0}
    frontier = [workflow.initial]
    while frontier:
        reached = [t.target for name in frontier for t in workflow.transitions if t.source == name]
        frontier = [name for name in dict.fromkeys(reached) if name not in distance]
        for name in frontier:
            source = next(t.source for t in workflow.transitions if t.target == name and t.source in distance)
            distance[name] = distance[source] + 1
    still_open = [status for status in workflow.statuses if not status.terminal]
    last = max((distance.get(status.name, 0) for status in still_open), default=0) + 1
    placed: dict[int, list[Status]] = {}
    for status in workflow.statuses:
        column = last if status.terminal else distance.get(status.name, 0)
        placed.setdefault(column, []).append(status)
    return [placed[key] for key in sorted(placed)]


def _arrow(step: Transition, source: Box, target: Box, number: int) -> Arrow:
    lift = (number % 3 - 1) * 5
    columns = abs(target.x - source.x) // (WIDTH + GAP_X)
    if target.x > source.x and columns > 1:
        return _round(step, source, target, columns, lift)
    if target.x > source.x:
        x1, y1 = source.x + WIDTH, source.y + HEIGHT // 2 + lift
        x2, y2 = target.x, target.y + HEIGHT // 2 + lift
        bend = max((x2 - x1) // 2, 24)
        return Arrow(step, f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}", back=False)
    if target.x == source.x:
        down = target.y > source.y
        x = source.x + WIDTH // 2 + (16 if down else -16)
        y1, y2 = (source.y + HEIGHT, target.y) if down else (source.y, target.y + HEIGHT)
        return Arrow(step, f"M{x} {y1} L{x} {y2}", back=False)
    x1, y1 = source.x + WIDTH // 2 - 20 + lift, source.y + HEIGHT
    x2, y2 = target.x + WIDTH // 2 + 20 + lift, target.y + HEIGHT
    low = max(y1, y2) + 22 + 10 * columns
    return Arrow(step, f"M{x1} {y1} C{x1} {low} {x2} {low} {x2} {y2}", back=True)


def _round(step: Transition, source: Box, target: Box, columns: int, lift: int) -> Arrow:
    over = target.y <= source.y
    side = 0 if over else HEIGHT
    x1, y1 = source.x + WIDTH // 2 + lift, source.y + side
    x2, y2 = target.x + WIDTH // 2 + lift - 6 * columns, target.y + side
    far = min(y1, y2) - 14 * columns if over else max(y1, y2) + 14 * columns
    return Arrow(step, f"M{x1} {y1} C{x1 + 40} {far} {x2 - 40} {far} {x2} {y2}", back=False)
