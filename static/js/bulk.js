// The dialog of a bulk change: it opens with the form, and its end leaves only the rows ticked that were not changed.
import { keep } from "./table.js";

let stale = false;

document.addEventListener("htmx:afterSettle", (event) => {
  const body = document.getElementById("bulk-body");
  const dialog = document.getElementById("bulk");
  if (!dialog || event.detail.target !== body) return;
  if (!dialog.open) dialog.showModal();
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
  const rows = document.getElementById("rows");
  if (!stale || !rows) return;
  stale = false;
  window.htmx.ajax("GET", rows.dataset.canonical, { target: "#rows", swap: "outerHTML" });
}, true);
