/** The page: one stream, one market, one table and the panels around it. */
import { readPalette } from "./charts.js";
import { byId, setText } from "./dom.js";
import { formatDate, formatDelay } from "./format.js";
import { bindCue } from "./cue.js";
import { readFragment } from "./fragment.js";
import { bindKeys } from "./keys.js";
import { Market } from "./market.js";
import { Detail, EventLog, Subscriptions } from "./panels.js";
import { Rate, Window } from "./stats.js";
import { StreamClient } from "./stream.js";
import { Table } from "./table.js";
import { bindTabs } from "./tabs.js";
import { bindAlerts } from "./alerts.js";
import { readKey } from "./apikey.js";
import { narrate } from "./narrate.js";

const DELAYS_KEPT = 200;
const FIRST_VIEW = ["price:*", "tvl:chain:*", "peg:*", "feed:*", "tvl:protocol:*"];

readPalette();
const apiKey = readKey();
const stream = new StreamClient({ baseUrl: location.origin, apiKey });
const market = new Market();
const delays = new Window(DELAYS_KEPT);
const ways = new Window(DELAYS_KEPT);
const rate = new Rate(5);
const log = new EventLog();
const detail = new Detail(stream, market);
const subscriptions = new Subscriptions(stream);
const sentAt = new WeakMap(); // update -> when its frame was sent

const table = new Table(market, {
  onOpen: (row) => detail.open(row),
  onShown: (view, now) => measure(view, now),
  onAlert: (topic) => alerts.create(topic),
});
const tabs = bindTabs({ stream, market, table });
bindCue();
narrate({ stream, log, subscriptions });

/** Only what came live says how long the way is: snapshots and replays were waiting for us. */
function measure(view, now) {
  const { row } = view;
  if (!row.fresh) return;
  const delay = now - row.publishedAt;
  view.delay(delay);
  delays.add(delay);
  const sent = sentAt.get(row.update);
  if (sent) ways.add(now - sent);
}

stream.addEventListener("updates", ({ detail: frame }) => {
  const now = Date.now();
  const sent = frame.sentAt ? Date.parse(frame.sentAt) : null;
  for (const { update } of frame.items) if (sent) sentAt.set(update, sent);
  rate.add(frame.items.length, now);
  const rows = market.apply(frame.items, now);
  table.changed(rows);
  detail.changed(rows);
});

stream.addEventListener("gap", ({ detail: { topic, status } }) => {
  const row = market.gap(topic, status);
  if (row) table.changed([row]);
});

stream.addEventListener("forget", ({ detail: topics }) => {
  market.forget(topics);
  if (topics.includes(detail.row?.topic)) detail.close();
  table.refresh();
});

stream.addEventListener("session", ({ detail: session }) => {
  if (!stream.subscriptions.size && !stream.begun) stream.subscribe(FIRST_VIEW, { rate: "fastest" });
  stream.begun = true;
  detail.follow();
  subscriptions.session(session);
  tabs.session(session);
});

// After the session's listener above: the first view's subscriptions come before that to alerts.
const alerts = bindAlerts({ stream, market, key: apiKey });
bindKeys({ table, detail, alerts });
byId("detail-alert").addEventListener("click", () => alerts.create(detail.row?.topic ?? readFragment().topic ?? ""));

addEventListener("theme", () => {
  readPalette();
  table.redraw();
  detail.redraw();
  labelTheme();
});

function labelTheme() {
  byId("theme").setAttribute("aria-label", `Change to ${theme.current === "dark" ? "light" : "dark"} colours`);
}

function paintMetrics() {
  const { counters } = stream;
  setText(byId("delay-p50"), formatDelay(delays.percentile(0.5)));
  setText(byId("delay-p95"), formatDelay(delays.percentile(0.95)));
  setText(byId("way-p50"), formatDelay(ways.percentile(0.5)));
  setText(byId("update-rate"), rate.perSecond(Date.now()).toFixed(1));
  setText(byId("duplicates"), String(counters.duplicates));
  setText(byId("gaps"), counters.lost ? `${counters.gaps} (${counters.lost} lost)` : String(counters.gaps));
  setText(byId("recovered"), String(counters.replayed));
  paintTape();
}

function paintTape() {
  byId("tape").hidden = market.tapeAt === null;
  if (market.tapeAt === null) return;
  const marks = market.interpolates ? " Values marked ~ are interpolated between recorded points." : "";
  setText(byId("tape"), `Replaying recorded data: ${formatDate(market.tapeAt)}.${marks}`);
}

addEventListener("hashchange", () => {
  if (readKey() !== apiKey) location.reload(); // another key, another session
  tabs.follow();
  detail.follow();
});
byId("theme").addEventListener("click", () => theme.toggle());
byId("retry").addEventListener("click", () => stream.connection.reconnect("asked for by hand"));
labelTheme();
table.set({});
subscriptions.paint();
setInterval(paintMetrics, 500);
stream.start();

globalThis.defiStream = { stream, market, chart: detail.chart, alerts }; // for the browser's console and the tests
