// The page is complete without this file. It swaps panels when the desk says they moved,
// says so when it no longer hears the desk, and adds dialogs, the chart's crosshair and themes.

const body = document.body;
const STALE_AFTER = 5000;
const LOOK_AGAIN = 20000; // a lost hint costs at most this
const SIGNED_OUT = 4401;
const FATAL = new Set([4400, 4408]);

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const two = (number) => String(number).padStart(2, "0");
const wall = (time) => {
  const d = new Date(time);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
};

// Panels -----------------------------------------------------------------------------------

const panels = new Map();

class Panel {
  constructor(element) {
    this.element = element;
    this.topics = new Set(element.dataset.topics.split(" "));
    this.busy = false;
    this.again = false;
    this.waiting = false;
  }

  // However many hints arrive: one request under way, at most one more after it.
  async refresh() {
    if (document.hidden) { this.waiting = true; return; }
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    this.waiting = false;
    try {
      await this.load();
    } finally {
      this.busy = false;
      if (this.again) { this.again = false; setTimeout(() => this.refresh(), 250); }
    }
  }

  async load() {
    const headers = {};
    if (this.element.dataset.etag) headers["If-None-Match"] = this.element.dataset.etag;
    let answer;
    try {
      answer = await fetch(this.element.dataset.src, { headers, credentials: "same-origin", cache: "no-store" });
    } catch {
      return; // the stale band says it
    }
    if (answer.status === 304) return;
    if (answer.status === 401) { location.reload(); return; }
    const isOurs = answer.headers.get("content-type")?.startsWith("text/html");
    if (answer.ok && isOurs) {
      const etag = answer.headers.get("etag") ?? "";
      if (this.swap(await answer.text())) this.element.dataset.etag = etag;
      else this.waiting = true; // for the dialog to close
      this.fetched = Date.now();
    } else {
      this.fail(answer.status);
    }
  }

  swap(html) {
    const old = this.element;
    if (old.querySelector("dialog[open]") || old.querySelector("[data-asked]")) return false;
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const active = old.contains(document.activeElement) ? pathTo(document.activeElement, old) : null;
    const open = all("details[data-keep][open]", old).map((one) => one.dataset.keep);
    const scrolls = all(".scroll", old).map((one) => [one.scrollLeft, one.scrollTop]);
    const known = new Set(all("[data-key]", old).map((row) => row.dataset.key));
    for (const row of all("[data-key]", fresh.content)) {
      if (known.size && !known.has(row.dataset.key)) row.classList.add("is-new");
    }
    old.replaceChildren(fresh.content);
    for (const one of all("details[data-keep]", old)) one.open = open.includes(one.dataset.keep);
    all(".scroll", old).forEach((one, index) => {
      if (scrolls[index]) [one.scrollLeft, one.scrollTop] = scrolls[index];
    });
    if (active) follow(active, old)?.focus({ preventScroll: true });
    showLink();
    return true;
  }

  // The last good data stays; a line above it says how old it is.
  fail(status) {
    this.element.querySelector(".state.late")?.remove();
    const note = document.createElement("div");
    note.className = "state error late";
    note.setAttribute("role", "alert");
    const since = wall(this.fetched ?? loadedAt);
    note.innerHTML = "<strong></strong><button type=button class=quiet data-retry>Try again</button>";
    note.firstChild.textContent = `Not refreshed (${status}): data from ${since} UTC.`;
    this.element.prepend(note);
  }
}

function pathTo(node, root) {
  const path = [];
  for (let at = node; at !== root; at = at.parentElement) {
    path.unshift([...at.parentElement.children].indexOf(at));
  }
  return path;
}

function follow(path, root) {
  return path.reduce((at, index) => at?.children[index], root);
}

const refreshAll = () => panels.forEach((panel) => panel.refresh());

// The socket -------------------------------------------------------------------------------

const loadedAt = Date.now();
let socket = null;
let heardAt = Date.now();
let lastSeq = 0;
let tries = 0;
let isStale = false;

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  lastSeq = 0;
  socket = new WebSocket(`${scheme}://${location.host}/ws/live/?topics=${body.dataset.live}`);
  socket.onmessage = (event) => hear(JSON.parse(event.data));
  socket.onclose = (event) => {
    socket = null;
    if (event.code === SIGNED_OUT) { location.reload(); return; }
    if (!FATAL.has(event.code)) setTimeout(connect, jitter());
  };
}

// Between 0.5 and 15 s, wider with every failure, never in step with other pages.
function jitter() {
  const ceiling = Math.min(15000, 1000 * 2 ** tries);
  tries += 1;
  return 500 + Math.random() * (ceiling - 500);
}

function hear(message) {
  heardAt = Date.now();
  const hasGap = message.seq !== lastSeq + 1;
  lastSeq = message.seq;
  if (isStale) setStale(false);
  if (message.topic === "hello") { tries = 0; refreshAll(); showLink(); return; }
  if (hasGap) { refreshAll(); return; }
  if (message.topic === "beat") return;
  if (message.account && String(message.account) !== body.dataset.account) return;
  panels.forEach((panel) => { if (panel.topics.has(message.topic)) panel.refresh(); });
}

