// Menus are <details class="im-menu">: they open without a script, and with it close on Escape, outside and by choice.

const OPEN = "details.im-menu[open]";

function close(menu, returnFocus) {
  menu.open = false;
  if (returnFocus) menu.querySelector("summary")?.focus();
}

document.addEventListener("click", (event) => {
  document.querySelectorAll(OPEN).forEach((menu) => {
    if (!menu.contains(event.target)) close(menu, false);
  });
  const item = event.target.closest?.(".im-pop .im-item, .im-pop [data-close-menu]");
  const menu = item?.closest("details.im-menu");
  if (menu && !item.matches("[data-stay]")) setTimeout(() => close(menu, false), 0);
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(OPEN);
  if (!menu) {
    if (event.key === "Escape") document.querySelectorAll(OPEN).forEach((open) => close(open, false));
    return;
  }
  if (event.key === "Escape") {
    event.stopPropagation();
    close(menu, true);
    return;
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const items = [...menu.querySelectorAll(".im-pop .im-item")].filter((item) => item.offsetParent !== null);
  if (items.length === 0 || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  const step = event.key === "ArrowDown" ? 1 : -1;
  const at = items.indexOf(document.activeElement);
  items[(at + step + items.length) % items.length].focus();
}, true);

// Buttons that open or close a <dialog>.
document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (dialog) { event.preventDefault(); dialog.showModal(); }
    return;
  }
  const closer = event.target.closest?.("[data-close-dialog]");
  if (closer) { event.preventDefault(); closer.closest("dialog").close(); return; }
  if (event.target.matches?.("dialog.im-dialog")) event.target.close();
});
