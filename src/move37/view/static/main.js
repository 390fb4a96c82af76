// The page as a whole: its state is its address, and every part of it can be reached by key.
"use strict";

const App = (() => {
  // By state: its name in the address and what it is where the address does not say.
  const PARTS = {
    problem: ["p", ""], at: ["s", ""], group: ["f", "all"], kind: ["k", ""], tag: ["t", ""], from: ["lo", ""], to: ["hi", ""], cell: ["c", ""],
    of: ["of", ""], sort: ["sort", "run"], text: ["q", ""], fold: ["fold", "text"], order: ["o", "outcome"], outcome: ["out", ""],
    answer: ["a", ""], models: ["m", ""], onlyFound: ["qf", ""], blind: ["blind", ""],
  };
  const KEYS = [
    ["j k", "next and previous response"], ["h l", "to the model at the left, at the right"], ["n p", "next and previous problem"],
    ["1 to 5", "all, one alone, the other alone, both, neither"], ["/", "search"], ["o or Enter", "the whole response"],
    ["t", "shade tokens by their probability"], ["a", "fold equal answers, or equal responses"],
    ["v i u", "the chain is valid, invalid, unsure"], ["c", "a note"], ["z", "take a label back"],
    ["b", "audit blind"], ["Backspace", "in the audit: the sample before"], ["?", "this help"], ["Esc", "close; back to the list"],
  ];
  let overview = null, state = null, names = [], wide = matchMedia("(min-width: 820px)");

  function read() {
    const found = new URLSearchParams(location.hash.slice(1));
    const next = Object.fromEntries(Object.entries(PARTS).map(([name, [short, absent]]) => [name, found.get(short) ?? absent]));
    // By number, or by name, as a report links here.
    const numberOf = each => overview.sources.findIndex(source => source.model === each || String(source.number) === each);
    const chosen = next.models.split(",").map(numberOf).filter(each => each >= 0);
    next.sources = chosen.length ? chosen : overview.sources.slice(0, 2).map(each => each.number);
    next.of = next.of === "" ? next.sources[0] : Number(next.of);
    next.onlyFound = next.onlyFound === "1";
    return next;
  }

  function written(changes) {
    const next = { ...state, ...changes }, found = new URLSearchParams();
    for (const [name, [short, absent]] of Object.entries(PARTS)) {
      const value = name === "onlyFound" ? (next[name] ? "1" : "") : String(next[name]);
      if (value !== absent && !(name === "of" && Number(value) === next.sources[0])) found.set(short, value);
    }
    return `#${found}`;
  }

  const shortNames = () => {
    const models = overview.sources.map(each => each.model);
    const unique = new Set(models).size === models.length;
    return overview.sources.map(each => unique ? each.model : `${each.run} ${each.model}`);
  };

  async function search(text) {
    if (!text) { List.hits(null); return; }
    List.hits((await Data.ask("search", { text })).found);
  }

  const LISTED = ["group", "kind", "tag", "from", "to", "cell", "of", "sort", "text", "models"];
  const SHOWN = ["problem", "models", "fold", "order", "outcome", "answer", "onlyFound"];
  const differs = (old, names) => !old || names.some(name => String(old[name]) !== String(state[name]));

  async function draw(fresh = false) {
    const old = fresh ? null : state;
    state = read();
    document.getElementById("search").value = state.text;
    document.body.classList.toggle("one", state.problem !== "" || state.blind !== "");
    document.body.classList.toggle("blind", state.blind !== "");
    try {
      if (differs(old, ["text"])) await search(state.text);
      if (differs(old, LISTED)) List.draw(state);
      if (state.blind) { if (differs(old, ["blind"])) await Labels.openAudit(state.blind); return; }
      if (!state.problem && wide.matches && List.first()) { location.replace(written({ problem: List.first() })); return; }
      if (state.problem && (differs(old, SHOWN) || old.blind)) await Problem.show(state.problem);
      else if (state.at && differs(old, ["at"])) await Problem.seek();
      List.mark(state);
    } catch (error) {
      status(error.message);
    } finally {
      document.documentElement.dataset.drawn = location.hash;
    }
  }

  function status(text) {
    const place = document.getElementById("status");
    place.textContent = text;
    clearTimeout(status.timer);
    status.timer = setTimeout(() => { place.textContent = ""; }, 8000);
  }

  function help() {
    const dialog = document.getElementById("help");
    dialog.replaceChildren(make("h2", { id: "help-title" }, "Keys"),
      make("dl", {}, ...KEYS.flatMap(([keys, what]) => [make("dt", {}, ...keys.split(" ").map(key => ["or", "to"].includes(key) ? ` ${key} ` : make("kbd", {}, key))), make("dd", {}, what)])),
      Data.isCopy ? "" : make("p", {}, make("label", {}, "You label as ", make("input", {
        value: App.reader, maxlength: 40, pattern: "[A-Za-z0-9][A-Za-z0-9_.\\-]*", onchange: event => { if (event.target.validity.valid && event.target.value) { App.reader = event.target.value; draw(true); } },
      }))),
      make("p", { class: "quiet" }, "Counts are of all samples that lie in the run; the report says what they mean."),
      make("form", { method: "dialog" }, make("button", {}, "Close")));
    dialog.showModal();
  }

  const go = changes => { location.hash = written(changes); };

  function toProblem(by) {
    const next = List.beside(state.problem, by);
    if (next) go({ problem: next, at: "" });
  }

  const pill = number => document.querySelector(`#pills [data-key="${number}"]`)?.click();
  const ACTIONS = {
    j: () => Problem.step(1), k: () => Problem.step(-1), ArrowDown: () => Problem.step(1), ArrowUp: () => Problem.step(-1),
    h: () => Problem.side(-1), l: () => Problem.side(1), ArrowLeft: () => Problem.side(-1), ArrowRight: () => Problem.side(1),
    n: () => toProblem(1), p: () => toProblem(-1), "/": () => document.getElementById("search").focus(),
    o: () => whole(), Enter: () => whole(), t: () => Problem.selected() && Problem.tokens(Problem.selected()),
    a: () => go({ fold: state.fold === "answer" ? "text" : "answer" }), c: () => Labels.note(document.querySelector("article[aria-current]")),
    v: () => Labels.say("valid"), i: () => Labels.say("invalid"), u: () => Labels.say("unsure"), z: () => Labels.say("withdrawn"),
    b: () => go({ blind: state.blind ? "" : overview.runs[0] }), "?": help, Escape: () => go({ problem: "", at: "", blind: "" }),
  };
  const IN_AUDIT = ["c", "v", "i", "u", "b", "?", "Escape"];
  const READING = ["c", "v", "i", "u", "z", "b", "t"];

  function whole() {
    const element = Problem.selected();
    if (element?.querySelector("button.whole")) Problem.whole(element);
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Enter" && event.target.matches("a, button, summary")) return;
    if (state.blind && event.key === "Backspace") { event.preventDefault(); Labels.previous(); return; }
    if (/^[1-5]$/.test(event.key) && !state.blind) { pill(event.key); return; }
    const action = ACTIONS[event.key];
    if (!action || (state.blind && !IN_AUDIT.includes(event.key)) || (Data.isCopy && READING.includes(event.key))) return;
    event.preventDefault();
    action();
  }

  async function poll() {
    try {
      const { version } = await Data.ask("version");
      if (version !== overview.version) await take(await Data.ask("overview"), true);
    } catch { status("The server does not answer; it was stopped, or is busy."); }
    setTimeout(poll, 3000);
  }

  async function take(found, again = false) {
    const reader = App.reader;
    overview = found;
    Data.forget();
    Data.remember(found);
    List.take(found);
    names = shortNames();
    App.reader = again ? reader : found.reader ?? "";
    document.title = `Samples of ${found.title}`;
    document.getElementById("title").textContent = `Samples · ${found.title}`;
    if (again) {
      const top = document.getElementById("list-pane").scrollTop;
      await search(state.text);
      List.draw(state);
      List.mark(state);
      document.getElementById("list-pane").scrollTop = top;
      status("The run has gone on; the numbers are new.");
    }
  }

  async function start() {
    try {
      await take(await Data.ask("overview"));
    } catch (error) { document.getElementById("main").textContent = error.message; return; }
    document.getElementById("blind").hidden = Data.isCopy;
    if (Data.isCopy) document.getElementById("search").placeholder = "Search questions, and responses in this copy";
    document.getElementById("blind").addEventListener("click", () => ACTIONS.b());
    document.getElementById("help-button").addEventListener("click", help);
    let typing;
    document.getElementById("search").addEventListener("input", event => {
      clearTimeout(typing);
      typing = setTimeout(() => go({ text: event.target.value.trim(), at: "" }), 200);
    });
    addEventListener("keydown", pressed);
    addEventListener("hashchange", () => draw());
    wide.addEventListener("change", () => draw());
    await draw();
    if (!Data.isCopy) setTimeout(poll, 3000);
  }

  addEventListener("DOMContentLoaded", start);
  return {
    reader: "", get state() { return state; }, go, status,
    link: written,
    nameOf: source => names[source],
    fullName: source => `${overview.sources[source].run}/${overview.sources[source].model}`,
    remember(changes) { history.replaceState(null, "", written(changes)); Object.assign(state, changes); },
    toggle(source, on) {
      const chosen = overview.sources.map(each => each.number).filter(each => each === source ? on : state.sources.includes(each));
      if (chosen.length) go({ models: chosen.join(","), at: "" }); else draw(true);
    },
  };
})();