function setStale(stale) {
  isStale = stale;
  document.documentElement.classList.toggle("is-stale", stale);
  const band = document.querySelector("[data-stale]");
  if (band) {
    band.hidden = !stale;
    band.textContent = stale ? `STALE since ${wall(heardAt)} UTC wall time. Reconnecting; numbers below are the last received.` : "";
  }
  showLink();
}

function showLink() {
  const link = document.querySelector("[data-link]");
  if (!link) return;
  const isLive = !isStale && socket?.readyState === WebSocket.OPEN;
  link.classList.toggle("is-live", isLive);
  link.classList.toggle("is-lost", isStale);
  link.querySelector("[data-link-text]").textContent = isStale ? "stale" : isLive ? "live" : "connecting";
}

// Chart ------------------------------------------------------------------------------------

function trace(event) {
  const chart = event.target.closest?.("[data-chart]");
  for (const other of all("[data-chart]")) if (other !== chart) untrace(other);
  if (!chart) return;
  const box = chart.querySelector(".plot-box").getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  chart.points ??= chart.dataset.points.split("|").map((row) => row.split(";"));
  let best = chart.points[0];
  for (const point of chart.points) if (Math.abs(point[0] - share) < Math.abs(best[0] - share)) best = point;
  const [x, y, , day, equity, down] = best;
  for (const line of all("[data-cursor]", chart)) { line.hidden = false; line.style.left = `${x * 100}%`; }
  const knob = chart.querySelector("[data-knob]");
  knob.hidden = false;
  knob.style.left = `${x * 100}%`;
  knob.style.top = `${y * 100}%`;
  const readout = chart.querySelector("[data-readout]");
  readout.hidden = false;
  readout.textContent = `${day} · ${equity} · drawdown ${down}`;
}

function untrace(chart) {
  for (const mark of all("[data-cursor], [data-knob], [data-readout]", chart)) mark.hidden = true;
}

// Clicks -----------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-dialog], [data-close], [data-retry], [data-range], [data-to]");
  if (!event.target.closest(".menu")) all(".menu[open]").forEach((menu) => { menu.open = false; });
  if (!target) return;
  if (target.dataset.dialog) document.getElementById(target.dataset.dialog)?.showModal();
  if ("close" in target.dataset) target.closest("dialog")?.close();
  if ("retry" in target.dataset) panels.get(target.closest("[data-panel]"))?.refresh();
  if (target.dataset.range) { event.preventDefault(); setRange(target); }
  if (target.dataset.to) setTheme(target);
});

function setRange(link) {
  const section = link.closest("[data-panel]");
  const src = new URL(section.dataset.src, location.href);
  src.searchParams.set("range", link.dataset.range);
  section.dataset.src = src.pathname + src.search;
  section.dataset.etag = "";
  history.replaceState(null, "", `?range=${link.dataset.range}`);
  panels.get(section).refresh();
}

function setTheme(button) {
  document.documentElement.dataset.theme = button.dataset.to;
  document.cookie = `theme=${button.dataset.to}; path=/; max-age=31536000; samesite=lax`;
  for (const one of all("[data-to]")) one.setAttribute("aria-pressed", String(one === button));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !form.dataset.sure) {
    event.preventDefault();
    ask(form, event.submitter);
    return;
  }
  // A second click must not send a second wish; the name and value of the button still count.
  if (form.method === "post") setTimeout(() => all("button", form).forEach((one) => { one.disabled = true; }));
});

function ask(form, submitter) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.innerHTML = '<form method="dialog"><h2>Are you sure?</h2><p></p><div class="actions"><button class="quiet" value="">Cancel</button><button class="danger" value="yes"></button></div></form>';
  dialog.querySelector("p").textContent = form.dataset.confirm;
  dialog.querySelector(".danger").textContent = submitter?.textContent ?? "Go on";
  form.dataset.asked = "";
  dialog.addEventListener("close", () => {
    delete form.dataset.asked;
    if (dialog.returnValue === "yes") { form.dataset.sure = "yes"; form.requestSubmit(submitter); }
    dialog.remove();
  });
  body.append(dialog);
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "K" && event.shiftKey && !event.target.closest("input, select, textarea, dialog")) {
    document.getElementById("kill-dialog")?.showModal();
  }
  if (event.key === "Escape") all(".menu[open]").forEach((menu) => { menu.open = false; });
});
document.addEventListener("pointermove", trace);
document.addEventListener("change", (event) => event.target.closest("form[data-auto], form.switch")?.requestSubmit());
const refreshWaiting = () => panels.forEach((panel) => { if (panel.waiting) panel.refresh(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshWaiting(); });
document.addEventListener("close", refreshWaiting, true);

// Start ------------------------------------------------------------------------------------

for (const element of all("[data-panel]")) panels.set(element, new Panel(element));
if (body.dataset.live) {
  connect();
  setInterval(() => {
    if (!isStale && Date.now() - heardAt > STALE_AFTER) setStale(true);
    showLink();
  }, 1000);
  setInterval(() => { if (!document.hidden) refreshAll(); }, LOOK_AGAIN);
}
