// Two or three runs in one plot, their players in a row, their numbers in a table. The choice is kept in the fragment of the
// page's address, as #compare=RUN,RUN, so that a link to it can be sent.
(() => {
  "use strict";
  const MOST = 3;
  const PREFIX = "#compare=";
  const CURVES = window.CURVES;
  const by = (id) => document.getElementById(id);
  const boxes = [...document.querySelectorAll('input[name="compare"]')];
  const cards = new Map(boxes.map((box) => [box.value, box.closest(".run")]));
  let chosen = [];

  const title = (name) => cards.get(name).querySelector("h3").textContent;
  const drawn = () => chosen.filter((name) => name in CURVES);
  const how = () => ({ over: by("compare-over").value, cost: by("compare-cost").value, many: true });

  // What somebody altered by hand may be no encoding of anything.
  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  function made(tag, text, attributes = {}) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function choose(names) {
    chosen = [...new Set(names)].filter((name) => cards.has(name)).slice(0, MOST);
    for (const box of boxes) {
      box.checked = chosen.includes(box.value);
      box.disabled = !box.checked && chosen.length === MOST;
    }
    showChoice();
    const enough = chosen.length >= 2;
    by("compare-shown").hidden = !enough;
    for (const audio of by("compare-players").querySelectorAll("audio")) audio.pause();
    if (enough) {
      showPlot();
      showPlayers();
      showNumbers();
    }
  }

  function showChoice() {
    const chips = chosen.map((name) => {
      const chip = made("span", undefined, { class: "chip" });
      const remove = made("button", "×", { type: "button", "aria-label": `leave out ${title(name)}` });
      remove.addEventListener("click", () => change(chosen.filter((other) => other !== name)));
      chip.append(made("a", title(name), { href: `#run-${name}` }), remove);
      return chip;
    });
    by("compare-chosen").replaceChildren(...chips);
    for (const option of by("compare-add").options) option.disabled = chosen.includes(option.value);
    by("compare-add").disabled = chosen.length === MOST;
    by("compare-clear").hidden = chosen.length === 0;
    by("compare-link").hidden = chosen.length < 2;
    const said = ["", "One run is chosen; choose another.", `Comparing ${new Intl.ListFormat("en").format(chosen.map(title))}.`];
    by("compare-said").textContent = said[Math.min(chosen.length, 2)];
  }

  function showPlot() {
    const names = drawn();
    const box = by("compare-plot");
    box.hidden = names.length === 0;
    by("compare-key").replaceChildren(...names.map((name, number) => {
      const entry = made("span", undefined, { class: `run-${number}` });
      entry.innerHTML = '<svg aria-hidden="true" viewBox="0 0 35 10"><line x1="1" x2="34" y1="5" y2="5"/></svg>';
      entry.append(title(name));
      return entry;
    }), made("span", "thick: dev cost after each epoch; pale: train cost; dashed: predicting the mean on the dev split, which may be softer or louder than the train split"));
    if (!names.length) return;
    drawCurves(box, names, how());
    const ends = names.map((name) => {
      const { dev, train, baselines } = CURVES[name];
      const curve = dev.length ? dev : train;
      const least = Math.min(...curve.map(([, cost]) => cost));
      return `${title(name)}: ${dev.length ? "dev" : "train"} cost ${least.toPrecision(4)} at the lowest, ` +
        `${(least / baselines[0][1]).toFixed(3)} of predicting the mean`;
    });
    box.setAttribute("aria-label", `Cost curves. ${ends.join("; ")}.`);
    showTable(names);
  }

  function tableOf(caption, head, rows) {
    const table = made("table", undefined, { class: "plain" });
    table.append(made("caption", caption));
    const first = table.createTHead().insertRow();
    for (const name of head) first.append(made("th", name, { scope: "col" }));
    const body = table.createTBody();
    for (const [name, ...cells] of rows) {
      const row = body.insertRow();
      row.append(made("th", name, { scope: "row" }), ...cells.map((cell) => made("td", cell)));
    }
    return table;
  }

  function showTable(names) {
    const epochs = Math.max(...names.map((name) => CURVES[name].dev.length));
    const rows = Array.from({ length: epochs }, (_, n) => [
      String(n),
      ...names.map((name) => {
        const point = CURVES[name].dev[n];
        if (!point) return "";
        const over = (point[1] / CURVES[name].baselines[0][1]).toFixed(3);
        return `${point[1].toPrecision(4)} (${over}) after ${point[0].toLocaleString("en")} updates`;
      }),
    ]);
    const table = tableOf("Dev costs, and over predicting the mean", ["evaluation", ...names.map(title)], rows);
    const scroll = made("div", undefined, { class: "scroll", tabindex: "0", role: "group", "aria-label": "Dev costs" });
    scroll.append(table);
    by("compare-table").replaceChildren(by("compare-table").querySelector("summary"), scroll);
  }

  function showPlayers() {
    by("compare-players").replaceChildren(...chosen.map((name) => {
      const holder = made("div", undefined, { class: "card" });
      const player = cards.get(name).querySelector(".player");
      holder.append(player ? player.cloneNode(true) : made("p", `${title(name)} has no sound.`));
      return holder;
    }));
    window.numberPlayers();
  }

  function showNumbers() {
    const found = chosen.map((name) => {
      const list = cards.get(name).querySelector("dl.numbers");
      const values = [...list.querySelectorAll("dd")].map((value) => value.textContent);
      return new Map([...list.querySelectorAll("dt")].map((term, n) => [term.textContent, values[n]]));
    });
    const names = [...new Set(found.flatMap((numbers) => [...numbers.keys()]))];
    const rows = names.map((name) => [name, ...found.map((numbers) => numbers.get(name) ?? "–")]);
    by("compare-numbers").replaceChildren(tableOf("Numbers", ["number", ...chosen.map(title)], rows));
  }

  // Chosen by the reader: the address follows.
  function change(names) {
    choose(names);
    const fragment = chosen.length ? PREFIX + chosen.map(encodeURIComponent).join(",") : "#compare";
    history.replaceState(null, "", fragment);
    by("compare-link").dataset.copy = location.href;
  }

  // Chosen by the address.
  function follow() {
    if (!location.hash.startsWith(PREFIX)) return;
    choose(location.hash.slice(PREFIX.length).split(",").map(decoded));
    by("compare-link").dataset.copy = location.href;
    by("compare").scrollIntoView();
  }

  for (const box of boxes) {
    box.disabled = false;
    box.addEventListener("change", () => {
      change(box.checked ? [...chosen, box.value] : chosen.filter((name) => name !== box.value));
    });
  }
  by("compare-add").append(...boxes.map((box) => made("option", title(box.value), { value: box.value })));
  by("compare-add").addEventListener("change", (event) => {
    const name = event.target.value;
    event.target.value = "";
    if (name) change([...chosen, name]);
  });
  by("compare-clear").addEventListener("click", () => {
    change([]);
    by("compare-add").focus();
  });
  for (const id of ["compare-cost", "compare-over"]) by(id).addEventListener("change", showPlot);
  new ResizeObserver(() => { if (!by("compare-shown").hidden && drawn().length) drawCurves(by("compare-plot"), drawn(), how()); })
    .observe(by("compare-plot").parentElement);
  window.addEventListener("hashchange", follow);
  by("compare-form").hidden = boxes.length < 2;
  follow();
})();
