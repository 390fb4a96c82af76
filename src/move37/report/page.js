// Draws every figure from the specification beside it. No request is made and no code is compiled (ast: true).
"use strict";

const options = {
  mode: "vega-lite",
  renderer: "svg",
  actions: false,
  ast: true,
  defaultStyle: false,
  tooltip: { disableDefaultStyle: true },
};

async function draw(plot) {
  const spec = JSON.parse(document.getElementById(plot.dataset.spec).textContent);
  const { view } = await window.vegaEmbed(plot, spec, options);
  if (plot.dataset.cells) linkCells(plot, view);
}

// A cell of the heat map leads to its problems in the copy of the samples beside this page.
function linkCells(plot, view) {
  plot.style.cursor = "pointer";
  view.addEventListener("click", (event, item) => {
    const { b, r } = item?.datum ?? {};
    if (b && r) location.href = `${plot.dataset.cells}${b},${r}`.replaceAll("–", "-");
  });
}

function explain(plot, error) {
  console.error(plot.dataset.stem, error);
  plot.removeAttribute("role");
  plot.textContent = `This figure could not be drawn here (${error}); the link below has its picture.`;
}

// A figure in a fold has no width before the fold is opened: it is drawn then.
async function drawShown() {
  const isShown = (plot) => plot.checkVisibility?.() ?? plot.offsetParent !== null;
  const shown = [...document.querySelectorAll(".plot:not([data-begun])")].filter(isShown);
  for (const plot of shown) plot.dataset.begun = "";
  await Promise.all(shown.map((plot) => draw(plot).catch((error) => explain(plot, error))));
  const drawn = document.querySelectorAll(".plot[data-begun]").length;
  document.documentElement.dataset.drawn = String(drawn);
}

// A link to a place in a fold opens it.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target || null; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
}

// A file is held once: every other link to it hands it out through that one.
function handOut(event) {
  const link = event.target.closest?.("a[data-file]");
  const held = link && document.getElementById(`file-${link.dataset.file}`);
  if (!held) return;
  event.preventDefault();
  held.click();
}

// A column's heading sorts its table, and the drawings that belong to the rows; again: the other way round.
function sortBy(event) {
  const heading = event.target.closest?.("table.sortable thead button")?.parentElement;
  if (!heading) return;
  const table = heading.closest("table");
  const at = heading.cellIndex;
  const down = heading.ariaSort !== "descending" && (at > 0 || heading.ariaSort === "ascending");
  for (const other of table.tHead.rows[0].cells) other.ariaSort = "none";
  heading.ariaSort = down ? "descending" : "ascending";
  const key = (row) => (at === 0 ? row.cells[0].textContent.trim() : Number(row.cells[at].dataset.sort ?? "NaN"));
  const compare = (a, b) => {
    const [first, second] = [key(a), key(b)];
    if (at === 0) return first.localeCompare(second, undefined, { numeric: true });
    return Number.isNaN(first) - Number.isNaN(second) || first - second;
  };
  const rows = [...table.tBodies[0].rows].sort(compare);
  if (down) rows.reverse();
  table.tBodies[0].append(...rows);
  const panels = new Map([...document.querySelectorAll(".panel")].map((panel) => [panel.dataset.row, panel]));
  for (const row of rows) panels.get(row.dataset.row)?.parentElement.append(panels.get(row.dataset.row));
}

document.addEventListener("click", handOut);
document.addEventListener("click", sortBy);
document.addEventListener("toggle", drawShown, true);
window.addEventListener("hashchange", openTarget);
openTarget();
drawShown();
