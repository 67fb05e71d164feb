// The card beside the list: its address is the list's with `open=`, so that Back closes it and a reload keeps it.
// Focus goes into the card and, when it closes, back to the row it came from.
import { announce } from "./toasts.js";
import { bare } from "./staying.js";

const panel = () => document.getElementById("flyout");
let opener = null;

const rowOf = (key) => key && document.querySelector(`tr[data-key="${CSS.escape(key)}"]`);

function mark(key) {
  const row = rowOf(key);
  // A card that was reached from another has no row: the one that all began at stays marked.
  if (key && !row) return;
  document.querySelectorAll("tr.is-open").forEach((other) => other.classList.remove("is-open"));
  if (!row) return;
  // One row is the one that everything means: the keys' mark goes along from card to card.
  document.querySelector("tr.is-here")?.classList.remove("is-here");
  row.classList.add("is-open", "is-here");
}

const reveal = () => document.querySelector("tr.is-open")?.scrollIntoView({ block: "nearest" });

function address(key) {
  const url = new URL(location.href);
  if (key) url.searchParams.set("open", key);
  else url.searchParams.delete("open");
  return url;
}

// The next card is read while this one is looked at; whoever goes on within a minute does not wait.
const FRESH = 60_000; // milliseconds
let ahead = null;

function neighbour(step) {
  const rows = [...document.querySelectorAll("tr[data-key]")];
  const at = rows.findIndex((row) => row.classList.contains("is-open"));
  return at < 0 ? undefined : rows[at + step]?.querySelector("a[data-open]");
}

function readAhead() {
  const url = neighbour(1)?.dataset.card;
  if (!url || (ahead?.url === url && Date.now() - ahead.at < FRESH)) return;
  const html = fetch(url, { headers: { "HX-Request": "true", "HX-Target": "flyout" } })
    .then((answer) => (answer.status === 200 ? answer.text() : ""))
    .catch(() => "");
  ahead = { url, at: Date.now(), html };
}

/** The address of the card that a key means. */
function cardOf(key) {
  const [kind, ...id] = key.split("/");
  return `/${kind === "incident" ? "incidents" : "aggregations"}/${encodeURIComponent(id.join("/"))}/`;
}

async function load(cardUrl) {
  const held = ahead?.url === cardUrl && Date.now() - ahead.at < FRESH ? ahead : null;
  const html = held && await held.html;
  ahead = null;
  if (html) window.htmx.swap(panel(), html, { swapStyle: "innerHTML" }, { eventInfo: { target: panel() } });
  else await window.htmx.ajax("GET", cardUrl, { target: "#flyout", swap: "innerHTML" });
}

async function show(key, push) {
  mark(key);
  if (push) history.pushState({ flyout: key }, "", address(key));
  await load(cardOf(key));
  readAhead();
  const heading = panel()?.querySelector("[data-card-title]");
  if (!heading) return;
  heading.focus({ preventScroll: true });
  announce(`Opened: ${heading.textContent.trim()}`);
}

function hide(push) {
  const box = panel();
  if (!box || box.childElementCount === 0) return;
  const row = document.querySelector("tr.is-open");
  box.replaceChildren();
  mark(null);
  if (push) history.pushState({ flyout: null }, "", address(null));
  const back = row?.querySelector("[data-open]") ?? (opener?.isConnected ? opener : null);
  (back ?? document.getElementById("main"))?.focus({ preventScroll: true });
}

const plainClick = (event) => event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

document.addEventListener("click", (event) => {
  if (!plainClick(event) || !panel()) return;
  const link = event.target.closest("a[data-open]");
  if (link) {
    event.preventDefault();
    opener = link;
    show(link.dataset.open, true);
    return;
  }
  const inner = event.target.closest("#flyout a[data-goes]");
  if (inner) {
    event.preventDefault();
    show(inner.dataset.goes, true);
    return;
  }
  if (event.target.closest("[data-close-card]")) {
    event.preventDefault();
    hide(true);
    return;
  }
  const step = event.target.closest("[data-card-step]");
  if (step) {
    event.preventDefault();
    const next = neighbour(Number(step.dataset.cardStep));
    if (next) { opener = next; show(next.dataset.open, true); reveal(); }
    return;
  }
  // A click on a row's empty space opens it too, as in Dashboards; text can still be selected.
  const row = event.target.closest("tr[data-key]");
  if (row && !event.target.closest("a, button, input, label, summary") && !String(getSelection())) {
    row.querySelector("a[data-open]")?.click();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  if (document.querySelector("dialog[open], details.im-menu[open]")) return;
  if (panel()?.childElementCount) hide(true);
});

// Back and Forward between list and card need no server for the list; htmx, which would read it anew, is not asked.
window.addEventListener("popstate", (event) => {
  const shown = document.getElementById("rows")?.dataset.canonical;
  if (!panel() || !shown) return;
  if (bare(shown) !== bare(location.href)) {
    if (!event.state?.htmx) location.reload();
    return;
  }
  event.stopImmediatePropagation();
  const key = new URL(location.href).searchParams.get("open");
  if (!key) { hide(false); return; }
  show(key, false);
  reveal();
}, true);

document.addEventListener("htmx:afterSettle", () => {
  const key = new URL(location.href).searchParams.get("open");
  if (!key || !panel()?.childElementCount) return;
  const first = !document.querySelector("tr.is-open");
  mark(key);
  if (first) reveal();
});

// A card outlives a change of the list behind it; so it stands in the new address too.
document.addEventListener("htmx:pushedIntoHistory", () => {
  const key = panel()?.querySelector("#card")?.dataset.key;
  if (key) history.replaceState(history.state, "", address(key));
});

// Drafts: what was typed into a card is kept over errors, reloads and an expired session, until it was saved.
// They are the user's own: who signs in after him in the same tab does not read them.
const draftKey = (field) => `im-draft:${document.body.dataset.user}:${field.dataset.draft}`;
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-draft]");
  if (field) { try { sessionStorage.setItem(draftKey(field), field.value); } catch { /* Not kept in private mode. */ } }
});
/** Says beside a field that it holds a draft, and lets it go. */
function note(field) {
  const held = document.getElementById("draft-note");
  if (!held || field.nextElementSibling?.matches("[data-draft-note]")) return;
  field.after(held.content.cloneNode(true));
}

