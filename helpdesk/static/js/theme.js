// Sets light or dark before the first paint; that is why it is a plain script in the head and not a module.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // A browser may forbid storage; the page then simply follows the system.
  const recall = (key, otherwise) => {
    try {
      return localStorage.getItem(key) || otherwise;
    } catch {
      return otherwise;
    }
  };
  const keep = (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch {
      // The choice then lasts as long as the page.
    }
  };

  // A signed-in person's choice comes with the page and holds in every browser; before that this browser's own.
  let theme = root.dataset.chosenTheme || recall("theme", "system");
  const tell = (name, choice) => {
    const url = root.dataset[`${name}Url`];
    if (!url) return;
    fetch(url, {
      method: "POST",
      headers: { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content },
      body: new URLSearchParams({ [name]: choice }),
    }).catch(() => {}); // without a connection the choice lasts in this browser
  };
  let density = root.dataset.density || recall("density", "comfortable");
  let rail = recall("rail", "wide");

  const apply = () => {
    root.dataset.bsTheme = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
    root.dataset.density = density;
    root.dataset.rail = rail;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
    }
    for (const button of document.querySelectorAll("[data-density-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.densityChoice === density));
    }
  };

  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice], [data-density-choice], [data-fold-rail]");
    if (!button) return;
    if (button.dataset.themeChoice) {
      keep("theme", (theme = button.dataset.themeChoice));
      tell("theme", theme);
    }
    if (button.dataset.densityChoice) {
      keep("density", (density = button.dataset.densityChoice));
      tell("density", density);
    }
    if ("foldRail" in button.dataset) keep("rail", (rail = rail === "narrow" ? "wide" : "narrow"));
    apply();
  });
})();
