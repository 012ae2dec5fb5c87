/** The frame: which view is open, how much time it shows, and when it asks again. */
import { Alarms } from "./alarms.js";
import { ask } from "./api.js";
import { Boards } from "./boards.js";
import { focusHeld } from "./focus.js";
import { Logs } from "./logs.js";
import { byId, element } from "./make.js";
import { ServiceMap } from "./map.js";
import { Runbooks } from "./runbooks.js";
import { Traces } from "./traces.js";

const VIEWS = { boards: Boards, alarms: Alarms, traces: Traces, map: ServiceMap, logs: Logs, runbooks: Runbooks };
const RANGES = [[5, "5 m"], [15, "15 m"], [60, "1 h"], [180, "3 h"]];
const EVERY_MS = 5000;
const KEYS = { d: "boards", a: "alarms", t: "traces", m: "map", l: "logs" };

let kind = "";
let view = null;
let live = true;
let asking = false;

const context = {
  minutes: stored(),
  alarming(count) {
    byId("alarming").textContent = count;
    byId("alarming").hidden = !count;
  },
  /** Run what asks the server; what goes wrong is said at the top of the page until something goes right. */
  async attempt(work) {
    const giveBack = focusHeld(byId("view"));
    try {
      await work();
      giveBack();
      byId("problem").hidden = true;
      return true;
    } catch (error) {
      byId("problem").textContent = error instanceof TypeError ? "localcloud does not answer. Asking again…" : error.message;
      byId("problem").hidden = false;
      return false;
    }
  },
};

function stored() {
  try {
    return Number(sessionStorage.getItem("minutes")) || 15;
  } catch {
    return 15; // storage may be forbidden
  }
}

function choose(minutes) {
  context.minutes = minutes;
  try {
    sessionStorage.setItem("minutes", minutes);
  } catch {
    // then for as long as the page is open
  }
  for (const button of byId("ranges").children) button.ariaPressed = String(Number(button.value) === minutes);
  refresh();
}

async function route() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").map(decodeURIComponent);
  const chosen = VIEWS[name] ? name : "boards";
  if (chosen !== kind) {
    view?.close();
    kind = chosen;
    const host = element("div", { className: `view ${kind}` });
    byId("view").replaceChildren(host);
    view = new VIEWS[kind](host, context);
  }
  for (const tab of byId("nav").children) tab.ariaCurrent = tab.dataset.view === kind ? "page" : null;
  const opened = view;
  await context.attempt(() => opened.open(rest.filter(Boolean), new URLSearchParams(search)));
}

async function refresh() {
  if (asking || !view) return;
  asking = true;
  const shown = view;
  await context.attempt(() => shown.refresh());
  asking = false;
}

async function countAlarms() {
  const { alarms } = await ask("alarms");
  context.alarming(alarms.filter(({ state }) => state === "ALARM").length);
}

function setLive(wanted) {
  live = wanted;
  byId("live").ariaPressed = String(live);
  byId("live").textContent = live ? "Live" : "Paused";
  if (live) refresh();
}

function onKey(event) {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape" && typing) typing.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const at = RANGES.findIndex(([minutes]) => minutes === context.minutes);
  const actions = {
    "[": () => view.turn?.(-1),
    "]": () => view.turn?.(1),
    "-": () => choose(RANGES[Math.max(0, at - 1)][0]),
    "+": () => choose(RANGES[Math.min(RANGES.length - 1, at + 1)][0]),
    r: refresh,
    p: () => setLive(!live),
    c: () => window.theme.toggle(),
    "?": () => byId("help").showModal(),
    "/": () => document.querySelector("#view .find")?.focus(),
  };
  const action = KEYS[event.key] ? () => { location.hash = `#/${KEYS[event.key]}`; } : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

byId("ranges").append(...RANGES.map(([minutes, text]) => {
  const button = element("button", { type: "button", value: minutes, textContent: text });
  button.addEventListener("click", () => choose(minutes));
  return button;
}));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // its hash would be a view's
  byId("view").focus();
});
byId("live").addEventListener("click", () => setLive(!live));
byId("theme").addEventListener("click", () => window.theme.toggle());
byId("help-open").addEventListener("click", () => byId("help").showModal());
byId("help-close").addEventListener("click", () => byId("help").close());
addEventListener("hashchange", route);
addEventListener("keydown", onKey);
addEventListener("theme", () => view?.recolour?.());
document.addEventListener("visibilitychange", () => { if (live && !document.hidden) refresh(); });
setInterval(() => {
  if (!live || document.hidden) return;
  refresh();
  if (kind !== "alarms") context.attempt(countAlarms);
}, EVERY_MS);
await route();
choose(context.minutes);
context.attempt(countAlarms);
