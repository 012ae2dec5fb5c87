/** Asks for the API key that alerts need, tries it, and begins the page anew with it. */
import { Api } from "./api.js";
import { enterKey, isEntered } from "./apikey.js";
import { byId, setText } from "./dom.js";

/** Shown while there is no key; with one that was entered here it can be forgotten. */
export function bindKeyForm({ baseUrl, key }) {
  const form = byId("key-form");
  const error = byId("key-error");
  form.hidden = key !== null;
  byId("key-entered").hidden = !isEntered();
  byId("key-forget").addEventListener("click", () => begin(null));

  function refuse(text) {
    error.hidden = false;
    setText(error, text);
    byId("key").focus();
  }

  function begin(entered) {
    if (enterKey(entered)) location.reload();
    else refuse("Your browser keeps nothing for this page. Open it with #key=… at the end of its address.");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.hidden = true;
    const entered = byId("key").value.trim();
    try {
      await new Api({ baseUrl, key: entered }).ask("endpoints");
      begin(entered);
    } catch (problem) {
      refuse(problem.status === 401 || problem.status === 403 ? "This key is not known here." : `It cannot be tried: ${problem.message}.`);
    }
  });
}
