// Ticks in the table: one, a range with Shift, the whole page; the bar for ticked rows; ticks outlive a page's swap.

import { toast } from "./toasts.js";

const STORE = "im-ticks:";
let last = null;
let shown = null;

const table = () => document.querySelector("[data-ticks]");
const boxes = () => [...document.querySelectorAll("[data-ticks] tbody input[data-tick]")];

function load(set) {
  try { return new Set(JSON.parse(sessionStorage.getItem(STORE + set) || "[]")); } catch { return new Set(); }
}

function save(set, ticks) {
  try { sessionStorage.setItem(STORE + set, JSON.stringify([...ticks])); } catch { /* Private mode: ticks live on the page alone. */ }
}

/** The keys of all ticked rows of the frozen result set, on other pages too. */
export function ticked() {
  const here = table();
  return here ? load(here.dataset.ticks) : new Set();
}

/** Ticks belong to frozen rows: with other rows in their place they wait there, and that is said. */
function notice(set) {
  const left = shown && shown !== set ? load(shown).size : 0;
  shown = set;
  if (left) toast("info", `${left.toLocaleString("en")} ${left === 1 ? "tick" : "ticks"} stayed with the rows before; Back returns to them.`);
}

function apply() {
  const here = table();
  if (!here) return;
  notice(here.dataset.ticks);
  const ticks = load(here.dataset.ticks);
  for (const box of boxes()) {
    box.checked = ticks.has(box.value);
    box.closest("tr").classList.toggle("is-ticked", box.checked);
  }
  const all = document.querySelector("[data-tick-page]");
  if (all) {
    const count = boxes().filter((box) => box.checked).length;
    all.checked = count > 0 && count === boxes().length;
    all.indeterminate = count > 0 && !all.checked;
  }
  const bar = document.querySelector("[data-bulk-bar]");
  if (!bar) return;
  bar.hidden = ticks.size === 0;
  const words = bar.querySelector("[data-ticked]");
  if (words) words.textContent = words.dataset.ticked.replace("{n}", ticks.size.toLocaleString("en"));
  const field = bar.querySelector("[name=keys]");
  if (field) field.value = [...ticks].join("\n");
}

function set(boxList, on) {
  const here = table();
  const ticks = load(here.dataset.ticks);
  for (const box of boxList) {
    if (on) ticks.add(box.value);
    else ticks.delete(box.value);
  }
  save(here.dataset.ticks, ticks);
  apply();
}

document.addEventListener("click", (event) => {
  const target = event.target;
  if (target.matches?.("input[data-tick]")) {
    const list = boxes();
    if (event.shiftKey && last && list.includes(last)) {
      const [from, to] = [list.indexOf(last), list.indexOf(target)].sort((a, b) => a - b);
      set(list.slice(from, to + 1), target.checked);
    } else {
      set([target], target.checked);
    }
    last = target;
  } else if (target.matches?.("[data-tick-page]")) {
    set(boxes(), target.checked);
  } else if (target.closest?.("[data-untick]")) {
    event.preventDefault();
    save(table().dataset.ticks, new Set());
    apply();
  }
});

/** Leaves only these rows ticked, on whatever page they stand. */
export function keep(keys) {
  const here = table();
  if (!here) return;
  save(here.dataset.ticks, new Set(keys));
  apply();
}

document.addEventListener("htmx:afterSettle", apply);
apply();

// The list's address carries the key of its result set, and a tab that closes says so, so that its frozen state ends soon.

const view = () => document.getElementById("view");

/** A reload, a copied address and Back come to the same frozen rows. */
function adopt() {
  const url = view()?.dataset.url;
  if (!url || !view().dataset.rs) return;
  const here = new URL(location.href);
  if (here.searchParams.get("rs") === view().dataset.rs) return;
  const wanted = new URL(url, location.href);
  if (here.pathname === wanted.pathname) history.replaceState(history.state, "", wanted);
}

function leave() {
  const here = view();
  const key = new URL(location.href).searchParams.get("rs");
  if (!here?.dataset.leave || !key) return;
  const { "X-CSRFToken": token } = JSON.parse(document.body.getAttribute("hx-headers"));
  const body = new FormData();
  body.append("rs", key);
  body.append("csrfmiddlewaretoken", token);
  navigator.sendBeacon(here.dataset.leave, body);
}

addEventListener("pagehide", leave);
document.addEventListener("htmx:afterSettle", adopt);
adopt();

// A group opens below its row and closes again.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-members]");
  if (!link) return;
  const rows = document.querySelectorAll(`tr[data-of="${CSS.escape(link.dataset.members)}"]`);
  if (rows.length === 0) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  rows.forEach((row) => row.remove());
  link.setAttribute("aria-expanded", "false");
}, true);
document.addEventListener("htmx:afterRequest", (event) => {
  const link = event.detail.elt;
  if (link?.matches?.("a[data-members]") && event.detail.successful) link.setAttribute("aria-expanded", "true");
});

// How many rows came in since the list was frozen: asked for at an interval, never moving the rows.
let asking = { url: "", seconds: 0, timer: 0 };

async function count() {
  const place = document.querySelector("[data-watch]");
  if (!place || document.hidden) return;
  const url = place.dataset.watch;
  // As a fragment: who is signed out is told so, and stays where he is with what he is typing.
  const answer = await fetch(url, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } }).catch(() => null);
  const html = answer?.status === 200 ? await answer.text() : "";
  if (!place.isConnected || place.dataset.watch !== url) return;
  if (answer?.status === 200) { window.htmx.swap(place, html, { swapStyle: "innerHTML" }, { eventInfo: { target: place } }); return; }
  const signIn = answer?.headers.get("HX-Redirect");
  const words = document.createElement(signIn ? "a" : "span");
  words.textContent = signIn ? place.dataset.out : place.dataset.silent;
  if (signIn) words.href = signIn;
  place.replaceChildren(" · ", words);
}

function watch() {
  const place = document.querySelector("[data-watch]");
  const [url, seconds] = [place?.dataset.watch ?? "", Number(place?.dataset.every ?? 0)];
  // Whatever else is swapped meanwhile does not make it wait anew.
  if (url === asking.url && seconds === asking.seconds) return;
  clearInterval(asking.timer);
  asking = { url, seconds, timer: seconds ? setInterval(count, seconds * 1000) : 0 };
}

document.addEventListener("htmx:afterSettle", watch);
watch();
