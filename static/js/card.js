// The card: its tabs, the search in its event, single keys, and the row behind the flyout after a change.

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
  const held = document.querySelector("#flyout template[data-row]");
  if (!held) return;
  const next = held.content.querySelector("tr");
  held.remove();
  document.querySelectorAll(`tr[data-key="${CSS.escape(held.dataset.row)}"]`).forEach((row) => {
    const cells = [...next.cloneNode(true).cells].filter((cell) => !cell.matches(".im-c-tick"));
    [...row.cells].filter((cell) => !cell.matches(".im-c-tick")).forEach((cell, at) => cells[at] && cell.replaceWith(cells[at]));
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

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !plain(event) || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, textarea, select, [contenteditable], .im-pop") || document.body.hasAttribute("data-no-keys")) return;
  const card = document.getElementById("card");
  if (!card) return;
  if (event.key === "a") card.querySelector("[data-key-a]")?.click();
  else if (event.key === "c") { event.preventDefault(); card.querySelector("[data-key-c]")?.focus(); }
  else if (event.key === "e") {
    const menu = card.querySelector("details[data-key-e]");
    if (menu) { event.preventDefault(); menu.open = true; menu.querySelector("select[required]")?.focus(); }
  }
});
