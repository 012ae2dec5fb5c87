/** A button that asks first: pressed once it says what it would do, pressed again it does it. */
const ASKING_MS = 5000;

/** `question` is what it says meanwhile; `say` tells it to those who do not see it. */
export function confirmed(button, question, act, say) {
  const label = button.textContent;
  const named = button.getAttribute("aria-label");
  let timer = null;

  function rest() {
    clearTimeout(timer);
    timer = null;
    button.textContent = label;
    if (named) button.setAttribute("aria-label", named);
    button.classList.remove("danger");
  }

  button.addEventListener("click", () => {
    if (timer !== null) {
      rest();
      act();
      return;
    }
    button.textContent = question;
    button.removeAttribute("aria-label");
    button.classList.add("danger");
    say(`${question} Press again to do it.`);
    timer = setTimeout(rest, ASKING_MS);
  });
  button.addEventListener("blur", () => timer !== null && rest());
}
