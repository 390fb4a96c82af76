// What readers say of chains: by button, by key, and blind, in an audit's own order.
"use strict";

const Labels = (() => {
  const SAID = { valid: "v", invalid: "i", unsure: "u" };
  let audit = null; // the state of the blind reading, while it is open
  let before = []; // items read in this sitting, the last one last

  const reader = () => App.reader;

  function words(response) {
    return response.beside.filter(each => each.reader).map(each => {
      const said = { correct: "valid", incorrect: "invalid", unscored: "unsure" }[each.outcome];
      return make("p", { class: "meta label" }, `${each.reader}: `, make("b", {}, said), each.note ? ` · ${each.note}` : "");
    });
  }

  const mine = response => response.beside.find(each => each.reader === reader());

  function panel(response) {
    const place = make("div", { class: "labels" });
    fill(place, response);
    return place;
  }

  function fill(place, response) {
    const said = { correct: "valid", incorrect: "invalid", unscored: "unsure" }[mine(response)?.outcome];
    place.replaceChildren(...words(response), ...(Data.isCopy ? [] : [make("div", { class: "buttons", role: "group", "aria-label": "The chain is" },
      ...Object.entries(SAID).map(([word, key]) => make("button", {
        type: "button", "aria-pressed": String(word === said), title: `key ${key}`,
        onclick: event => { event.stopPropagation(); say(place.closest("article"), word); },
      }, word)),
      make("button", { type: "button", title: "key c", onclick: event => { event.stopPropagation(); note(place.closest("article")); } }, "note"))]));
  }

  async function say(element, said, text = null) {
    const { response } = element, old = mine(response);
    const body = { reader: reader(), said, note: text ?? old?.note ?? "" };
    try {
      const done = element.item
        ? await Data.tell("label", { ...body, item: element.item, run: audit.run })
        : await Data.tell("label", { ...body, source: response.source, id: App.state.problem, index: response.index });
      response.beside = response.beside.filter(each => each !== old);
      const outcome = { valid: "correct", invalid: "incorrect", unsure: "unscored" }[said];
      if (outcome) response.beside.push({ reader: reader(), by: `reader-${reader()}`, outcome, note: body.note });
      const name = element.item ? "" : `sample ${response.index} of ${App.nameOf(response.source)}: `;
      App.status(`${name}${said}${done.settled ? ", saved" : "; kept until the run can be written to"}`);
      if (!element.item) fill(element.querySelector(".labels"), response);
      return true;
    } catch (error) {
      App.status(`Not saved: ${error.message}`);
      return false;
    }
  }

  function note(element) {
    if (!element) return;
    const dialog = document.getElementById("note"), old = mine(element.response);
    const said = { correct: "valid", incorrect: "invalid", unscored: "unsure" }[old?.outcome] ?? "unsure";
    const area = make("textarea", { rows: 4, maxlength: 2000, "aria-label": "Note" }, old?.note ?? "");
    const form = make("form", { method: "dialog", onsubmit: () => (element.item ? next(said, area.value) : say(element, said, area.value)) },
      make("h2", { id: "note-title" }, `Note (${said})`), area,
      make("div", { class: "buttons" }, make("button", { type: "submit" }, "Keep"),
        make("button", { type: "button", onclick: () => dialog.close() }, "Leave it")));
    area.addEventListener("keydown", event => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); });
    dialog.replaceChildren(form);
    dialog.showModal();
    area.focus();
  }

  // -- blind ---------------------------------------------------------------------------------------------------------

  async function openAudit(run, item = null) {
    const asked = { reader: reader(), run };
    if (item) asked.item = item;
    try {
      audit = { ...await Data.ask("audit", asked), run };
    } catch (error) { App.status(error.message); return; }
    if (App.state.blind) drawAudit(); // it may have been left meanwhile
  }

  async function begin() {
    App.status("Choosing what to read ...");
    try {
      await Data.tell("begin", { reader: reader(), run: audit.run });
      App.status("");
      await openAudit(audit.run);
    } catch (error) { App.status(error.message); }
  }

  function drawAudit() {
    const main = document.getElementById("main"), back = make("a", { class: "back always", href: App.link({ blind: "" }) }, "Out of the audit");
    if (!audit.begun) {
      main.replaceChildren(back, make("h2", {}, "Audit of accepted samples"),
        make("p", {}, "The accepted samples of problems that a model solved rarely, read without knowing whose they are: sets in random order, each until its first valid chain."),
        make("button", { type: "button", onclick: begin }, "Begin"));
      return;
    }
    const progress = make("p", { class: "quiet" }, `Read as ${reader()}: ${count(audit.read)} of ${times(audit.items, "sample", "samples")}, at most ${count(audit.owed)} left, in ${times(audit.sets, "set", "sets")}.`);
    if (!audit.item) {
      main.replaceChildren(back, make("h2", {}, "Everything is read"), progress);
      Data.ask("readings").then(found => main.append(...found.runs.map(each => make("pre", { tabindex: "0" }, each.words))));
      return;
    }
    const { item } = audit;
    const element = make("article", { tabindex: "-1", "aria-current": "true", "aria-label": "the sample to read" },
      make("div", { class: "body" }, Text.fill(make("div", { class: "text" }), item.pieces),
        item.left ? make("p", { class: "quiet" }, `${count(item.left)} characters more are not shown.`) : null,
        make("div", { class: "buttons", role: "group", "aria-label": "The chain is" },
          ...Object.entries(SAID).map(([word, key]) => make("button", { type: "button", "aria-pressed": String(item.said === word), title: `key ${key}`, onclick: () => next(word) }, word)),
          make("button", { type: "button", title: "key c", onclick: () => note(element) }, "note"))));
    element.response = { beside: item.said ? [{ reader: reader(), note: item.note, outcome: { valid: "correct", invalid: "incorrect", unsure: "unscored" }[item.said] }] : [] };
    element.item = item.name;
    main.replaceChildren(back, make("h2", {}, `Set ${item.set}`), progress, Text.fill(make("div", { class: "asked text" }), item.question),
      make("p", { class: "quiet reference" }, "Reference: ", make("b", {}, item.references.join(" or "))), element);
    main.scrollTop = 0;
    element.focus({ preventScroll: true });
  }

  async function next(said, text = null) {
    const element = document.querySelector("article[aria-current]");
    if (await say(element, said, text)) {
      before.push(element.item);
      await openAudit(audit.run);
    }
  }

  return {
    panel, note, openAudit,
    isOpen: () => App.state.blind !== "",
    say(word) {
      const element = document.querySelector("article[aria-current]");
      if (!element) App.status("Choose a response first: key j");
      else if (element.item) next(word);
      else say(element, word);
    },
    previous() { const item = before.pop(); if (item) openAudit(audit.run, item); },
  };
})();
