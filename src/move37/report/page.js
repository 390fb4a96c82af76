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
  await window.vegaEmbed(plot, spec, options);
}

function explain(plot, error) {
  console.error(plot.dataset.stem, error);
  plot.removeAttribute("role");
  plot.textContent = `This figure could not be drawn here (${error}); the link below has its picture.`;
}

// A figure in a fold has no width before the fold is opened: it is drawn then.
async function drawShown() {
  const shown = [...document.querySelectorAll(".plot:not([data-begun])")].filter((plot) => plot.offsetParent !== null);
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

document.addEventListener("click", handOut);
document.addEventListener("toggle", drawShown, true);
window.addEventListener("hashchange", openTarget);
openTarget();
drawShown();
