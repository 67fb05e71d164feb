// Short messages at the corner, read out by a screen reader; a write by key offers its undo here.

const LIFE = 6000; // milliseconds
const ICONS = { ok: "check", bad: "alert", warn: "alert", info: "info" };

/** The address of an icon in the sprite, taken from one that stands in the page. */
export function iconUrl(name) {
  const use = document.querySelector("svg.im-icon use");
  return `${use ? use.getAttribute("href").split("#")[0] : ""}#${name}`;
}

/** An icon as an element. */
export function icon(name, size = 16) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "im-icon");
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", iconUrl(name));
  svg.append(use);
  return svg;
}

/** Sends an action; where the card that it is about is open, the card is its place, else the row. */
function send({ url, key = "", values = {} }) {
  const card = document.getElementById("card");
  const open = card && card.dataset.key === key;
  const where = open ? (card.closest("#flyout") ? "flyout" : "page") : "";
  const place = open ? "#card" : document.getElementById("act-body") ? "#act-body" : "#toasts";
  const swap = open ? "outerHTML" : place === "#toasts" ? "none" : "innerHTML";
  window.htmx.ajax("POST", url, { source: place, target: place, swap, values: { ...values, where } });
}

/** Shows a message; `action` is `{label, url, key, values}` and is sent as a POST. */
export function toast(kind, text, action) {
  const region = document.getElementById("toasts");
  const box = document.createElement("div");
  box.className = `im-toast is-${kind in ICONS ? kind : "info"}`;
  const body = document.createElement("div");
  const line = document.createElement("p");
  line.textContent = text;
  body.append(line);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "im-btn im-btn-link";
    button.textContent = action.label;
    button.dataset.undo = "";
    button.addEventListener("click", () => {
      // The form of the next row makes room for the one that comes back; what was typed in it stays as its draft.
      document.querySelector("dialog#act[open]")?.close();
      send(action);
      box.remove();
    });
    body.append(button);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "im-toast-close";
  close.dataset.closeToast = "";
  close.setAttribute("aria-label", "Close");
  close.append(icon("cross", 12));
  box.append(icon(ICONS[kind] ?? "info"), body, close);
  region.append(box);
  keepInReach();
  settle(box, action ? LIFE * 2 : LIFE);
}

/** What is outside a dialog can be neither seen well nor pressed while it is open, so messages go where one is. */
function keepInReach() {
  const region = document.getElementById("toasts");
  const place = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  if (region && region.parentElement !== place) place.append(region);
}

/** Says something to screen readers alone. */
export function announce(text) {
  const live = document.getElementById("live");
  live.textContent = "";
  setTimeout(() => { live.textContent = text; }, 50);
}

function settle(box, life = LIFE) {
  // Errors stay until somebody closes them; a pointer or focus holds the others.
  if (box.dataset.settled || box.classList.contains("is-bad")) return;
  box.dataset.settled = "1";
  const leave = () => {
    if (box.matches(":hover, :focus-within")) setTimeout(leave, 1500);
    else box.remove();
  };
  setTimeout(leave, life);
}

document.addEventListener("click", (event) => {
  event.target.closest?.("[data-close-toast]")?.closest(".im-toast").remove();
});

document.addEventListener("im:toast", (event) => {
  const { kind, text, action } = event.detail;
  toast(kind, text, action);
});

// An answer that is none of ours (a proxy's error page) must not land in the middle of the page.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status >= 400 && !xhr.getResponseHeader("HX-Reswap")) {
    event.detail.shouldSwap = false;
    toast("bad", `The server answered ${xhr.status}. Nothing was changed on this page; try again.`);
  }
});

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => {
    toast("bad", "The server cannot be reached. What you typed is still here; try again.");
  });
}

const region = document.getElementById("toasts");
if (region) {
  const settleAll = () => region.querySelectorAll(".im-toast").forEach((box) => settle(box));
  new MutationObserver(() => { settleAll(); keepInReach(); }).observe(region, { childList: true });
  settleAll();
  // Neither event bubbles.
  for (const name of ["toggle", "close"]) {
    document.addEventListener(name, (event) => { if (event.target.matches?.("dialog")) keepInReach(); }, true);
  }
}
