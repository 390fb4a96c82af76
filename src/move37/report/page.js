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
  plot.textContent = `This figure could not be drawn here (${error}); its picture is in figures/${plot.dataset.stem}.png.`;
}

async function drawAll() {
  const plots = [...document.querySelectorAll(".plot")];
  await Promise.all(plots.map((plot) => draw(plot).catch((error) => explain(plot, error))));
  document.documentElement.dataset.drawn = String(plots.length);
}

// Paper cannot be clicked: what is folded is opened for printing.
const opened = [];
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
});
window.addEventListener("afterprint", () => {
  while (opened.length) opened.pop().open = false;
});

drawAll();
