// The list's address carries the key of its result set, and a tab that closes says so, so that its frozen state ends soon.

const view = () => document.getElementById("view");

/** A reload, a copied address and Back come to the same frozen rows. */
function adopt() {
  const url = view()?.dataset.url;
  if (!url || !view().dataset.rs) return;
  const here = new URL(location.href);
  if (here.searchParams.get("rs") === view().dataset.rs) return;
  const wanted = new URL(url, location.href);
  if (here.pathname === wanted.pathname) history.replaceState(history.state, "", wanted);
}

function leave() {
  const here = view();
  const key = new URL(location.href).searchParams.get("rs");
  if (!here?.dataset.leave || !key) return;
  const { "X-CSRFToken": token } = JSON.parse(document.body.getAttribute("hx-headers"));
  const body = new FormData();
  body.append("rs", key);
  body.append("csrfmiddlewaretoken", token);
  navigator.sendBeacon(here.dataset.leave, body);
}

addEventListener("pagehide", leave);
document.addEventListener("htmx:afterSettle", adopt);
adopt();

// A group opens below its row and closes again.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-members]");
  if (!link) return;
  const rows = document.querySelectorAll(`tr[data-of="${CSS.escape(link.dataset.members)}"]`);
  if (rows.length === 0) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  rows.forEach((row) => row.remove());
  link.setAttribute("aria-expanded", "false");
}, true);
document.addEventListener("htmx:afterRequest", (event) => {
  const link = event.detail.elt;
  if (link?.matches?.("a[data-members]") && event.detail.successful) link.setAttribute("aria-expanded", "true");
});
