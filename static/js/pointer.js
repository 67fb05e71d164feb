// The pointer over a chart of bars: what the bar under it counts, a span that is brushed, a click.
// ECharts has parts for these that would make it a fifth larger, and its brush keeps clicks from the bars.

const SLIP = 4; // pixels that a click may move

function add(host, name) {
  const made = document.createElement("i");
  made.className = `im-chart-${name}`;
  made.hidden = true;
  host.append(made);
  return made;
}

/** Follows the pointer over `count` bars inside `grid` (distances to the host's edges in pixels) until `signal`.
 *  `describe(at)` gives lines, `brushed(from, to)` and `clicked(at, event)` are told of bars by number. */
export function follow(host, grid, count, { describe, brushed, clicked }, signal) {
  const [mark, span, tip] = ["mark", "span", "tip"].map((name) => add(host, name));
  signal.addEventListener("abort", () => [mark, span, tip].forEach((part) => part.remove()));
  let from = null;
  let moved = false;

  const width = () => (host.clientWidth - grid.left - grid.right) / count;
  const place = (event) => {
    const box = host.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const bar = ({ x }) => Math.min(Math.max(Math.floor((x - grid.left) / width()), 0), count - 1);
  const inside = ({ x, y }) => x >= grid.left && x <= host.clientWidth - grid.right && y >= 0 && y <= host.clientHeight - grid.bottom;
  const cover = (part, first, last) => {
    part.style.left = `${grid.left + first * width()}px`;
    part.style.width = `${(last - first + 1) * width()}px`;
    part.style.top = `${grid.top}px`;
    part.style.bottom = `${grid.bottom}px`;
    part.hidden = false;
  };
  const hide = () => { mark.hidden = true; tip.hidden = true; };
  const show = (event, at) => {
    cover(mark, at, at);
    tip.textContent = describe(at).join("\n");
    tip.hidden = false;
    const right = event.clientX + 16 + tip.offsetWidth > innerWidth;
    tip.style.left = `${right ? event.clientX - 16 - tip.offsetWidth : event.clientX + 16}px`;
    tip.style.top = `${Math.max(8, Math.min(event.clientY - tip.offsetHeight / 2, innerHeight - tip.offsetHeight - 8))}px`;
  };
  const end = () => { from = null; moved = false; span.hidden = true; };

  host.addEventListener("pointerdown", (event) => {
    const at = place(event);
    if (event.button !== 0 || !inside(at)) return;
    from = at;
  }, { signal });
  host.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (from && brushed && (moved || Math.abs(at.x - from.x) > SLIP)) {
      if (!moved) host.setPointerCapture(event.pointerId);
      moved = true;
      const [first, last] = [bar(from), bar(at)].sort((a, b) => a - b);
      cover(span, first, last);
    }
    if (inside(at) || moved) show(event, bar(at));
    else hide();
  }, { signal });
  host.addEventListener("pointerup", (event) => {
    if (!from) return;
    const at = place(event);
    const [first, last] = [bar(from), bar(at)].sort((a, b) => a - b);
    const drag = moved;
    end();
    if (drag) brushed(first, last);
    else if (inside(at)) clicked?.(bar(at), event);
  }, { signal });
  host.addEventListener("pointercancel", end, { signal });
  host.addEventListener("pointerleave", hide, { signal });
}
