/* Runs before the first paint, hence not a module: the chosen colours, else the system's. */
(() => {
  const KEY = "defi-stream-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden: then the choice lasts as long as the page
    }
  };
  let chosen = stored();

  function apply() {
    document.documentElement.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    dispatchEvent(new Event("theme"));
  }

  window.theme = {
    get current() {
      return document.documentElement.dataset.theme;
    },
    toggle() {
      chosen = this.current === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(KEY, chosen);
      } catch {
        // see above
      }
      apply();
    },
  };
  system.addEventListener("change", apply);
  apply();
})();
