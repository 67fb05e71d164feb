// A session that ends under somebody's hands: the form that was sent is kept in this tab, and after the sign-in it stands
// where it stood, with what was in it. Only for the same user, in the same place, within the hour.
import { toast } from "./toasts.js";

const KEY = "im-return";
const LIFE = 3_600_000; // milliseconds
const OWN = new Set(["csrfmiddlewaretoken", "rev", "where", "step"]);

const user = () => document.body.dataset.user ?? "";

function pairs(form) {
  return [...new FormData(form)].filter(([name, value]) => !OWN.has(name) && typeof value === "string");
}

const sets = (form) => [...form.querySelectorAll("input[type=hidden][name=set]")].map((item) => item.value).join();

function kept(form) {
  if (form.closest("#bulk-body")) return { kind: "bulk", url: form.getAttribute("action") };
  const act = form.closest("#act-body [data-act]");
  if (act) return { kind: "act", url: act.dataset.actUrl };
  const card = form.closest("#card");
  return card ? { kind: "card", key: card.dataset.key, url: form.getAttribute("action") } : null;
}

document.addEventListener("htmx:beforeOnLoad", (event) => {
  const to = event.detail.xhr.getResponseHeader("HX-Redirect");
  if (!to || !new URL(to, location.href).searchParams.has("expired")) return;
  const form = event.detail.requestConfig?.elt?.closest?.("form");
  const place = form && kept(form);
  if (!place) return;
  const held = { ...place, user: user(), at: Date.now(), path: location.pathname + location.search, sets: sets(form), pairs: pairs(form) };
  try { sessionStorage.setItem(KEY, JSON.stringify(held)); } catch { /* Private mode: the draft is lost with the page. */ }
});

function take() {
  try {
    const held = JSON.parse(sessionStorage.getItem(KEY) || "null");
    sessionStorage.removeItem(KEY);
    const here = location.pathname + location.search;
    return held && held.user === user() && held.path === here && Date.now() - held.at < LIFE ? held : null;
  } catch { return null; }
}

function fill(form, held) {
  for (const [name] of held.pairs) {
    const values = held.pairs.filter(([other]) => other === name).map(([, value]) => value);
    for (const field of form.elements) {
      if (field.name !== name || field.type === "hidden" || field.type === "submit") continue;
      if (field.type === "checkbox" || field.type === "radio") field.checked = values.includes(field.value);
      else if (field.multiple) for (const option of field.options) option.selected = values.includes(option.value);
      else field.value = values[0];
    }
  }
  for (let fold = form.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  form.querySelector("textarea, select, input:not([type=hidden]), button")?.focus();
}

/** Runs once the place `selector` stands in the page. */
function when(selector, then) {
  const found = document.querySelector(selector);
  if (found) { then(found); return; }
  const wait = () => {
    const late = document.querySelector(selector);
    if (!late) return;
    document.removeEventListener("htmx:afterSettle", wait);
    then(late);
  };
  document.addEventListener("htmx:afterSettle", wait);
}

function bulkAgain(held) {
  const now = document.getElementById("bulk-form");
  if (!now) return;
  const values = {};
  for (const [name, value] of held.pairs) values[name] = name in values ? [values[name], value].flat() : value;
  // The rows are those of the list as it is frozen now; the form says how many.
  for (const name of ["next", "total"]) values[name] = now.elements[name].value;
  window.htmx.ajax("POST", held.url, { source: now, target: "#bulk-body", swap: "innerHTML", values: { ...values, step: "" } });
  toast("info", "What you had filled in is here. The list was frozen anew when you came back; look at the number of rows.");
}

function actAgain(held) {
  const row = [...document.querySelectorAll("a[data-card]")].find((link) => held.url.startsWith(link.dataset.card))?.closest("tr");
  row?.classList.add("is-here");
  window.htmx.ajax("GET", held.url, { source: "#act-body", target: "#act-body", swap: "innerHTML" });
  when("#act-body form", () => {
    const form = [...document.querySelectorAll("#act-body form")].find((item) => sets(item) === held.sets);
    if (form) fill(form, held);
  });
}

function cardAgain(held) {
  when(`#card[data-key="${CSS.escape(held.key)}"]`, (card) => {
    const same = [...card.querySelectorAll("form")].filter((form) => form.getAttribute("action") === held.url && sets(form) === held.sets);
    const form = same.find((item) => item.closest("details.im-menu") === null) ?? same[0];
    if (form && held.sets) fill(form, held);
  });
}

const held = take();
if (held) ({ bulk: bulkAgain, act: actAgain, card: cardAgain })[held.kind]?.(held);
