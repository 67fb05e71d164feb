// Single keys, as their user has mapped them (`data-keys` of the body: acts by key; none when he turned them off).
// They rest while somebody types, in menus and dialogs, and with any modifier.
// They mean the open card; else the ticked rows; else the row under the focus.
import { announce, toast } from "./toasts.js";
import { bulk } from "./bulk.js";
import { ticked } from "./table.js";

const ROW = "tr[data-key], tr.im-fold";
const rows = () => [...document.querySelectorAll(`.im-table :is(${ROW})`)];
const linkOf = (row) => row.querySelector("a[data-open]") ?? row.querySelector("a[data-members]");
const here = () => document.querySelector("tr.is-here");
const card = () => document.getElementById("card");

/** Makes the next or previous row the one that the keys mean; says whether there was one. */
function go(step) {
  const list = rows();
  if (list.length === 0) return false;
  const at = list.indexOf(here());
  const to = at < 0 ? (step > 0 ? 0 : list.length - 1) : at + step;
  const next = list[Math.min(Math.max(to, 0), list.length - 1)];
  here()?.classList.remove("is-here");
  next.classList.add("is-here");
  linkOf(next)?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  return to >= 0 && to < list.length;
}

function move(step) {
  if (card() && document.querySelector("#flyout #card")) press(`[data-card-step="${step}"]`);
  else go(step);
}

function press(selector, root = document) {
  const target = root.querySelector(selector);
  target?.click();
  return Boolean(target);
}

function search() {
  const input = document.querySelector("[data-query]");
  input?.focus();
  input?.select();
}

function help() {
  const dialog = document.querySelector("dialog#keys");
  if (dialog) dialog.showModal();
  else press("a[data-help]");
}

const none = (words) => toast("info", words);

// The form of the next row is read while this one is filled in; whoever goes on within a minute does not wait.
const FRESH = 60_000; // milliseconds
let ahead = null;

const formUrl = (row, act) => `${row.querySelector("a[data-open]").dataset.card}key/${act}`;

function readAhead(row, act) {
  const list = rows();
  const next = list[list.indexOf(row) + 1];
  if (!next?.dataset.key) return;
  const url = formUrl(next, act);
  const html = fetch(url, { headers: { "HX-Request": "true", "HX-Target": "act-body" } })
    .then((answer) => (answer.status === 200 ? answer.text() : ""))
    .catch(() => "");
  ahead = { url, at: Date.now(), html };
}

async function ask(row, act) {
  const url = formUrl(row, act);
  const held = ahead?.url === url && Date.now() - ahead.at < FRESH ? ahead : null;
  ahead = null;
  const html = held && await held.html;
  const body = document.getElementById("act-body");
  if (html) window.htmx.swap(body, html, { swapStyle: "innerHTML" }, { eventInfo: { target: body } });
  else await window.htmx.ajax("GET", url, { source: body, target: body, swap: "innerHTML" });
  if (act === "close") readAhead(row, act);
}

const FIELDS = { status: "set.status", comment: "set.comment", close: "set.resolution" };

function changeTicked(act) {
  if (act === "assign") bulk({ step: "apply", take: "1", by: "key" });
  else bulk(act === "close" ? { "set.status": "closed" } : {}, FIELDS[act]);
}

function change(act, onCard) {
  if (card()) { onCard(card()); return; }
  if (!document.getElementById("rows")) return;
  if (ticked().size > 0) { changeTicked(act); return; }
  const row = here();
  if (!row) { none("Choose a row first: move to it by key, or click beside its title."); return; }
  if (!row.dataset.key) { none("This is a whole group: open it, or tick it to change all of it."); return; }
  changeRow(row, act);
}

function changeRow(row, act) {
  if (act !== "assign") { ask(row, act); return; }
  const values = { take: "1", rev: row.dataset.rev };
  window.htmx.ajax("POST", formUrl(row, act), { source: "#act-body", target: "#act-body", swap: "innerHTML", values });
}

function mark(row) {
  here()?.classList.remove("is-here");
  row.classList.add("is-here");
}

// The same by mouse, from the bar of the ticked rows.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-bulk-act]");
  if (button) changeTicked(button.dataset.bulkAct);
});

// The same by mouse, where the row says its status and that it is nobody's.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-act]");
  const row = link?.closest("tr[data-key]");
  if (!row || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  mark(row);
  changeRow(row, link.dataset.act);
});

function unfold(menu, first) {
  menu.open = true;
  menu.querySelector(first)?.focus();
}

const ACTS = {
  search,
  help,
  down: () => move(1),
  up: () => move(-1),
  tick: () => here() && press("input[type=checkbox]", here()),
  forward: () => press("a[data-next]"),
  back: () => press("a[data-previous]"),
  refresh: () => press("a[data-refresh]"),
  similar: () => {
    const link = here()?.querySelector("a.im-similar");
    if (link) link.click();
    else none("Choose a row that has a rule, and a host or a user: those like it share them.");
  },
  undo: () => press("#toasts .im-toast:last-of-type [data-undo]") || none("There is nothing on the screen to take back."),
  assign: () => change("assign", (box) => press("[data-key-a]", box) || none("It is yours already, or not yours to take.")),
  comment: () => change("comment", (box) => box.querySelector("[data-key-c]")?.focus()),
  status: () => change("status", (box) => unfold(box.querySelector("details[data-key-s]"), "button, input:not([type=hidden])")),
  close: () => change("close", (box) => {
    const menu = box.querySelector("details[data-key-e]");
    if (menu) unfold(menu, "select[required]");
    else none("No step that ends the work is open to you from here.");
  }),
};

function bound() {
  try { return JSON.parse(document.body.dataset.keys || "{}"); } catch { return {}; }
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], .im-pop")) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && here() && event.target === document.body) {
    linkOf(here())?.click();
    return;
  }
  const keys = bound();
  const act = Object.hasOwn(keys, event.key) && ACTS[keys[event.key]];
  if (!act) return;
  event.preventDefault();
  act();
});

// What is typed is sent without leaving it.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  const form = event.target.matches("textarea") && event.target.closest("#card form, #act-body form");
  if (!form) return;
  event.preventDefault();
  form.requestSubmit();
});

// The row that has the focus is the row that the keys mean.
document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.(ROW);
  if (row && row !== here()) mark(row);
});

// The form of a row opens with what was swapped in; when nothing is left to ask it closes, and a verdict goes on.
let asked = "";
let shown = null;
document.addEventListener("htmx:afterSettle", (event) => {
  const body = document.getElementById("act-body");
  const dialog = document.getElementById("act");
  if (!dialog || event.detail.target !== body) return;
  const form = body.querySelector("[data-act]");
  if (form) {
    asked = form.dataset.act;
    shown = form;
    if (!dialog.open) dialog.showModal();
    body.querySelector("[role=alert] .im-btn, [data-first], textarea, form button, form input:not([type=hidden])")?.focus();
    return;
  }
  if (!dialog.open) return;
  dialog.close();
  const last = asked === "close" && !go(1);
  if (last) announce("That was the last row of the page.");
});
document.addEventListener("close", (event) => {
  // The event comes with the next frame: by then a quick key may have opened or fetched the next form.
  if (event.target.id !== "act" || event.target.open) return;
  if (shown?.isConnected) document.getElementById("act-body").replaceChildren();
  shown = null;
  if (here()) linkOf(here())?.focus({ preventScroll: true });
}, true);
