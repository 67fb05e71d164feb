// Makes one small theme file out of OUI's two (v9 light and dark).
//
// OUI ships 720 KB for every component in each theme. A page without React uses a fifth of them, and a person who
// switches between light and dark should not wait for the other file. So: keep the rules of the components named
// below, and where the two themes differ put a custom property whose value follows `data-theme` on the root.
//
// Usage: node oui.js light.css dark.css out.css
import fs from "node:fs";
import postcss from "postcss";

const COMPONENTS = [
  "Badge", "BadgeGroup", "Button", "ButtonContent", "ButtonEmpty", "ButtonIcon", "CallOut", "CallOutHeader", "Checkbox",
  "ContextMenu", "ContextMenuItem", "ContextMenuPanel", "ContextMenuPanelTitle", "DescriptionList", "EmptyPrompt",
  "FieldNumber", "FieldPassword", "FieldSearch", "FieldText", "FormControlLayout", "FormErrorText", "FormHelpText",
  "FormLabel", "FormRow", "HorizontalRule", "Link", "LoadingSpinner", "Modal", "ModalHeader", "ModalBody",
  "ModalFooter", "Pagination", "PaginationButton", "Panel", "Progress", "Radio", "Select", "Spacer", "Tab", "Tabs",
  "Table", "TableRow", "TableRowCell", "TableHeaderCell", "TableCellContent", "Text", "TextArea", "TextColor", "Title",
  "Toast", "ToastHeader", "GlobalToastList", "ScreenReaderOnly",
];
const WANTED = new Set(COMPONENTS);

/** A selector stays when it is of a wanted component alone, or of no component at all (the reset). */
function keeps(selector) {
  const classes = selector.match(/\.[A-Za-z_][\w-]*/g);
  if (!classes) return true;
  return classes.every((name) => {
    const match = name.match(/^\.oui([A-Z][A-Za-z]*)/);
    return match ? WANTED.has(match[1]) : false;
  });
}

function reduce(css) {
  const root = postcss.parse(css);
  root.walkComments((comment) => comment.remove());
  root.walkAtRules("charset", (rule) => rule.remove());
  // The themes name the fonts; the files themselves come from this project's own stylesheet.
  root.walkAtRules("font-face", (rule) => rule.remove());
  root.walkRules((rule) => {
    if (rule.parent.type === "atrule" && /keyframes$/.test(rule.parent.name)) return;
    const kept = rule.selectors.filter(keeps);
    if (kept.length === 0) rule.remove();
    else rule.selectors = kept;
  });
  let removed = true;
  while (removed) {
    removed = false;
    root.walkAtRules((rule) => {
      if (rule.nodes && rule.nodes.length === 0) { rule.remove(); removed = true; }
    });
  }
  const used = new Set();
  root.walkDecls(/^animation(-name)?$/, (decl) => decl.value.split(/[\s,]+/).forEach((word) => used.add(word)));
  root.walkAtRules(/keyframes$/, (rule) => { if (!used.has(rule.params)) rule.remove(); });
  return root;
}

/** Every declaration under a key that is the same in both themes. */
function index(root) {
  const seen = new Map();
  const found = new Map();
  root.walkDecls((decl) => {
    const path = [];
    for (let node = decl.parent; node && node.type !== "root"; node = node.parent) {
      path.push(node.type === "atrule" ? `@${node.name} ${node.params}` : node.selector);
    }
    const base = `${path.join("|")}|${decl.prop}`;
    const nth = (seen.get(base) ?? 0) + 1;
    seen.set(base, nth);
    found.set(`${base}|${nth}`, decl);
  });
  return found;
}

const [lightFile, darkFile, outFile] = process.argv.slice(2);
const light = reduce(fs.readFileSync(lightFile, "utf8"));
const dark = index(reduce(fs.readFileSync(darkFile, "utf8")));
const names = new Map();
let unmatched = 0;
for (const [key, decl] of index(light)) {
  const other = dark.get(key);
  if (!other) { unmatched += 1; continue; }
  if (other.value === decl.value) continue;
  const pair = `${decl.value}\u0000${other.value}`;
  if (!names.has(pair)) names.set(pair, `--oui-${names.size.toString(36)}`);
  decl.value = `var(${names.get(pair)})`;
}
const block = (which) => [...names].map(([pair, name]) => `${name}:${pair.split("\u0000")[which]}`).join(";");
const css = [
  `:root{${block(0)}}`,
  `[data-theme=dark]{${block(1)}}`,
  `@media (prefers-color-scheme:dark){[data-theme=system]{${block(1)}}}`,
  light.toString(),
].join("\n");
fs.writeFileSync(outFile, css + "\n");
console.log(`${names.size} values differ between the themes, ${unmatched} declarations stand in the light theme alone`);
