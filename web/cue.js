/** Says when the side column goes on below its edge, and goes there. */
import { byId, everyFrame } from "./dom.js";

const HARDLY_ANYTHING_PX = 24;

export function bindCue() {
  const column = byId("side");
  const cue = byId("cue");
  const paint = everyFrame(() => {
    cue.hidden = column.scrollHeight - column.scrollTop - column.clientHeight < HARDLY_ANYTHING_PX;
  });
  column.addEventListener("scroll", paint, { passive: true });
  cue.addEventListener("click", () => (column.scrollTop = column.scrollHeight));
  const sizes = new ResizeObserver(paint);
  for (const node of [column, ...column.children]) sizes.observe(node);
}
