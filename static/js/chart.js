// Charts: an element with data-chart names the id of a JSON script, or holds the JSON itself in data-values where htmx
// swaps it in (scripts are taken out of fragments). ECharts is fetched only when a chart is in the page.
// Its numbers also stand in a table, so nothing here is the only way to them.
// A brushed span narrows the page (data-span); a click does the same, or opens the list of what was hit (data-open).

import { follow } from "./pointer.js";

const GRID = { left: 46, right: 8, top: 8, bottom: 20 };
// Folded, it is a strip of bars between the same edges; its numbers and days are for the open one.
const STRIP = { left: 46, right: 8, top: 2, bottom: 2 };
const drawn = new Map();

/** A colour from a custom property, resolved for the theme in force. */
function colors(host, names) {
  const probe = document.createElement("i");
  probe.hidden = true;
  host.append(probe);
  const out = {};
  for (const [name, set] of Object.entries(names)) {
    probe.removeAttribute("data-sev");
    probe.className = "";
    set(probe);
    out[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return out;
}

const fromVar = (name) => (probe) => { probe.style.color = `var(${name})`; };
const fromSeverity = (name) => (probe) => { probe.dataset.sev = name; probe.style.color = "var(--c, var(--informational))"; };

function stackedOption(data, palette, grid) {
  const open = grid === GRID;
  const day = data.days ?? [];
  const named = data.named ?? [];
  return {
    animation: false,
    aria: { enabled: false },
    grid,
    xAxis: {
      type: "category",
      data: data.labels,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: palette.line } },
      // A line where a new day begins.
      splitLine: { show: day.length > 0, showMinLine: false, showMaxLine: false, interval: (at) => day.includes(at), lineStyle: { color: palette.sub, type: "solid", width: 1, opacity: 0.55 } },
      axisLabel: { show: open, color: palette.sub, fontFamily: "Rubik", fontSize: 10.5, hideOverlap: true, margin: 6, interval: named.length ? (at) => named.includes(at) : "auto" },
    },
    yAxis: {
      type: "value",
      splitNumber: 2,
      minInterval: 1,
      axisLabel: { show: open, color: palette.sub, fontFamily: "Rubik", fontSize: 10.5, formatter: (value) => value.toLocaleString("en") },
      splitLine: { show: open, lineStyle: { color: palette.line, type: [2, 3] } },
    },
    series: data.series.map((series, index) => ({
      type: "bar",
      stack: "all",
      barCategoryGap: "14%",
      // Nothing is null: a bar without height would still draw its edge, over the line it stands on.
      data: series.counts.map((count) => count || null),
      itemStyle: { color: palette[`series:${index}`], borderColor: palette.panel, borderWidth: open ? 0.5 : 0 },
      emphasis: { disabled: true },
    })),
  };
}

/** What a bar counts, as lines: its time, then its colours from the top down. */
function lines(data, at) {
  const seen = data.series.filter((series) => series.counts[at] > 0).reverse();
  return [data.titles[at], ...(seen.length ? seen.map((series) => `${series.label}  ${series.counts[at].toLocaleString("en")}`) : ["–"])];
}

function within(address, from, to) {
  const url = new URL(address, location.href);
  url.searchParams.set("start", new Date(from).toISOString());
  url.searchParams.set("end", new Date(to - 1).toISOString());
  return url;
}

/** The series that stands at a height of a stacked bar, if any. */
function hit(all, at, height) {
  let top = 0;
  return all.find((series) => { top += series.counts[at]; return height < top; });
}

function go(host, from, to) {
  const url = within(host.dataset.span, from, to);
  // The same way as any filter: htmx when the page has it (the answer says the address), else plain navigation.
  if (document.getElementById("view") && window.htmx) {
    window.htmx.ajax("GET", url.pathname + url.search, { source: "#view", target: "#view", swap: "outerHTML" });
  } else {
    location.assign(url);
  }
}

async function draw(host) {
  const text = host.dataset.values ?? document.getElementById(host.dataset.chart)?.textContent;
  if (!text) return;
  const data = JSON.parse(text);
  const { init } = await import("../vendor/echarts-6.1.0/echarts.js");
  if (!host.isConnected) return;
  const names = { text: fromVar("--im-text"), sub: fromVar("--im-sub"), line: fromVar("--im-line"), panel: fromVar("--im-panel") };
  data.series.forEach((series, index) => {
    names[`series:${index}`] = series.color ? fromVar(series.color) : fromSeverity(series.key);
  });
  const palette = colors(host, names);
  drawn.get(host)?.chart.dispose();
  drawn.get(host)?.stop.abort();
  const canvas = host.querySelector(":scope > div") ?? host.appendChild(document.createElement("div"));
  const chart = init(canvas, null, { renderer: "canvas" });
  const grid = host.closest(".is-folded") ? STRIP : GRID;
  chart.setOption(stackedOption(data, palette, grid));
  const stop = new AbortController();
  drawn.set(host, { chart, stop });
  const brushed = (first, last) => {
    if (host.dataset.span) go(host, data.starts[first], data.ends[last]);
    else location.assign(within(host.dataset.open, data.starts[first], data.ends[last]));
  };
  const clicked = (at, event) => {
    if (!host.dataset.open) return brushed(at, at);
    const height = chart.convertFromPixel({ yAxisIndex: 0 }, event.clientY - host.getBoundingClientRect().top);
    location.assign(within(hit(data.series, at, height)?.url ?? host.dataset.open, data.starts[at], data.ends[at]));
  };
  const may = host.dataset.span || host.dataset.open ? { brushed, clicked } : {};
  follow(host, grid, data.starts.length, { describe: (at) => lines(data, at), ...may }, stop.signal);
}

function drawAll() {
  for (const [host, { chart, stop }] of drawn) {
    if (!host.isConnected) { stop.abort(); chart.dispose(); drawn.delete(host); }
  }
  document.querySelectorAll("[data-chart]").forEach((host) => { if (!drawn.has(host)) draw(host); });
}

document.addEventListener("htmx:afterSettle", drawAll);
document.addEventListener("im:theme", () => { for (const host of [...drawn.keys()]) draw(host); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const host of [...drawn.keys()]) draw(host); });
new ResizeObserver(() => { for (const { chart } of drawn.values()) chart.resize(); }).observe(document.documentElement);

// Folding is remembered by the server through the link beside the chart; the class keeps the height in step at once.
if (document.querySelector("[data-chart]")) requestIdleCallback(drawAll, { timeout: 300 });
