// The problems: which are shown, in which order, and what each model made of them.
"use strict";

const List = (() => {
  const STEP = 150; // rows drawn at a time
  const KINDS = {
    gained: "shown to be gained", lost: "shown to be lost", flaky: "flaky: another outcome when run again",
    differ: "graders differ", unscored: "unscored", truncated: "truncated", unjudged: "not judged yet",
    labelled: "labelled by a reader",
  };
  const SORTS = {
    run: "as in the run", gap: "base ahead", behind: "base behind", least: "least right", most: "most right",
    varied: "most different responses", long: "longest responses",
  };
  let data, rows = [], shown = 0, hits = null;

  const value = (problem, source, name) => {
    const counts = data.counts[source][problem];
    return counts ? counts[data.columns.indexOf(name)] : 0;
  };
  const scored = (problem, source) => value(problem, source, "correct") + value(problem, source, "incorrect");
  const share = (problem, source) => scored(problem, source) ? value(problem, source, "correct") / scored(problem, source) : null;
  const solved = (problem, source) => value(problem, source, "correct") > 0;

  function groups(sources) {
    if (sources.length < 2) return { solved: p => solved(p, sources[0]), unsolved: p => !solved(p, sources[0]) };
    const [left, right] = sources;
    return {
      left: p => solved(p, left) && !solved(p, right), right: p => solved(p, right) && !solved(p, left),
      both: p => solved(p, left) && solved(p, right), neither: p => !solved(p, left) && !solved(p, right),
    };
  }

  function groupNames(sources) {
    if (sources.length < 2) return { all: "all", solved: "solved", unsolved: "unsolved" };
    const [left, right] = sources.map(each => App.nameOf(each));
    return { all: "all", left: `${left} only`, right: `${right} only`, both: "both", neither: "neither" };
  }

  function kindTest(kind, sources) {
    if (kind === "gained" || kind === "lost") {
      const side = kind === "gained" ? 0 : 1;
      const sets = sources.map(each => data.shown[App.fullName(each)]).filter(Boolean).map(both => new Set(both[side]));
      return p => sets.some(set => set.has(p));
    }
    if (kind === "unjudged") {
      return p => sources.some(s => value(p, s, "samples") > scored(p, s) + value(p, s, "unscored"));
    }
    return p => sources.some(s => value(p, s, kind) > 0);
  }

  // A cell of a report's heat map: "10-20,0" is above 10 and up to 20 % right by the first model, and 0 by the second.
  function cellTest(state) {
    const ranges = state.cell.split(",").map(each => each.split("-").map(Number));
    const within = (percent, [low, high]) => high === undefined ? Math.abs(percent - low) < 1e-9 : percent > low + 1e-9 && percent <= high + 1e-9;
    return p => ranges.every((range, i) => { const s = share(p, state.sources[i]); return s !== null && within(100 * s, range); });
  }

  function cellWords(state) {
    return state.cell.split(",").map((range, i) => `${App.nameOf(state.sources[i] ?? 0)} ${range.replace("-", "\u2013")} %`).join(", ");
  }

  function tests(state) {
    const sources = state.sources, found = [];
    if (state.kind) found.push(kindTest(state.kind, sources));
    if (state.tag) {
      const at = state.tag.indexOf("=");
      const [name, wanted] = [state.tag.slice(0, at), state.tag.slice(at + 1)];
      found.push(p => data.tags[p][name] === wanted);
    }
    if (state.from !== "" || state.to !== "") {
      const of = sources.includes(state.of) ? state.of : sources[0];
      const from = state.from === "" ? 0 : state.from / 100, to = state.to === "" ? 1 : state.to / 100;
      found.push(p => { const s = share(p, of); return s !== null && s >= from - 1e-12 && s <= to + 1e-12; });
    }
    if (state.cell) found.push(cellTest(state));
    if (hits) found.push(p => Object.hasOwn(hits, data.ids[p]));
    return found;
  }

  function order(state) {
    const [left, right = state.sources[0]] = state.sources;
    const keys = {
      gap: p => (share(p, right) ?? 0) - (share(p, left) ?? 0), behind: p => (share(p, left) ?? 0) - (share(p, right) ?? 0),
      least: p => state.sources.reduce((sum, s) => sum + (share(p, s) ?? 0), 0),
      most: p => -state.sources.reduce((sum, s) => sum + (share(p, s) ?? 0), 0),
      varied: p => -state.sources.reduce((sum, s) => sum + value(p, s, "texts"), 0),
      long: p => -Math.max(...state.sources.map(s => value(p, s, "tokens") ?? 0)),
    };
    const key = keys[state.sort];
    return key ? (a, b) => key(a) - key(b) || a - b : (a, b) => a - b;
  }

  function bar(problem, source, place) {
    const of = scored(problem, source), right = value(problem, source, "correct");
    const fill = make("span", { class: `fill series-${place % 6}` });
    fill.style.width = of ? `${100 * right / of}%` : "0";
    const found = hits && hits[data.ids[problem]]?.[source];
    return make("span", { class: "row" },
      make("span", { class: "who" }, App.nameOf(source)),
      make("span", { class: "bar", "aria-hidden": "true" }, fill),
      make("span", { class: "of" }, data.counts[source][problem] ? `${count(right)} of ${count(of)}` : "none"),
      found ? make("span", { class: "hits" }, `${count(found)} found`) : null);
  }

  function row(problem, state) {
    const id = data.ids[problem];
    return make("li", {}, make("a", {
      href: App.link({ problem: id, at: "" }), "data-problem": problem, "aria-current": id === state.problem ? "true" : null,
    }, Text.fill(make("span", { class: "question" }), data.questions[problem].length ? data.questions[problem] : [["t", id]]), ...state.sources.map((s, i) => bar(problem, s, i))));
  }

  function more() {
    const list = document.getElementById("list");
    list.querySelector(".more")?.remove();
    list.append(...rows.slice(shown, shown + STEP).map(problem => row(problem, App.state)));
    shown = Math.min(rows.length, shown + STEP);
    if (shown < rows.length) {
      const button = make("button", { type: "button", onclick: more }, `${count(rows.length - shown)} more`);
      const last = make("li", { class: "more" }, button);
      list.append(last);
      reach.observe(last);
    }
  }
  const reach = new IntersectionObserver(entries => {
    if (entries.some(each => each.isIntersecting && each.target.isConnected)) more();
  }, { rootMargin: "300px" });

  function pills(state, passed) {
    const names = groupNames(state.sources), by = groups(state.sources);
    document.getElementById("pills").replaceChildren(...Object.entries(names).map(([group, name], i) => make("button", {
      type: "button", "aria-pressed": String(state.group === group || (group === "all" && !by[state.group])),
      "data-key": i + 1, onclick: () => App.go({ group, at: "" }),
    }, `${name} ${count(group === "all" ? passed.length : passed.filter(by[group]).length)}`)));
    if (state.cell) {
      const all = { type: "button", "aria-pressed": "true", title: "show all problems again", onclick: () => App.go({ cell: "" }) };
      document.getElementById("pills").append(make("button", all, `right: ${cellWords(state)} \u00d7`));
    }
  }

  function choice(label, name, options, chosen) {
    const select = make("select", { onchange: event => App.go({ [name]: event.target.value }) },
      ...Object.entries(options).map(([key, text]) => make("option", { value: key, selected: key === chosen }, text)));
    return make("label", {}, label, select);
  }

  function limit(name, label, state) {
    return make("input", {
      type: "number", min: 0, max: 100, step: 1, value: state[name], "aria-label": label,
      onchange: event => App.go({ [name]: event.target.value }),
    });
  }

  function filters(state) {
    const tags = {};
    for (const each of data.tags) for (const [name, text] of Object.entries(each)) tags[`${name}=${text}`] = `${name}: ${text}`.slice(0, 80);
    const known = Object.fromEntries(Object.keys(tags).sort().slice(0, 500).map(key => [key, tags[key]]));
    const names = Object.fromEntries(state.sources.map(each => [each, App.nameOf(each)]));
    const models = make("fieldset", {}, make("legend", {}, "Models side by side"), ...data.sources.map(source => make("label", {},
      make("input", {
        type: "checkbox", checked: state.sources.includes(source.number),
        onchange: event => App.toggle(source.number, event.target.checked),
      }), App.fullName(source.number))));
    document.getElementById("filters").replaceChildren(
      choice("Sort ", "sort", SORTS, state.sort),
      choice("With samples that are ", "kind", { "": "of any kind", ...KINDS }, state.kind),
      Object.keys(known).length ? choice("Tag ", "tag", { "": "any", ...known }, state.tag) : "",
      make("span", { class: "range" }, "Right, % ", limit("from", "at least right, per cent", state), " to ",
        limit("to", "at most right, per cent", state), " of ", choice("", "of", names, String(state.of))),
      data.sources.length > 1 ? models : "");
    for (const select of document.querySelectorAll("#filters .range select")) select.setAttribute("aria-label", "of which model");
  }

  return {
    take(found) { data = found; },
    hits(found) { hits = found; },
    draw(state) {
      const passing = tests(state), by = groups(state.sources)[state.group];
      const here = data.ids.map((_, p) => p).filter(p => state.sources.some(source => data.counts[source][p]));
      const passed = here.filter(p => passing.every(test => test(p)));
      rows = (by ? passed.filter(by) : passed).sort(order(state));
      pills(state, passed);
      filters(state);
      const found = rows.length === here.length ? times(rows.length, "problem", "problems")
        : `${count(rows.length)} of ${times(here.length, "problem", "problems")}`;
      document.getElementById("found").textContent = found;
      document.getElementById("list").replaceChildren();
      shown = 0;
      more();
    },
    mark(state) {
      for (const link of document.querySelectorAll("#list a")) {
        const is = data.ids[link.dataset.problem] === state.problem;
        if (is) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
        if (is) link.scrollIntoView({ block: "nearest" });
      }
    },
    // The problem `by` places after the one that is shown.
    beside(id, by) {
      const at = rows.findIndex(problem => data.ids[problem] === id);
      const next = rows[at < 0 ? 0 : at + by];
      while (next !== undefined && rows.indexOf(next) >= shown && shown < rows.length) more();
      return next === undefined ? null : data.ids[next];
    },
    first: () => rows.length ? data.ids[rows[0]] : null,
    numbers: (id, source) => {
      const problem = data.ids.indexOf(id);
      return { right: value(problem, source, "correct"), of: scored(problem, source) };
    },
    groupOf(id, sources) {
      const names = groupNames(sources), problem = data.ids.indexOf(id);
      const found = Object.entries(groups(sources)).find(([, is]) => is(problem));
      return found ? names[found[0]] : "";
    },
  };
})();
