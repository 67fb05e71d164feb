// The query bar: colours over the text while it is typed, `/` to get there. The field itself stays a plain input.

const WORDS = /("(?:[^"\\]|\\.)*"?)|\b(and|or|not)\b|([A-Za-z_@][\w.@-]*)(?=\s*(?::|[<>]=?))/gi;

function paint(input) {
  const box = input.closest(".im-search");
  const layer = box?.querySelector(".im-hl");
  if (!layer) return;
  const text = input.value;
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(WORDS)) {
    if (match.index > at) parts.push(document.createTextNode(text.slice(at, match.index)));
    if (match[1]) {
      parts.push(document.createTextNode(match[1]));
    } else {
      const element = document.createElement(match[2] ? "i" : "b");
      element.textContent = match[0];
      parts.push(element);
    }
    at = match.index + match[0].length;
  }
  parts.push(document.createTextNode(text.slice(at)));
  layer.replaceChildren(...parts);
  layer.scrollLeft = input.scrollLeft;
  box.classList.add("is-painted");
}

document.addEventListener("input", (event) => { if (event.target.matches("[data-query]")) paint(event.target); });
document.addEventListener("scroll", (event) => {
  if (event.target.matches?.("[data-query]")) event.target.closest(".im-search").querySelector(".im-hl").scrollLeft = event.target.scrollLeft;
}, true);

const start = () => document.querySelectorAll("[data-query]").forEach(paint);
document.addEventListener("htmx:afterSettle", start);
start();

// A choice that has only one field sends its form at once; the button beside it serves those without a script.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
});

// Numbers of new rows: asked for at an interval, never moving the rows.
let timer = 0;
function watch() {
  clearInterval(timer);
  const target = document.querySelector("[data-watch]");
  const seconds = Number(target?.dataset.every || 0);
  if (!target || !seconds) return;
  timer = setInterval(() => {
    if (document.hidden) return;
    const current = document.querySelector("[data-watch]");
    if (current) window.htmx.ajax("GET", current.dataset.watch, { target: "#news", swap: "innerHTML" });
  }, seconds * 1000);
}
document.addEventListener("htmx:afterSettle", (event) => { if (event.target.id !== "news") watch(); });
watch();
