/** What has the focus is made anew with every answer: whoever goes by keyboard must not be thrown back to the start. */
const NAMED_BY = ["href", "aria-label", "value"];

/** A function that gives the focus back to what in `host` is now called as what has it at this moment. */
export function focusHeld(host) {
  const had = host.contains(document.activeElement) ? document.activeElement : null;
  const attribute = NAMED_BY.find((name) => had?.hasAttribute(name));
  const selector = attribute && `${had.localName}[${attribute}="${CSS.escape(had.getAttribute(attribute))}"]`;
  return () => {
    if (selector && !had.isConnected) host.querySelector(selector)?.focus({ preventScroll: true });
  };
}
