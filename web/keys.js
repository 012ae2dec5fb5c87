/** The keyboard: see the help dialog for what it promises. */
import { byId } from "./dom.js";
import { RANGES } from "./history.js";

const isField = (node) => node.matches?.("input, select, textarea");

export function bindKeys({ table, detail, alerts }) {
  const filter = byId("filter");
  const help = byId("help");

  filter.addEventListener("input", () => table.set({ filter: filter.value }));
  byId("help-open").addEventListener("click", () => help.showModal());
  byId("help-close").addEventListener("click", () => help.close());
  detail.onOpen = (row) => table.opened(row);
  detail.onClose = () => table.closed();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the fragment is not for places
    table.move({});
  });

  const rowKeys = {
    ArrowDown: () => table.move({ step: 1 }),
    ArrowUp: () => table.move({ step: -1 }),
    PageDown: () => table.move({ step: 10 }),
    PageUp: () => table.move({ step: -10 }),
    Home: () => table.move({ index: 0 }),
    End: () => table.move({ index: Infinity }),
    Enter: () => table.openSelected(),
  };
  const pageKeys = {
    "/": () => filter.focus(),
    "?": () => help.showModal(),
    Escape: () => detail.close() || table.leave(),
    a: () => alerts.create(table.current() ?? detail.row?.topic ?? ""),
    b: () => alerts.open(),
    c: () => detail.chart.toggleStyle(),
    ...Object.fromEntries(RANGES.map((_, index) => [String(index + 1), () => detail.chart.chooseRange(index)])),
  };

  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaveFilter();
    else if (event.key === "ArrowDown" || event.key === "Enter") table.move({ index: 0 });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  function leaveFilter() {
    if (filter.value) {
      filter.value = "";
      table.set({ filter: "" });
    } else filter.blur();
  }

  document.addEventListener("keydown", (event) => {
    if (help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isField(event.target) && event.key !== "Escape") return;
    const inTable = event.target === document.body || event.target.closest?.("#rows");
    const action = pageKeys[event.key] ?? (inTable ? rowKeys[event.key] : null);
    if (!action) return;
    action();
    event.preventDefault();
  });
}
