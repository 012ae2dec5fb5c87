/** Small tools for the document. */

export const byId = (id) => document.getElementById(id);

/** Write only what differs: an unchanged cell costs no layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setData(node, key, value) {
  if (node.dataset[key] !== value) node.dataset[key] = value;
}

/** An element with properties and children: `element("li", {className: "x"}, "text", child)`. */
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function fillOptions(select, options) {
  select.replaceChildren(...options.map(([value, label, disabled = false]) => {
    const option = new Option(label, value);
    option.disabled = disabled;
    return option;
  }));
}

/** Run `paint` at most once per animation frame, however often the returned function is called. */
export function everyFrame(paint) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      paint();
    });
  };
}
