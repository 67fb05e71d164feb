// The ATT&CK matrix by arrow keys: down and up in a tactic, right and left to the cell at the same height.

const matrix = () => document.querySelector("[data-matrix]");
const inside = (column) => [...column.querySelectorAll("a.im-cell")].filter((cell) => cell.offsetParent !== null);

function nearest(cells, cell) {
  const top = cell.getBoundingClientRect().top;
  const far = (other) => Math.abs(other.getBoundingClientRect().top - top);
  return cells.reduce((best, other) => (far(other) < far(best) ? other : best), cells[0]);
}

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("[data-matrix] a.im-cell");
  if (!cell || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const columns = [...matrix().children];
  const at = columns.indexOf(cell.closest(".im-tactic"));
  let to;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const cells = inside(columns[at]);
    to = cells[cells.indexOf(cell) + (event.key === "ArrowDown" ? 1 : -1)];
  } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    const step = event.key === "ArrowRight" ? 1 : -1;
    for (let next = at + step; next >= 0 && next < columns.length && !to; next += step) {
      const cells = inside(columns[next]);
      if (cells.length) to = nearest(cells, cell);
    }
  } else {
    return;
  }
  event.preventDefault();
  to?.focus();
});
