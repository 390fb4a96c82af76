// Where the page's data comes from: the server that served it, or the files of a copy beside it.
"use strict";

const Data = (() => {
  const isCopy = document.querySelector("meta[name=move37-copy]") !== null;
  const waiting = new Map();

  // A file of a copy calls this with what it holds: scripts may be loaded from disk, JSON may not.
  window.move37Data = (name, value) => {
    const asked = waiting.get(name);
    if (asked) asked(value);
  };

  function fromFile(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const done = act => value => { waiting.delete(name); script.remove(); act(value); };
      waiting.set(name, done(resolve));
      script.onerror = done(() => reject(new Error(`${name} is not in this copy`)));
      script.src = `data/${name}.js`;
      document.head.append(script);
    });
  }

  async function answer(request) {
    const response = await request;
    const found = await response.json().catch(() => ({ error: `the server answered with ${response.status}` }));
    if (found.error) throw new Error(found.error);
    return found;
  }

  const kept = new Map();

  function fromCopy(name, asked) {
    if (name === "overview") return fromFile("overview");
    if (name === "search") return searched(asked.text);
    if (!kept.has(asked.id)) kept.set(asked.id, fromFile(`problem-${overview.ids.indexOf(asked.id)}`));
    return kept.get(asked.id).then(found => name === "problem" ? found.problem : found.responses[asked.source]);
  }

  const words = pieces => pieces.map(piece => piece[0] === "c" ? piece[2].map(part => part[1]).join("") : piece[0] === "gap" ? "\n" : piece[1]).join("");

  // A copy is searched here: its files are read once, and of a response what is in the copy.
  async function searched(text) {
    const folded = text.toLowerCase(), found = {};
    const has = pieces => words(pieces).toLowerCase().includes(folded);
    await Promise.all(overview.ids.map(async (id, i) => {
      const known = await fromCopy("responses", { id, source: 0 }).then(() => kept.get(id), () => null);
      const counts = (known?.responses ?? []).map(each => each.responses.filter(response => has(response.pieces)).reduce((sum, response) => sum + response.count, 0));
      if (counts.some(Boolean) || `${id} ${words(overview.questions[i])}`.toLowerCase().includes(folded)) found[id] = counts;
    }));
    return { found };
  }

  const ahead = new Map(); // what is likely to be asked for next, by what would be asked
  let overview = { ids: [] };
  return {
    isCopy,
    forget() { ahead.clear(); },
    prepare(name, asked) {
      const key = JSON.stringify([name, asked]);
      if (isCopy || ahead.has(key)) return;
      ahead.set(key, this.ask(name, asked));
      ahead.get(key).catch(() => ahead.delete(key));
    },
    remember(found) { overview = found; },
    ask(name, asked = {}) {
      if (isCopy) return fromCopy(name, asked);
      const key = JSON.stringify([name, asked]), prepared = ahead.get(key);
      ahead.delete(key);
      if (prepared) return prepared;
      return answer(fetch(`api/${name}?${new URLSearchParams(asked)}`, { cache: "no-store" }));
    },
    tell(name, body) {
      const headers = { "Content-Type": "application/json" };
      return answer(fetch(`api/${name}`, { method: "POST", headers, body: JSON.stringify(body) }));
    },
  };
})();

// An element with attributes and children; text is always text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

const count = number => number.toLocaleString("en");
const signed = (number, digits) => number.toFixed(digits).replace("-", "\u2212");
const times = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
