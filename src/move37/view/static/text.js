// Pieces of a text (pieces.py) as elements. Maths is drawn when it comes into view.
"use strict";

const Text = (() => {
  const drawing = new IntersectionObserver(entries => {
    for (const entry of entries.filter(each => each.isIntersecting)) {
      drawing.unobserve(entry.target);
      entry.target.querySelectorAll(".maths:not(.drawn)").forEach(draw);
    }
  }, { rootMargin: "400px" });

  function draw(place) {
    place.classList.add("drawn");
    const source = place.textContent;
    try {
      const drawn = document.createElement("span");
      katex.render(source, drawn, {
        displayMode: place.classList.contains("block"),
        throwOnError: true, strict: "ignore", trust: false, maxExpand: 500, maxSize: 20,
      });
      place.replaceChildren(drawn);
      place.title = source;
    } catch {
      place.classList.add("broken"); // shown as it was written
    }
  }

  function piece([kind, ...rest]) {
    if (kind === "t") return rest[0];
    if (kind === "a") return make("mark", { title: "the answer that was judged" }, rest[0]);
    if (kind === "gap") return make("span", { class: "gap" }, ` [${count(rest[0])} characters] `);
    if (kind === "m") {
      const place = make("span", { class: rest[1] ? "maths block" : "maths" }, rest[0]);
      return rest[2] ? make("mark", { title: "the answer that was judged" }, place) : place;
    }
    const code = rest[1].map(([name, text]) => name ? make("span", { class: name }, text) : text);
    return make("pre", { class: "code", tabindex: "0" }, make("code", {}, ...code));
  }

  return {
    fill(element, pieces, keep = false) {
      const made = pieces.map(piece);
      if (keep) element.append(...made); else element.replaceChildren(...made);
      drawing.observe(element);
      return element;
    },
    // Tokens with the darker ground the less likely they were.
    shade(element, tokens) {
      element.replaceChildren(...tokens.map(([text, logprob]) => {
        const token = make("span", { class: "token", title: `log p ${signed(logprob, 2)}` }, text);
        token.style.setProperty("--unlikely", Math.min(1, -logprob / 6).toFixed(2));
        return token;
      }));
    },
  };
})();
