// What is live on a page: clocks that run down, stock that falls, times in the reader's own zone. Everything else works
// without it.
"use strict";

const root = document.documentElement;
const language = root.lang;
const units = (root.dataset.units || "d h m s").split(" ");
// The server's clock is what counts; the reader's may be off.
const skew = Date.parse(root.dataset.now) - Date.now();
const now = () => Date.now() + skew;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const number = (n) => n.toLocaleString("en");

// Times in the reader's own zone.
const formats = {
  exact: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  "": { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
};
for (const time of all("time[data-local]")) {
  const format = new Intl.DateTimeFormat(language, { ...formats[time.dataset.local], hourCycle: "h23" });
  time.textContent = format.format(new Date(time.dateTime));
}

// Clocks. What happens at the end is the server's to decide; the page only lets the reader try.
function span(seconds) {
  const parts = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  const from = Math.min(parts.findIndex((part) => part > 0), 2);
  const first = from < 0 ? 2 : from;
  return parts.slice(first, first + 2).map((part, index) => part + units[first + index]).join(" ");
}
const clocks = all("time[data-until]").map((time) => ({ time, until: Date.parse(time.dateTime), over: false }));
function tick() {
  for (const clock of clocks) {
    const left = Math.ceil((clock.until - now()) / 1000);
    clock.time.textContent = span(Math.max(left, 0));
    if (left <= 0 && !clock.over) {
      clock.over = true;
      for (const button of all("[data-opens]")) button.disabled = false;
      if (clock.time.dataset.then === "reload" && left > -5) setTimeout(() => location.reload(), 1000);
    }
  }
}
if (clocks.length) {
  tick();
  setInterval(tick, 1000);
}

// A second click on the way sends nothing; coming back, it may be clicked again.
for (const form of all("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
  });
}
addEventListener("pageshow", () => all("form[data-sent]").forEach((form) => {
  delete form.dataset.sent;
  form.removeAttribute("aria-busy");
}));

// Stock, as it moves: from the stream, or else by asking now and then.
const shown = new Map(all("[data-stock]").map((place) => [place.dataset.stock, place]));
function show(stock) {
  const place = shown.get(stock.productId);
  if (!place) return;
  for (const name of ["available", "held", "sold"]) {
    for (const spot of all(`[data-${name}]`, place)) {
      const text = (spot.dataset.text || "{0}").replace("{0}", number(stock[name])).replace("{1}", number(stock.total));
      if (spot.textContent === text) continue;
      spot.textContent = text;
      spot.classList.remove("pulse");
      void spot.offsetWidth;
      spot.classList.add("pulse");
    }
  }
  for (const meter of all("[data-meter]", place)) {
    meter.max = Math.max(stock.total, 1);
    meter.value = stock.available;
  }
  for (const badge of all("[data-badge]", place)) {
    const gone = stock.available === 0;
    badge.textContent = gone ? badge.dataset.gone : badge.dataset.badge;
    badge.className = gone ? "badge bad" : "badge open";
  }
  for (const spot of all("[data-back-now]", place)) spot.hidden = stock.available === 0;
  for (const spot of all("[data-gone-now]", place)) spot.hidden = stock.available > 0;
  const spoken = place.querySelector("[data-spoken]");
  if (spoken) speak(spoken, spoken.dataset.text.replace("{0}", number(stock.available)));
}
// Not each unit is read out, but how it stands every few seconds.
function speak(spot, text) {
  const waits = spot.next !== undefined;
  const first = spot.last === undefined;
  spot.next = text;
  if (first) spot.last = text; // the page said so already
  if (waits) return;
  setTimeout(() => {
    if (spot.next !== spot.last) spot.textContent = spot.last = spot.next;
    spot.next = undefined;
  }, 3000);
}
async function poll() {
  const pause = shown.size > 1 ? 6000 : 2000;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
    if (document.hidden) continue;
    for (const id of shown.keys()) {
      try {
        const answer = await fetch(`/products/${encodeURIComponent(id)}/stock`);
        if (answer.ok) show(await answer.json());
      } catch { /* the next time, perhaps */ }
    }
  }
}
// A stream takes one of the few connections that a browser has to a server, so a page that nobody sees gives it back.
if (shown.size) {
  const query = [...shown.keys()].map((id) => `productId=${encodeURIComponent(id)}`).join("&");
  let stream;
  let polling = false;
  const listen = () => {
    if (polling || document.hidden || stream) return;
    stream = new EventSource(`/stocks/stream?${query}`);
    stream.addEventListener("stock", (event) => show(JSON.parse(event.data)));
    stream.addEventListener("error", () => {
      if (!stream || stream.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
      hush();
      polling = true;
      poll();
    });
  };
  const hush = () => {
    stream?.close();
    stream = undefined;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
  addEventListener("pagehide", hush);
  addEventListener("pageshow", listen);
  listen();
}
