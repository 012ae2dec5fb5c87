/**
 * Whether somebody has a row under the pointer, or in focus by keyboard: then no row may move.
 *
 * A pointer holds once it has moved over the rows: one that lay there when they came does not. `onChange` when it may
 * have ended. A finger does not hover, and a click's focus does not hold.
 */
export class Hold {
  #pointing = false;
  #at = null;

  constructor(node, onChange) {
    this.node = node;
    node.addEventListener("pointermove", (event) => this.#moved(event));
    node.addEventListener("pointerleave", () => {
      this.#pointing = false;
      onChange();
    });
    node.addEventListener("focusout", onChange);
  }

  get active() {
    const focused = document.activeElement;
    return this.#pointing || (this.node.contains(focused) && focused.matches(":focus-visible"));
  }

  /** The browser repeats a resting pointer's position when rows move beneath it: that is no movement. */
  #moved({ pointerType, screenX, screenY }) {
    if (pointerType === "touch") return;
    const at = `${screenX},${screenY}`;
    if (this.#at !== null && this.#at !== at) this.#pointing = true;
    this.#at = at;
  }
}
