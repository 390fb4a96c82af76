// One problem: what was asked, and what each model wrote, side by side.
"use strict";

const Problem = (() => {
  const STEP = 20; // responses of a model that are asked for at a time
  const OUTCOMES = ["correct", "incorrect", "unscored", "unjudged", "truncated"];
  let current = null; // { id, columns: [{ source, element, found }] }

  const asked = (id, source, offset) => {
    const { fold, order, outcome, answer, text } = App.state;
    const every = { id, source, fold, order, offset, limit: STEP };
    if (outcome) every.outcome = outcome;
    if (answer) every.answer = answer;
    if (App.state.onlyFound && text) every.text = text;
    return every;
  };

  function head(problem) {
    const facts = [problem.id, App.state.sources.length > 1 ? List.groupOf(problem.id, App.state.sources) : "",
      ...Object.entries(problem.tags).map(([name, value]) => `${name} ${value}`)].filter(Boolean).join(" · ");
    const question = Text.fill(make("div", { class: "asked text" }), problem.question);
    const reference = problem.references.length
      ? make("p", { class: "quiet reference" }, "Reference: ", ...problem.references.flatMap((each, i) => [i ? " or " : "", make("b", {}, each)]))
      : null;
    return make("div", { class: "head" },
      make("h2", { class: "visually-hidden" }, `Problem ${problem.id}`), question,
      ...problem.images.map(digest => make("img", { src: `image/${digest}`, alt: "an image of the question", loading: "lazy" })),
      make("p", { class: "quiet" }, facts), reference,
      ...problem.prompts.map(prompt => make("details", {}, make("summary", {}, `The prompt to the letter (${prompt.of.join(", ")})`),
        make("pre", { tabindex: "0" }, prompt.text))));
  }

  function meta(response) {
    const others = response.count > 1 ? ` and ${count(response.count - 1)} ${response.different > 1 ? "with the same answer" : "equal"}` : "";
    const place = make("a", { href: App.link({ at: `${response.source}.${response.index}` }), title: response.indices.join(", ") }, `sample ${response.index}`);
    const outcome = response.outcome ?? "not judged yet";
    const parts = [
      response.reason, response.answer === null ? "no answer found" : ["answer ", make("b", {}, response.answer)],
      [place, others], response.tokens === null ? "" : times(response.tokens, "token", "tokens"),
      response.logprob === null ? "" : `log p ${signed(response.logprob, 1)}`,
      response.finish === "length" ? "truncated" : "", ...response.flags,
    ].filter(Boolean);
    return make("p", { class: "meta" }, make("b", { class: `outcome ${outcome}` }, outcome),
      ...parts.flatMap(part => [" · ", ...[part].flat()]));
  }

  function beside(response) {
    const others = response.beside.filter(each => !each.reader);
    return others.map(each => make("p", { class: each.outcome === response.outcome ? "meta" : "meta differs" },
      `${each.by}: `, make("b", {}, each.outcome), each.reason ? ` · ${each.reason}` : ""));
  }

  function article(response, source) {
    response.source = source;
    const text = Text.fill(make("div", { class: "text" }), response.pieces);
    const element = make("article", { tabindex: "-1", "aria-label": `sample ${response.index} of ${App.nameOf(source)}` },
      make("p", { class: "times", "aria-label": `${response.count} times` }, `${count(response.count)}×`),
      make("div", { class: "body" }, text, meta(response), ...beside(response), Labels.panel(response)));
    element.response = response;
    if (response.pieces.some(each => each[0] === "gap") && !Data.isCopy) {
      text.after(make("button", { type: "button", class: "whole", onclick: () => whole(element) }, `All ${count(response.length)} characters`));
    }
    element.addEventListener("click", () => select(element, false));
    return element;
  }

  async function whole(element, from = 0) {
    const { response } = element, text = element.querySelector(".text");
    const found = await Data.ask("response", { id: current.id, source: response.source, index: response.index, from });
    element.querySelector("button.whole")?.remove();
    Text.fill(text, found.pieces, from > 0);
    if (found.next !== null) {
      text.after(make("button", { type: "button", class: "whole", onclick: () => whole(element, found.next) }, `${count(found.left)} characters more`));
    }
  }

  async function tokens(element) {
    const { response } = element, text = element.querySelector(".text");
    if (text.classList.toggle("shaded")) {
      try {
        const found = await Data.ask("tokens", { id: current.id, source: response.source, index: response.index });
        Text.shade(text, found.tokens);
      } catch (error) {
        text.classList.remove("shaded");
        App.status(error.message);
      }
    } else Text.fill(text, response.pieces);
  }

  function answers(found) {
    const chips = found.answers.map(([answer, outcome, times, shown]) => answer === null
      ? make("span", { class: "quiet" }, `${count(times)} other answers`)
      : make("button", {
        type: "button", class: `chip ${outcome ?? ""}`, "aria-pressed": String(answer !== "" && App.state.answer === answer), disabled: Data.isCopy || answer === "",
        onclick: () => App.go({ answer: App.state.answer === answer ? "" : answer, at: "" }),
      }, `${shown || "(empty)"} `, make("small", {}, `${count(times)}×${outcome === "correct" ? " right" : ""}`)));
    return chips.length ? make("div", { class: "answers", role: "group", "aria-label": "Answers" }, ...chips) : null;
  }

  function column(id, source, place, found) {
    const { right, of } = List.numbers(id, source);
    const list = make("div", { class: "responses" });
    const element = make("section", { class: `column series-${place % 6}`, "aria-label": App.nameOf(source) },
      make("h3", {}, `${App.nameOf(source)}: `, make("span", {}, `${count(right)} of ${count(of)} right, ${times(found.texts, "different response", "different responses")}`)),
      answers(found), list);
    const made = { source, element, list, found, drawn: 0 };
    extend(made, found);
    return made;
  }

  function extend(made, found) {
    made.list.querySelector(".more")?.remove();
    made.list.append(...found.responses.map(each => article(each, made.source)));
    made.drawn += found.responses.length;
    const left = found.groups - made.drawn;
    if (found.left) made.list.append(make("p", { class: "quiet more" }, `${count(found.left)} more in the run; this is a copy of bounded size.`));
    else if (left > 0) {
      const button = make("button", { type: "button", class: "more", onclick: () => further(made) }, `${count(left)} more`);
      button.made = made;
      made.list.append(button);
      reach.observe(button);
    }
    else if (!made.drawn) made.list.append(make("p", { class: "quiet more" }, "No response is like that."));
  }

  function further(made) {
    const id = current.id;
    made.asking ??= Data.ask("responses", asked(id, made.source, made.drawn)).then(found => {
      made.asking = null;
      if (current.id === id) extend(made, found);
    });
    return made.asking;
  }

  // What comes next is asked for when its place is about to be seen.
  const reach = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting && entry.target.isConnected) further(entry.target.made);
  }, { rootMargin: "200px" });

  function controls() {
    if (Data.isCopy) return null;
    const { state } = App;
    const choice = (label, name, options) => make("label", {}, label, make("select", {
      onchange: event => App.go({ [name]: event.target.value, at: "" }),
    }, ...Object.entries(options).map(([key, text]) => make("option", { value: key, selected: key === state[name] }, text))));
    const outcomes = Object.fromEntries(OUTCOMES.map(each => [each, each]));
    return make("div", { class: "controls" },
      choice("Fold ", "fold", { text: "equal responses", answer: "equal answers", none: "nothing" }),
      choice("Order ", "order", { outcome: "right first", index: "as sampled", count: "most frequent", longest: "longest", likeliest: "likeliest" }),
      choice("Show ", "outcome", { "": "every outcome", ...outcomes }),
      state.text ? make("label", {}, make("input", { type: "checkbox", checked: state.onlyFound, onchange: event => App.go({ onlyFound: event.target.checked }) }), "found ones only") : null);
  }

  function select(element, move = true) {
    document.querySelector("article[aria-current]")?.removeAttribute("aria-current");
    if (!element) return;
    element.setAttribute("aria-current", "true");
    App.remember({ at: `${element.response.source}.${element.response.index}` });
    if (move) {
      element.focus({ preventScroll: true });
      element.scrollIntoView({ block: "nearest" });
    }
  }

  const selected = () => document.querySelector("article[aria-current]");
  const articles = made => [...made.list.querySelectorAll("article")];

  async function step(by) {
    const from = selected();
    const made = current.columns.find(each => from && each.list.contains(from)) ?? current.columns[0];
    const all = articles(made), at = from ? all.indexOf(from) + by : 0;
    if (at >= all.length && made.list.querySelector("button.more")) await further(made);
    select(articles(made)[Math.max(0, at)] ?? from);
  }

  function side(by) {
    const from = selected(), at = current.columns.findIndex(each => from && each.list.contains(from));
    const made = current.columns[Math.max(0, Math.min(current.columns.length - 1, at + by))];
    const place = from && at >= 0 ? articles(current.columns[at]).indexOf(from) : 0;
    const all = articles(made);
    select(all[Math.min(place, all.length - 1)]);
  }

  let turn = 0; // of showing; an answer that comes after the next was asked for is left out

  async function show(id) {
    const { state } = App, wanted = state.sources, mine = ++turn;
    const [problem, ...found] = await Promise.all([
      Data.ask("problem", { id }), ...wanted.map(source => Data.ask("responses", asked(id, source, 0)))]);
    if (mine !== turn || App.state.problem !== id || App.state.blind) return;
    const columns = wanted.map((source, place) => column(id, source, place, found[place]));
    current = { id, columns };
    const main = document.getElementById("main");
    main.replaceChildren(
      make("a", { class: "back", href: App.link({ problem: "", at: "" }) }, "All problems"), head(problem), controls() ?? "",
      make("div", { class: `columns of-${Math.min(columns.length, 3)}` }, ...columns.map(each => each.element)));
    await seek();
    const next = List.beside(id, 1);
    if (next) {
      Data.prepare("problem", { id: next });
      for (const source of wanted) Data.prepare("responses", asked(next, source, 0));
    }
  }

  // The response that the address names.
  async function seek() {
    if (!App.state.at) { document.getElementById("main").scrollTop = 0; return; }
    const [source, index] = App.state.at.split(".").map(Number);
    const made = current.columns.find(each => each.source === source);
    while (made) {
      const there = articles(made).find(each => each.response.index === index || each.response.indices.includes(index));
      if (there) { select(there); return; }
      if (!made.list.querySelector("button.more")) return;
      await further(made);
    }
  }

  return { show, seek, step, side, selected, whole, tokens, shown: () => current?.id };
})();
