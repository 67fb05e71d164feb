// What stays when a part of the page is swapped, or the page is read again: the focus, the row that the keys mean, how
// far each part was scrolled, what was folded. And a screen reader hears how many rows there are now.
import { announce } from "./toasts.js";

// What scrolls by itself; the browser brings back only how far the document was scrolled.
const PARTS = [".im-tablewrap", ".im-facets", "main.im-page", ".im-figures", ".im-matrix-wrap", ".im-full .im-fly-body"];
const FOLDS = ".im-facets details, .im-sev details.im-behind";
const PLACES = "im-places";
const FOLDED = "im-folded";
const MOST = 40; // addresses of which places are kept

function kept(name) {
  try { return JSON.parse(sessionStorage.getItem(name) || "{}"); } catch { return {}; }
}

function keep(name, value) {
  try { sessionStorage.setItem(name, JSON.stringify(value)); } catch { /* Private mode: nothing is kept. */ }
}

/** An address without what lies over its page. */
export function bare(address) {
  const url = new URL(address, location.href);
  url.searchParams.delete("open");
  return url.pathname + url.search;
}

function places() {
  const found = PARTS.map((name) => [name, document.querySelector(name)?.scrollTop]);
  return Object.fromEntries(found.filter(([, top]) => top > 0));
}

function scroll(tops) {
  for (const [name, top] of Object.entries(tops ?? {})) {
    const part = document.querySelector(name);
    if (part) part.scrollTop = top;
  }
}

function savePlaces() {
  // After Back the address is the one that is gone to, while the rows still are those that are left.
  const here = bare(document.getElementById("rows")?.dataset.canonical ?? location.href);
  const { [here]: _old, ...others } = kept(PLACES);
  keep(PLACES, Object.fromEntries([...Object.entries(others), [here, places()]].slice(-MOST)));
}

addEventListener("pagehide", savePlaces);

// Facets stay folded, and the table behind the chart open, from filter to filter.
const foldName = (fold) => fold.querySelector("summary").textContent.trim();

function applyFolds() {
  const folded = kept(FOLDED);
  for (const fold of document.querySelectorAll(FOLDS)) {
    const open = folded[foldName(fold)];
    if (open !== undefined && fold.open !== open) fold.open = open;
  }
}

document.addEventListener("toggle", (event) => {
  const fold = event.target;
  if (fold.isConnected && fold.matches?.(FOLDS)) keep(FOLDED, { ...kept(FOLDED), [foldName(fold)]: fold.open });
}, true);

// The focus: to the same control of the new part; where it is gone, to what is nearest.
const CONTROLS = "a[href], button, input:not([type=hidden]), select, summary";
const GROUPS = "aside, nav, form, thead, section, .im-chips, .im-timebar, .im-pager, .im-bar";

/** What a control is called, whatever it counts. */
const nameOf = (control) => (control.getAttribute("aria-label") || control.textContent).replace(/[\d,.+−–-]+/g, "").trim();
const groupOf = (control) => [...(control.closest(GROUPS)?.classList ?? [])].find((name) => name.startsWith("im-")) ?? "";
const twins = (name, group, tag) => [...document.querySelectorAll(tag)].filter((one) => nameOf(one) === name && groupOf(one) === group);

function describe(control) {
  const [name, group, tag] = [nameOf(control), groupOf(control), control.localName];
  return { control, key: control.dataset.open, name, group, tag, at: twins(name, group, tag).indexOf(control), inCard: Boolean(control.closest("#card")) };
}

function successor({ key, name, group, tag, at, inCard }) {
  if (key) return document.querySelector(`a[data-open="${CSS.escape(key)}"]`);
  const same = twins(name, group, tag);
  const found = same[Math.min(at, same.length - 1)];
  if (found) return found.closest("details:not([open])")?.querySelector("summary") ?? found;
  if (inCard) return null;
  const near = [...document.querySelectorAll(CONTROLS)].filter((one) => groupOf(one) === group);
  return near.find((one) => one.getAttribute("aria-current")) ?? near.find((one) => one.checkVisibility());
}

// Of two changes of the list the later one holds: the answer of the earlier would stand under an address that is not its
// own, or be put where the list no longer is. Its element may be gone by then, so that nothing else hears of it.
const LIST = ["view", "rows"];
const PARTS_SWAPPED = [...LIST, "card"];
let latest = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  const { target, elt, xhr } = event.detail;
  if (!LIST.includes(target?.id)) return;
  const earlier = latest;
  earlier?.elt.addEventListener("htmx:beforeOnLoad", (late) => { if (late.detail.xhr === earlier.xhr) late.preventDefault(); });
  latest = { elt, xhr };
});

let before = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target } = event.detail;
  if (!PARTS_SWAPPED.includes(target.id)) return;
  savePlaces();
  const focused = document.activeElement;
  before = {
    focus: focused && focused !== document.body && !focused.closest("dialog") ? describe(focused) : null,
    here: document.querySelector("tr.is-here")?.dataset.key,
    rows: document.getElementById("rows")?.dataset.canonical,
    places: places(),
    card: target.dataset.key,
    read: document.querySelector("#card .im-fly-body")?.scrollTop ?? 0,
  };
});

function refocus({ focus }, last) {
  if (!focus || focus.control.isConnected || document.activeElement !== document.body) return;
  (successor(focus) ?? document.querySelector(last))?.focus({ preventScroll: true });
}

function afterList({ rows, places: tops, here, ...rest }) {
  const now = document.getElementById("rows")?.dataset.canonical;
  // Other rows begin at the top; the facets beside them stay where they are.
  const same = now && rows && bare(now) === bare(rows);
  scroll(same ? tops : { ".im-facets": tops[".im-facets"] ?? 0 });
  applyFolds();
  if (here && !document.querySelector("tr.is-here")) {
    document.querySelector(`tr[data-key="${CSS.escape(here)}"]`)?.classList.add("is-here");
  }
  refocus(rest, "#main");
  const total = document.querySelector(".im-bar h1");
  if (total) announce(`${total.textContent.trim()}, ${document.querySelector(".im-place")?.textContent.trim() ?? ""}`);
}

/** A card that was changed is read on where it was. */
function afterCard({ card, read, ...rest }) {
  const now = document.getElementById("card");
  const body = now?.dataset.key === card && now?.querySelector(".im-fly-body");
  if (body) body.scrollTop = read;
  refocus(rest, "#card [data-card-title]");
}

document.addEventListener("htmx:afterSettle", (event) => {
  const id = event.detail.target?.id;
  if (!before || !PARTS_SWAPPED.includes(id)) return;
  const held = before;
  before = null;
  if (id === "card") afterCard(held);
  else afterList(held);
});

applyFolds();
if (["reload", "back_forward"].includes(performance.getEntriesByType("navigation")[0]?.type)) {
  scroll(kept(PLACES)[bare(location.href)]);
}
