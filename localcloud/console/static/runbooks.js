/** An alarm's page. */
import { ask } from "./api.js";
import { element, link } from "./make.js";
import { markdown } from "./markdown.js";

export class Runbooks {
  constructor(host) {
    this.page = element("article", { className: "card prose" });
    host.replaceChildren(this.page);
  }

  async open([name]) {
    const { markdown: text } = await ask(`runbooks/${encodeURIComponent(name ?? "README")}`);
    const back = name === "README" ? link("#/alarms", "← Alarms") : link(`#/alarms/${encodeURIComponent(name)}`, `← ${name}`);
    this.page.replaceChildren(back, ...markdown(text, address));
  }

  async refresh() {}

  close() {}
}

/** Pages link each other by file name. */
function address(target) {
  const page = /^([A-Za-z0-9]+)\.md$/.exec(target);
  if (page) return `#/runbooks/${page[1]}`;
  return /^https?:/.test(target) ? target : null;
}
