// The entry of every page: theme, navigation drawer, the busy line, and the modules that bring a page to life.
// Each works by delegation from the document, so that what htmx swaps in needs no starting.
import "./toasts.js";
import "./table.js";
import "./bulk.js";
import "./flyout.js";
import "./query.js";
import "./chart.js";
import "./keys.js";
import "./returning.js";
import "./staying.js";

// Light and dark without a reload; the form also works by itself.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-theme-form]");
  if (!form) return;
  event.preventDefault();
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = root.dataset.theme === "dark" || (root.dataset.theme === "system" && systemDark);
  const theme = dark ? "light" : "dark";
  root.dataset.theme = theme;
  form.querySelector("[name=theme]").value = dark ? "dark" : "light";
  window.htmx.ajax("POST", form.action, { source: form, swap: "none", values: { theme } });
  document.dispatchEvent(new CustomEvent("im:theme"));
});

// The navigation as a drawer on small screens.
document.addEventListener("click", (event) => {
  const nav = document.getElementById("nav");
  if (event.target.closest("[data-nav-open]")) {
    event.preventDefault();
    nav.classList.add("is-open");
    nav.querySelector("a").focus();
  } else if (nav?.classList.contains("is-open") && (!nav.contains(event.target) || event.target.closest("a"))) {
    nav.classList.remove("is-open");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.getElementById("nav")?.classList.remove("is-open");
});

// Where somebody stands, when a filter changes the address and the navigation stays: the entry that says most of the
// address, the last of equals (as `imweb/web/nav.py` draws it at first).
function stand() {
  const here = new URLSearchParams(location.search);
  let found;
  let most = 0;
  for (const item of document.querySelectorAll("#nav .im-nav-item")) {
    const url = new URL(item.dataset.where ?? item.href, location.href);
    const wanted = [...url.searchParams];
    const says = ([name, value]) => here.getAll(name).length === 1 && here.get(name) === value;
    const less = wanted.length < most || (found && !wanted.length);
    if (less || url.pathname !== location.pathname || !wanted.every(says)) continue;
    found = item;
    most = wanted.length;
  }
  if (!found) return;
  for (const item of document.querySelectorAll("#nav .im-nav-item")) {
    item.classList.toggle("is-on", item === found);
    if (item === found) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
}
document.addEventListener("htmx:pushedIntoHistory", stand);
document.addEventListener("htmx:replacedInHistory", stand);

// The line at the top while anything is under way.
let under = 0;
const busy = (step) => {
  under = Math.max(0, under + step);
  document.body.classList.toggle("is-busy", under > 0);
};
document.addEventListener("htmx:beforeRequest", (event) => {
  busy(1);
  // Whatever becomes of the element that asked, and of its events.
  event.detail.xhr.addEventListener("loadend", () => busy(-1), { once: true });
});

// Copy buttons: <button data-copy="text">.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const { toast } = await import("./toasts.js");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast("ok", "Copied.");
  } catch {
    toast("warn", "The browser did not allow copying.");
  }
});

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

// The bell: how many notifications are unread, asked once a minute and whenever somebody comes back to the page.
const EVERY = 60_000;

async function look() {
  const bell = document.querySelector(".im-bell");
  if (!bell || document.hidden) return;
  try {
    // As a fragment: who is signed out is answered with nothing then, and stays where he is.
    const answer = await fetch(bell.dataset.src, { headers: { "HX-Request": "true" } });
    if (answer.status !== 200) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".im-bell");
    if (!fresh || fresh.getAttribute("aria-label") === bell.getAttribute("aria-label")) return;
    bell.setAttribute("aria-label", fresh.getAttribute("aria-label"));
    bell.replaceChildren(...fresh.childNodes);
  } catch {
    // The server cannot be reached: the next minute tells.
  }
}

setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
