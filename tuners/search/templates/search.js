"use strict";
// Highlights a trial wherever it is drawn, sorts the table, and lets a range of an axis be picked. All texts are in the page.
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const body = document.querySelector(".board tbody");
  if (!body) return;
  const rows = new Map([...body.rows].map((row) => [row.dataset.trial, row]));
  const parts = new Map();
  for (const part of all("[data-trial]")) {
    if (!parts.has(part.dataset.trial)) parts.set(part.dataset.trial, []);
    parts.get(part.dataset.trial).push(part);
  }
  const told = all(".told");
  const hint = told.map((place) => place.textContent);
  let pinned = null, shown = null;

  function light(trial) {
    if (shown === trial) return;
    for (const part of parts.get(shown) || []) part.classList.remove("on");
    shown = trial;
    for (const part of parts.get(trial) || []) {
      part.classList.add("on");
      if (part.matches("path.trial")) part.parentNode.append(part);
    }
    told.forEach((place, i) => { place.textContent = trial === null ? hint[i] : rows.get(trial).dataset.text; });
  }

  function pin(trial, scroll) {
    pinned = pinned === trial ? null : trial;
    for (const row of rows.values()) row.setAttribute("aria-selected", row.dataset.trial === pinned);
    light(pinned);
    const row = rows.get(pinned);
    if (row && scroll) {
      const board = row.closest(".board");
      board.scrollTop = row.offsetTop - board.clientHeight / 2;
    }
  }

  for (const part of all("[data-trial]")) {
    part.addEventListener("pointerenter", () => light(part.dataset.trial));
    part.addEventListener("pointerleave", () => light(pinned));
    part.addEventListener("click", () => pin(part.dataset.trial, !part.matches("tr")));
  }

  // Keys: one row of the table can be reached with Tab, the others with the arrows; a drawing goes through all trials.
  function move(current, step) {
    const visible = [...body.rows].filter((row) => !row.classList.contains("out"));
    const at = visible.indexOf(current);
    return visible[Math.max(0, Math.min(visible.length - 1, at + step))];
  }
  body.addEventListener("focusin", (event) => light(event.target.dataset.trial));
  body.addEventListener("focusout", () => light(pinned));
  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    if (event.key === "Enter" || event.key === " ") pin(row.dataset.trial, false);
    else if (event.key === "Escape") { if (pinned !== null) pin(pinned, false); }
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const next = move(row, event.key === "ArrowDown" ? 1 : -1);
      if (next) {
        row.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      }
    } else return;
    event.preventDefault();
  });
  for (const drawing of all("svg.keys")) {
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) {
        const next = shown === null ? move(null, 1) : move(rows.get(shown), step);
        if (next) light(next.dataset.trial);
      } else if (event.key === "Enter" && shown !== null) pin(shown, false);
      else if (event.key === "Escape") { if (pinned !== null) pin(pinned, false); light(null); clear(); }
      else return;
      event.preventDefault();
    });
    drawing.addEventListener("blur", () => light(pinned));
  }

  // Sorting: numbers by size, texts by letter, what is missing last.
  all(".board th button").forEach((button) => button.addEventListener("click", () => {
    const head = button.closest("th"), column = head.cellIndex;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => row.cells[column].dataset.sort;
    const sorted = [...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    });
    body.append(...sorted);
  }));

  // Brushing: a range dragged along an axis leaves the trials that lie in it.
  const chart = document.querySelector("svg.parallel");
  const button = document.querySelector(".clear");
  const ranges = new Map();
  function filter() {
    const inside = (line) => {
      const heights = line.dataset.at.split(" ");
      return [...ranges].every(([axis, [top, bottom]]) => heights[axis] >= top && heights[axis] <= bottom);
    };
    for (const line of chart.querySelectorAll("path.trial")) {
      const out = !inside(line);
      for (const part of parts.get(line.dataset.trial)) part.classList.toggle(part.matches("tr") ? "out" : "off", out);
    }
    button.hidden = ranges.size === 0;
  }
  function clear() {
    if (!chart) return;
    ranges.clear();
    for (const brush of chart.querySelectorAll(".brush")) brush.setAttribute("height", 0);
    filter();
  }
  if (!chart) return;
  button.addEventListener("click", clear);
  const height = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    return point.y;
  };
  chart.querySelectorAll(".grip").forEach((grip) => {
    const axis = Number(grip.dataset.axis), brush = chart.querySelector(`.brush[data-axis="${axis}"]`);
    let from = null;
    grip.addEventListener("pointerdown", (event) => { from = height(event); grip.setPointerCapture(event.pointerId); });
    grip.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const [top, bottom] = [from, height(event)].sort((a, b) => a - b);
      brush.setAttribute("y", top);
      brush.setAttribute("height", bottom - top);
    });
    grip.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const [top, bottom] = [from, height(event)].sort((a, b) => a - b);
      from = null;
      if (bottom - top < 4) { ranges.delete(axis); brush.setAttribute("height", 0); }
      else ranges.set(axis, [top, bottom]);
      filter();
    });
  });
})();
