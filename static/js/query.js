// The query bar: colours over the text while it is typed, and suggestions. The field itself stays a plain input.

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

// Suggestions, as a combobox with a list: arrows choose, Enter or Tab takes, Escape closes.

const WAIT = 120; // milliseconds
let timer = 0;
let asked = null;
let answer = null;
let taken = null; // the text with a field that was taken, up to the cursor behind its colon

const list = () => document.getElementById("q-suggestions");
const chosen = () => list()?.querySelector('[aria-selected="true"]');

function close(input) {
  clearTimeout(timer);
  asked?.abort();
  list()?.remove();
  input?.setAttribute("aria-expanded", "false");
  input?.removeAttribute("aria-activedescendant");
}

function draw(input) {
  list()?.remove();
  if (answer.items.length === 0 || document.activeElement !== input) { close(input); return; }
  const box = document.createElement("ul");
  box.id = "q-suggestions";
  box.className = "im-suggest";
  box.setAttribute("role", "listbox");
  box.setAttribute("aria-label", "Suggestions");
  answer.items.forEach((item, number) => {
    const line = document.createElement("li");
    line.id = `q-suggestion-${number}`;
    line.setAttribute("role", "option");
    line.setAttribute("aria-selected", "false");
    line.dataset.number = number;
    line.append(item.label);
    const hint = document.createElement("span");
    hint.textContent = item.hint;
    line.append(hint);
    box.append(line);
  });
  input.closest(".im-search").append(box);
  input.setAttribute("aria-expanded", "true");
}

async function ask(input) {
  asked?.abort();
  asked = new AbortController();
  const url = `${input.dataset.suggest}?${new URLSearchParams({ q: input.value, cursor: input.selectionStart })}`;
  try {
    const response = await fetch(url, { signal: asked.signal, headers: { Accept: "application/json" } });
    if (!response.ok || response.redirected) { close(input); return; }
    answer = { ...(await response.json()), text: input.value, cursor: input.selectionStart };
    draw(input);
  } catch (error) {
    if (error.name !== "AbortError") close(input);
  }
}

function take(input, number) {
  const item = answer.items[number];
  const head = answer.text.slice(0, answer.start) + item.text;
  const tail = answer.text.slice(answer.cursor).replace(/^[^\s()]*/, "").replace(/^ /, item.text.endsWith(" ") ? "" : " ");
  input.value = head + tail;
  input.setSelectionRange(head.length, head.length);
  taken = head.endsWith(":") ? head : null;
  close(input);
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function move(input, step) {
  const lines = [...list().children];
  const at = lines.indexOf(chosen());
  chosen()?.setAttribute("aria-selected", "false");
  const next = lines[at < 0 ? (step > 0 ? 0 : lines.length - 1) : (at + step + lines.length) % lines.length];
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", next.id);
}

document.addEventListener("focusin", (event) => {
  const input = event.target;
  if (!input.matches?.("[data-suggest]")) return;
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", "q-suggestions");
  if (!list()) input.setAttribute("aria-expanded", "false");
});

document.addEventListener("input", (event) => {
  const input = event.target;
  if (!input.matches?.("[data-suggest]")) return;
  clearTimeout(timer);
  timer = setTimeout(() => ask(input), WAIT);
});

// Whoever types on as without suggestions types the colon that a taken field has brought along.
document.addEventListener("beforeinput", (event) => {
  const input = event.target;
  if (!input.matches?.("[data-suggest]")) return;
  const again = event.data === ":" && taken !== null && input.selectionStart === input.selectionEnd
    && input.value.slice(0, input.selectionStart) === taken;
  taken = null;
  if (again) event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  const input = event.target;
  if (!input.matches?.("[data-suggest]") || event.isComposing) return;
  if (!list()) {
    if (event.key === "ArrowDown") { event.preventDefault(); ask(input); }
    else if (event.key === "Enter") close(input);
    return;
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    move(input, event.key === "ArrowDown" ? 1 : -1);
  } else if ((event.key === "Enter" || event.key === "Tab") && chosen()) {
    event.preventDefault();
    take(input, Number(chosen().dataset.number));
  } else if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    close(input);
  } else if (event.key === "Enter") {
    close(input);
  }
});

// The focus stays in the field while the pointer takes one.
document.addEventListener("mousedown", (event) => {
  const line = event.target.closest?.(".im-suggest li");
  if (!line) return;
  event.preventDefault();
  take(line.closest(".im-search").querySelector("[data-suggest]"), Number(line.dataset.number));
});
document.addEventListener("focusout", (event) => { if (event.target.matches?.("[data-suggest]")) close(event.target); });
