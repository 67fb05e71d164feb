// The dialog of a bulk change: it opens with the form, and its end leaves only the rows ticked that were not changed.
import { keep } from "./table.js";

let stale = false;
let wanted = "";

/** Sends the ticked rows with more values; `field` is the one that the form begins at. */
export function bulk(values, field = "") {
  const form = document.getElementById("bulk-form");
  if (!form) return;
  const given = Object.fromEntries(new FormData(form));
  wanted = field;
  window.htmx.ajax("POST", form.action, { source: form, target: "#bulk-body", swap: "innerHTML", values: { ...given, scope: "ticked", ...values } });
}

function renewRows() {
  const rows = document.getElementById("rows");
  if (rows) window.htmx.ajax("GET", rows.dataset.canonical, { target: "#rows", swap: "outerHTML" });
}

// A change by key has no dialog: its end comes as a toast, and the rows show what they hold now.
document.addEventListener("im:rows", (event) => {
  if (event.detail.ticks) keep(event.detail.ticks);
  renewRows();
});

document.addEventListener("htmx:afterSettle", (event) => {
  const body = document.getElementById("bulk-body");
  const dialog = document.getElementById("bulk");
  if (!dialog || event.detail.target !== body) return;
  if (!dialog.open) dialog.showModal();
  if (wanted) body.querySelector(`[name="${CSS.escape(wanted)}"]`)?.focus();
  wanted = "";
  // Each step is read from its heading; while rows are changed the dialog itself holds the focus over every swap.
  if (!body.contains(document.activeElement)) (body.querySelector("progress") ? dialog : body.querySelector("#bulk-title"))?.focus();
  const done = body.querySelector("[data-bulk-done]");
  if (body.querySelector("progress")) stale = true;
  if (!done) return;
  stale = true;
  keep(JSON.parse(done.dataset.bulkDone));
});

// The rows stay where they are and show what they hold now.
document.addEventListener("close", (event) => {
  if (event.target.id !== "bulk") return;
  event.target.querySelector("#bulk-body").replaceChildren();
  // What had the focus before may be gone with the bar of the ticked rows.
  if (document.activeElement === document.body) document.querySelector("tr.is-here a[data-open], .im-tablewrap")?.focus({ preventScroll: true });
  if (!stale) return;
  stale = false;
  renewRows();
}, true);