document.addEventListener("click", (event) => {
  const place = event.target.closest?.("[data-discard]")?.closest("[data-draft-note]");
  if (!place) return;
  const field = place.previousElementSibling;
  sessionStorage.removeItem(draftKey(field));
  const chosen = field.options && [...field.options].find((option) => option.defaultSelected);
  field.value = field.options ? chosen?.value ?? "" : field.defaultValue;
  place.remove();
  field.focus();
});

const restore = () => {
  document.querySelectorAll("[data-draft]").forEach((field) => {
    const kept = sessionStorage.getItem(draftKey(field));
    if (!kept || kept === field.value) return;
    field.value = kept;
    note(field);
    // A draft is in sight, but the forms of a menu open when they are asked for.
    const fold = field.closest("details.im-inline");
    if (fold) fold.open = true;
  });
};
document.addEventListener("htmx:afterSettle", restore);
restore();
document.addEventListener("htmx:beforeSwap", (event) => {
  const form = event.detail.requestConfig?.elt;
  // Only what was sent is saved; other drafts of the card stay.
  if (event.detail.xhr.status < 400 && event.detail.xhr.getResponseHeader("X-Im-Saved")) {
    form?.querySelectorAll?.("[data-draft]").forEach((field) => { sessionStorage.removeItem(draftKey(field)); field.value = ""; });
  }
});

// The card: its tabs, the search in its event, and the row behind the flyout after a change.

const plain = (event) => !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey);

document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("a[data-card-tab]");
  if (!tab || !plain(event)) return;
  // A change of the fragment would be a step in the history of the list.
  event.preventDefault();
  tab.closest("nav").querySelectorAll("[aria-current]").forEach((other) => other.removeAttribute("aria-current"));
  tab.setAttribute("aria-current", "true");
  document.querySelector(tab.getAttribute("href"))?.scrollIntoView({ block: "start" });
});

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-find-event]")) return;
  const words = event.target.value.trim().toLowerCase();
  event.target.closest("section").querySelectorAll(".im-tree tr").forEach((row) => {
    row.hidden = words !== "" && !row.textContent.toLowerCase().includes(words);
  });
});

// The row takes its new contents and stays where it is; its tick stays.
function renew() {
  document.querySelectorAll("#flyout template[data-row], #act-body template[data-row]").forEach(replace);
}

function replace(held) {
  const next = held.content.querySelector("tr");
  held.remove();
  document.querySelectorAll(`tr[data-key="${CSS.escape(held.dataset.row)}"]`).forEach((row) => {
    const cells = [...next.cloneNode(true).cells].filter((cell) => !cell.matches(".im-c-tick"));
    [...row.cells].filter((cell) => !cell.matches(".im-c-tick")).forEach((cell, at) => cells[at] && cell.replaceWith(cells[at]));
    row.dataset.rev = next.dataset.rev;
    window.htmx.process(row);
  });
}

let follow = false;
document.addEventListener("click", (event) => { follow = Boolean(event.target.closest?.("[data-then-next]")); }, true);
document.addEventListener("htmx:afterRequest", (event) => {
  const saved = event.detail.xhr?.getResponseHeader("X-Im-Saved");
  if (!saved) follow = follow && !event.detail.elt?.matches?.("[data-verdict]");
});
document.addEventListener("htmx:afterSettle", (event) => {
  renew();
  if (!follow || !event.detail.xhr?.getResponseHeader("X-Im-Saved")) return;
  follow = false;
  document.querySelector('[data-card-step="1"]')?.click();
});
