/** Alerts on the page: the stream's, joined to the server's rules, and the panels that show them. */
import { Api } from "./api.js";
import { ChannelsPanel } from "./channels.js";
import { MY_ALERTS } from "./commands.js";
import { Drawer, say } from "./drawer.js";
import { Endpoints } from "./endpoints.js";
import { Inbox } from "./inbox.js";
import { InboxPanel } from "./inboxpanel.js";
import { bindKeyForm } from "./keyform.js";
import { RuleBook } from "./rulebook.js";
import { RuleDialog } from "./ruledialog.js";
import { RulesPanel } from "./rulespanel.js";
import { bindNotify, Toasts } from "./toasts.js";

const UNKNOWN_ALERT = 2010;

/** `{open(), create(topic), inbox, book}`; without a key both lead to where one is asked for. */
export function bindAlerts({ stream, market, key }) {
  const drawer = new Drawer();
  const baseUrl = stream.connection.baseUrl;
  bindKeyForm({ baseUrl, key });
  if (key === null) return { open: () => drawer.open(), create: () => drawer.open() };

  const api = new Api({ baseUrl, key });
  const [book, endpoints, inbox] = [new RuleBook(api), new Endpoints(api), new Inbox()];
  const clock = (topic) => clockOf(market, topic);
  const now = () => market.tapeAt ?? Date.now();
  const dialog = new RuleDialog({ api, book, endpoints, market, clock, say });
  const tools = { book, endpoints, acknowledge, say, now, edit: (rule) => (rule ? dialog.edit(rule) : dialog.create()) };
  const panels = {
    inbox: new InboxPanel({ inbox, acknowledge }),
    rules: new RulesPanel(tools),
    channels: new ChannelsPanel({ endpoints, say }),
  };
  new Toasts({ inbox, acknowledge, open: () => drawer.open("inbox"), say });
  bindNotify(say);
  drawer.fill(panels);
  dialog.onSaved = () => drawer.open("rules");
  drawer.preferred = () => (inbox.unread ? "inbox" : null);

  /** By the socket, or, if that is down, by a request. One that is over is shown as over. */
  async function acknowledge(alert) {
    try {
      if (stream.connection.ready) await stream.acknowledge(alert);
      else await book.acknowledge(alert);
      settle(alert, "acknowledged");
    } catch (error) {
      if (error.code !== UNKNOWN_ALERT) throw error;
      settle(alert, "resolved");
    }
    panels.rules.told();
  }

  function settle(alert, state) {
    const known = inbox.get(alert.id);
    if (known) inbox.take({ ...known, state, at: new Date(now()).toISOString() });
  }

  /** What is on, and what is over by now: at first without a note, later as anything that comes. */
  async function catchUp() {
    const [asOf, ring] = [inbox.tick, book.loaded];
    try {
      await book.reread();
      inbox.reconcile(book.rules, { ring, asOf });
    } catch {
      // the stream tells what comes, and the panel says that rules cannot be read
    }
  }

  /** A rule that is changed begins anew; if it is muted by that, nobody is told that its alert is over. */
  book.addEventListener("replacing", async ({ detail: answer }) => {
    const asOf = inbox.tick;
    const rule = await answer.catch(() => null); // who asked for it says why not
    if (rule) inbox.reconcile([rule], { ring: false, asOf });
  });
  stream.addEventListener("session", () => {
    if (!stream.subscriptions.has(MY_ALERTS)) stream.subscribe([MY_ALERTS], { rate: "fastest" });
  });
  stream.addEventListener("state", ({ detail: { name } }) => {
    if (name === "live") catchUp(); // only now: what fires after this is told by the subscription
  });
  stream.addEventListener("gap", ({ detail: { topic, status } }) => {
    if (status === "lost" && topic.startsWith("alerts:")) catchUp();
  });
  stream.addEventListener("alert", ({ detail: { snapshot, ...alert } }) => {
    inbox.take(alert, { ring: !snapshot });
    panels.rules.told();
  });

  return { open: () => drawer.open(), create: (topic) => dialog.create(topic), inbox, book };
}

/** The present of a topic's times, in ms: a recording has its own. */
function clockOf(market, topic) {
  const recorded = market.rows.get(topic)?.recorded ?? market.tapeAt !== null;
  return { now: recorded ? market.tapeAt ?? Date.now() : Date.now(), recorded };
}
