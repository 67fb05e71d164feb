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
