/** A button whose work takes a while: pressed again meanwhile it does nothing, and it keeps the focus all the time. */
import { setText } from "./dom.js";

/** `tell(error)` says what went wrong; null as the work begins. */
export async function busy(button, work, tell) {
  if (button?.getAttribute("aria-disabled") === "true") return;
  button?.setAttribute("aria-disabled", "true");
  tell(null);
  try {
    await work();
  } catch (error) {
    tell(error);
  } finally {
    button?.removeAttribute("aria-disabled");
  }
}

/** A `tell` that writes into a node with the role of an alert. */
export function into(node) {
  return (error) => {
    node.hidden = error === null;
    setText(node, error?.message ?? "");
  };
}
