// Settings pages: rows are dragged or moved by arrow keys; the new order is sent at once. Buttons do it without a script.
import { announce, toast } from "./toasts.js";

document.documentElement.classList.add("has-js");

const rowsOf = (table) => [...table.tBodies[0].rows];
let waiting = 0;

/** Puts the list of changes in the place of the old one, so that undo and the next move know of this one. */
function renew(html) {
  const old = document.querySelector(".im-set-history");
  if (!old) return;
  old.outerHTML = html;
  const { change } = document.querySelector(".im-set-history").dataset;
  document.querySelectorAll("#order-form [name=change]").forEach((input) => { input.value = change; });
}

/** Sends the order as it stands; a burst of key presses becomes one request. */
function send(table) {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const body = new FormData();
    rowsOf(table).forEach((row) => body.append("order", row.dataset.name));
    body.append("change", document.querySelector(".im-set-history")?.dataset.change ?? "");
    const { "X-CSRFToken": token } = JSON.parse(document.body.getAttribute("hx-headers"));
    try {
      const answer = await fetch(table.dataset.order, {
        method: "POST", body, headers: { "X-CSRFToken": token, "HX-Request": "true" },
      });
      if (answer.ok) {
        renew(await answer.text());
        table.dataset.saved = String(Number(table.dataset.saved ?? 0) + 1);
        toast("ok", "The new order is saved.");
        return;
      }
      toast("bad", "The order is not saved: somebody changed the list meanwhile. Reload the page and move it again.");
    } catch {
      toast("bad", "The server cannot be reached; the new order is not saved.");
    }
  }, 400);
}

document.addEventListener("keydown", (event) => {
  const grab = event.target.closest?.("[data-grab]");
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!grab || !step) return;
  const row = grab.closest("tr");
  const table = row.closest("table[data-order]");
  if (!table) return;
  event.preventDefault();
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  if (step < 0) other.before(row);
  else other.after(row);
  grab.focus();
  const all = rowsOf(table);
  announce(`${row.querySelector("th").textContent.trim()}: ${all.indexOf(row) + 1} of ${all.length}`);
  send(table);
});

// Dragging begins at the handle alone, so that text in the rows stays selectable.
let dragged = null;
document.addEventListener("pointerdown", (event) => {
  const row = event.target.closest?.("[data-grab]")?.closest("table[data-order] tr");
  if (row) row.draggable = true;
});
document.addEventListener("dragstart", (event) => {
  const row = event.target.closest?.("table[data-order] tr[data-name]");
  if (!row) return;
  dragged = row;
  row.classList.add("is-dragged");
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", row.dataset.name);
});
document.addEventListener("dragover", (event) => {
  const row = event.target.closest?.("tr[data-name]");
  if (!dragged || !row || row.closest("table") !== dragged.closest("table")) return;
  event.preventDefault();
  if (row === dragged) return;
  const down = dragged.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING;
  if (down) row.after(dragged);
  else row.before(dragged);
});
document.addEventListener("drop", (event) => { if (dragged) event.preventDefault(); });
document.addEventListener("dragend", () => {
  if (!dragged) return;
  dragged.classList.remove("is-dragged");
  dragged.draggable = false;
  send(dragged.closest("table"));
  dragged = null;
});

// What a trial found stands below a long form: the page goes there, and nothing around it moves.
document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  const scroller = target.id === "trial" && target.closest(".im-page");
  if (!scroller) return;
  const by = target.getBoundingClientRect().top - scroller.getBoundingClientRect().top - 16;
  scroller.scrollBy({ top: by });
});

// A field's name follows its label until somebody types one.
document.addEventListener("input", (event) => {
  const { target } = event;
  const name = document.querySelector("[data-from-label], #field-form #name:not([disabled])");
  if (!name) return;
  if (target === name) { name.dataset.typed = "1"; return; }
  if (target.id !== "label" || name.dataset.typed || (name.value && !name.dataset.made)) return;
  name.value = target.value.normalize("NFKD").replace(/[^\w ]/g, "").trim().toLowerCase().replace(/\s+/g, "_").slice(0, 63);
  name.dataset.made = "1";
});
