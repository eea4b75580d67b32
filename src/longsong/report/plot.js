// Cost curves as SVG, in the width that there is for them, from the numbers in the element #curves.
// `drawCurves(box, names, how)` draws those of some runs; a box with the attribute data-curves is drawn by itself as soon as
// it is seen, with the curves of the run of that name, and again when its width changes.
(() => {
  "use strict";
  const CURVES = JSON.parse(document.getElementById("curves").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const TOP = 8;
  const BOTTOM = 34;
  const RIGHT = 10;
  const CHARACTER = 6.4; // pixels of a digit, about
  const ONE = 4; // pixels under which two lines are one to the eye
  const FAR = 0.6; // baselines that would make the plot higher by more than this share of it are named below

  function add(parent, name, attributes, text) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  }

  // Round numbers from `low` to `high`, about as many as are asked for.
  function ticks(low, high, about) {
    const least = (high - low) / about;
    const power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= least * (1 - 1e-9));
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9) || 0; n * step <= high + step * 1e-9; n += 1) {
      const value = n * step;
      found.push([value, value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })]);
    }
    return found;
  }

  function scaled(run, how) {
    const x = how.over === "epoch" ? (at) => (at / run.updates) * run.epochs : (at) => at;
    const unit = how.cost === "relative" ? run.baselines[0][1] : 1;
    const points = (curve) => curve.map(([at, cost]) => [x(at), cost / unit]);
    return {
      end: x(run.updates),
      train: points(run.train),
      dev: points(run.dev),
      baselines: run.baselines.map(([name, cost]) => [name, cost / unit]),
    };
  }

  // The range of all curves and of the first baseline, and the other baselines as far as they are near.
  function range(found) {
    const costs = found.flatMap((one) => [...one.train, ...one.dev].map(([, cost]) => cost));
    costs.push(...found.map((one) => one.baselines[0][1]));
    let low = costs.reduce((a, b) => Math.min(a, b));
    let high = costs.reduce((a, b) => Math.max(a, b));
    const room = FAR * (high - low || Math.abs(high) || 1);
    const others = found.length === 1 ? found[0].baselines.slice(1) : [];
    const [near, far] = [[], []];
    for (const one of others) (one[1] <= high + room && one[1] >= low - room ? near : far).push(one);
    for (const [, cost] of near) [low, high] = [Math.min(low, cost), Math.max(high, cost)];
    const edge = 0.05 * (high - low || Math.abs(high) || 1);
    return { low: low - edge, high: high + edge, near, far };
  }

  function drawCurves(box, names, how = {}) {
    const found = names.map((name) => scaled(CURVES[name], how));
    const style = getComputedStyle(box);
    const width = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = box.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const { low, high, near, far } = range(found);
    const end = Math.max(...found.map((one) => one.end));
    const rules = ticks(low, high, Math.max(2, height / 40));
    const left = 20 + CHARACTER * Math.max(...rules.map(([, label]) => label.length));
    const across = width - left - RIGHT;
    const up = height - TOP - BOTTOM;
    const px = (value) => left + (value / end) * across;
    const py = (value) => TOP + ((high - value) / (high - low)) * up;
    const path = (points) => `M${points.map(([x, y]) => `${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("L")}`;

    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-hidden", "true");
    for (const [value, label] of rules) {
      add(svg, "path", { class: "rule", d: `M${left} ${py(value)}H${width - RIGHT}` });
      add(svg, "text", { x: left - 6, y: py(value) + 4, "text-anchor": "end" }, label);
    }
    for (const [value, label] of ticks(0, end, Math.max(2, across / 80))) {
      add(svg, "text", { x: px(value), y: height - BOTTOM + 16, "text-anchor": "middle" }, label);
    }
    add(svg, "text", { x: left + across / 2, y: height - 3, "text-anchor": "middle" }, how.over === "epoch" ? "epoch" : "update");
    const what = how.cost === "relative" ? "cost / cost of predicting the mean" : "cost (mean squared error)";
    add(svg, "text", { transform: `translate(11 ${TOP + up / 2}) rotate(-90)`, "text-anchor": "middle" }, what);

    const curves = add(svg, "g", found.length > 1 || how.many ? { class: "many" } : {});
    found.forEach((one, number) => {
      const group = add(curves, "g", { class: `run-${number}` });
      // Where costs are over that of predicting the mean, it is one line for all, and no run's own.
      const base = { class: "base", d: `M${left} ${py(one.baselines[0][1])}H${width - RIGHT}` };
      if (how.cost !== "relative") add(group, "path", base);
      else if (number === 0) add(svg, "path", base);
      add(group, "path", { class: "train", d: path(one.train) });
      if (one.dev.length) add(group, "path", { class: "dev", "data-run": names[number], d: path(one.dev) });
      else group.querySelector(".train").setAttribute("data-run", names[number]);
    });
    for (const [, cost] of near) add(svg, "path", { class: "base", d: `M${left} ${py(cost)}H${width - RIGHT}` });
    nameLines(svg, [found[0].baselines[0], ...near], width - RIGHT - 4, py);
    if (far.length) {
      const said = far.map(([name, cost]) => `${name}: ${cost.toPrecision(3)}`).join("; ");
      const place = far.every(([, cost]) => cost > high) ? "above" : "beyond";
      add(svg, "text", { x: width - RIGHT, y: TOP + 4, "text-anchor": "end", class: "name" }, `${place} the plot, ${said}`);
    }
    box.querySelector("svg")?.remove();
    box.prepend(svg);
  }

  // Names stand above their lines, or below where another one is too near; lines that are one to the eye share theirs.
  function nameLines(svg, lines, x, py) {
    const named = [];
    for (const [name, cost] of lines) {
      const y = py(cost);
      const same = named.find((other) => Math.abs(other.y - y) < ONE);
      if (same) same.text += `, ${name}`;
      else named.push({ y, text: name });
    }
    const taken = [];
    for (const { y, text } of named) {
      const places = [y - 4, y + 12, y - 16, y + 24];
      const place = places.find((at) => taken.every((other) => Math.abs(other - at) >= 11)) ?? places[0];
      taken.push(place);
      add(svg, "text", { x, y: place, "text-anchor": "end", class: "name" }, text);
    }
  }

  const widths = new WeakMap();
  const watcher = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (!target.clientWidth || widths.get(target) === target.clientWidth) continue;
      widths.set(target, target.clientWidth);
      drawCurves(target, [target.dataset.curves]);
    }
  });
  for (const box of document.querySelectorAll(".plot[data-curves]")) watcher.observe(box);
  window.drawCurves = drawCurves;
  window.CURVES = CURVES;
})();
