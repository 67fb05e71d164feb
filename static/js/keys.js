// Single keys on the list: j/k move, Enter opens, x ticks, n/p turn pages, r refreshes, ? explains.
// They rest while somebody types, in menus and dialogs, and with any modifier.

const rows = () => [...document.querySelectorAll(".im-table tr[data-key]")];
const here = () => document.querySelector("tr.is-here");

function go(step) {
  const list = rows();
  if (list.length === 0) return;
  const at = list.indexOf(here());
  const next = list[at < 0 ? (step > 0 ? 0 : list.length - 1) : Math.min(Math.max(at + step, 0), list.length - 1)];
  here()?.classList.remove("is-here");
  next.classList.add("is-here");
  const link = next.querySelector("a[data-open]");
  link.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

const press = (selector) => {
  const target = document.querySelector(selector);
  target?.click();
  return Boolean(target);
};

const KEYS = {
  j: () => go(1),
  k: () => go(-1),
  x: () => here()?.querySelector("input[data-tick]")?.click(),
  n: () => press("a[data-next]"),
  p: () => press("a[data-previous]"),
  r: () => press("a[data-refresh]"),
  "?": () => document.getElementById("keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], .im-pop, dialog")) return;
  if (document.querySelector("dialog[open]") || document.body.hasAttribute("data-no-keys")) return;
  if (event.key === "Enter" && here() && event.target === document.body) {
    here().querySelector("a[data-open]")?.click();
    return;
  }
  const act = KEYS[event.key];
  if (!act || !document.getElementById("view")) return;
  event.preventDefault();
  act();
});

// The row that has the focus is the row that the keys mean.
document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("tr[data-key]");
  if (!row || row === here()) return;
  here()?.classList.remove("is-here");
  row.classList.add("is-here");
});
