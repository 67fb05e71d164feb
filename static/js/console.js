// The entry of every page: theme, navigation drawer, the busy line, and the modules that bring a page to life.
// Each works by delegation from the document, so that what htmx swaps in needs no starting.
import "./toasts.js";
import "./menus.js";
import "./bell.js";
import "./table.js";
import "./bulk.js";
import "./flyout.js";
import "./card.js";
import "./query.js";
import "./suggest.js";
import "./chart.js";
import "./list.js";
import "./keys.js";
import "./returning.js";

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

// The line at the top while anything is under way.
let under = 0;
const busy = (step) => {
  under = Math.max(0, under + step);
  document.body.classList.toggle("is-busy", under > 0);
};
document.addEventListener("htmx:beforeRequest", () => busy(1));
document.addEventListener("htmx:afterRequest", () => busy(-1));

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
