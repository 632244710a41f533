"use strict";
// The board, live. Two streams feed it: /admin/live tells each second of the sale, /stocks/stream each change of the counts.
// The page stands without this; what is here only keeps it up to date and draws the charts.
(() => {
  const board = document.querySelector("[data-board]");
  if (!board || !window.EventSource) return;

  const PAST_S = 120;
  const SAID_EVERY_S = 15;
  const digits = new Intl.NumberFormat(document.documentElement.lang);
  const one = (selector, within = document) => within.querySelector(selector);
  const write = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

  const orders = [];
  const courses = new Map();
  for (const card of document.querySelectorAll("[data-course]")) {
    const now = card.dataset.now.split(" ").map(Number);
    courses.set(card.dataset.course, { card, now, past: [] });
  }
  let kept = PAST_S;
  let seconds = 0;

  const shape = (name, attributes, kind) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.setAttribute("class", kind);
    return element;
  };

  // The last second stands at the right edge.
  const points = (values, width, height, top) =>
    values.map((value, index) => {
      const x = width - (values.length - 1 - index) * (width / (kept - 1));
      return `${x.toFixed(1)},${(height - (value / top) * height).toFixed(1)}`;
    });

  const area = (values, width, height, top, kind) => {
    const upper = points(values, width, height, top);
    const left = upper[0].split(",")[0];
    return shape("polygon", { points: `${left},${height} ${upper.join(" ")} ${width},${height}` }, kind);
  };

  const drawOrders = () => {
    const chart = one("[data-orders]");
    if (!chart || orders.length === 0) return;
    const peak = Math.max(...orders);
    const top = Math.max(peak, 1) * 1.1;
    const shown = orders.length > 1 ? orders : [orders[0], orders[0]];
    chart.replaceChildren(
      area(shown, 600, 180, top, "area"),
      shape("polyline", { points: points(shown, 600, 180, top).join(" ") }, "line"),
    );
    const said = one("[data-peak]");
    write(said, said.dataset.peak.replace("{0}", digits.format(peak)));
  };

  // Sold at the bottom, held on it, and what is left above both.
  const drawCourse = ({ card, past }) => {
    if (past.length === 0) return;
    const shown = past.length > 1 ? past : [past[0], past[0]];
    const top = Math.max(1, ...shown.map(([available, held, sold]) => available + held + sold));
    const layer = (sum, kind) => area(shown.map(sum), 300, 100, top, kind);
    one("svg", card).replaceChildren(
      layer(([available, held, sold]) => available + held + sold, "available"),
      layer(([, held, sold]) => held + sold, "held"),
      layer(([, , sold]) => sold, "sold"),
    );
  };

  const push = (list, value) => {
    list.push(value);
    while (list.length > kept) list.shift();
  };

  const showRefusals = (refusals) => {
    const rows = refusals.map(({ code, title, lately, total }) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      const word = document.createElement("code");
      word.textContent = code;
      head.append(title ? `${title} ` : "", word);
      const cells = [lately, total].map((number) => {
        const cell = document.createElement("td");
        cell.className = "number";
        cell.textContent = digits.format(number);
        return cell;
      });
      row.append(head, ...cells);
      return row;
    });
    one("[data-refusals]").replaceChildren(...rows);
    one("[data-none]").hidden = rows.length > 0;
    one("[data-some]").hidden = rows.length === 0;
  };

  const showSecond = (second) => {
    for (const name of ["orders", "requests", "waiting"]) {
      write(one(`[data-figure="${name}"]`), digits.format(second[name]));
    }
    for (const name of ["p50", "p90", "p99"]) {
      write(one(`[data-figure="${name}"]`), second.latencyMs[name].toFixed(1));
    }
    showRefusals(second.refusals);
    // Spoken now and then: every second would drown out everything else.
    const summary = one("[data-summary]");
    if (seconds % SAID_EVERY_S === 0) {
      write(summary, summary.dataset.text.replace("{0}", second.orders).replace("{1}", second.waiting));
    }
  };

  const state = one("[data-live]");
  const say = (isLive) => {
    state.hidden = false;
    state.className = isLive ? "badge open" : "badge soon";
    write(state, isLive ? state.dataset.liveText : state.dataset.lostText);
  };

  const live = new EventSource("/admin/live");
  live.addEventListener("open", () => say(true));
  live.addEventListener("error", () => say(false));
  live.addEventListener("past", ({ data }) => {
    const past = JSON.parse(data);
    kept = past.kept;
    orders.splice(0, orders.length, ...past.orders);
    for (const [id, course] of courses) course.past = past.products[id] || [course.now];
    drawOrders();
    for (const course of courses.values()) drawCourse(course);
    seconds = 0;
  });
  live.addEventListener("second", ({ data }) => {
    const second = JSON.parse(data);
    showSecond(second);
    // The first one ends the past.
    if (seconds > 0) {
      push(orders, second.orders);
      for (const course of courses.values()) push(course.past, course.now);
      drawOrders();
      for (const course of courses.values()) drawCourse(course);
    }
    seconds += 1;
  });

  if (courses.size > 0) {
    const stocks = new EventSource(board.dataset.stocks);
    stocks.addEventListener("stock", ({ data }) => {
      const { productId, available, held, sold } = JSON.parse(data);
      const course = courses.get(productId);
      if (!course) return;
      course.now = [available, held, sold];
      write(one('[data-count="available"]', course.card), digits.format(available));
      write(one('[data-count="held"]', course.card), digits.format(held));
      write(one('[data-count="sold"]', course.card), digits.format(sold));
    });
  }
  one("[data-reload]").hidden = true;
})();
