// Runs before the first paint: the remembered theme wins over the system's. Without storage the system decides.
(function () {
  "use strict";
  const root = document.documentElement;
  const KEY = "omni-theme";

  function remembered() {
    try {
      const value = localStorage.getItem(KEY);
      return value === "light" || value === "dark" ? value : null;
    } catch {
      return null;
    }
  }

  function isDark() {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function announce() {
    document.dispatchEvent(new CustomEvent("omni:theme", { detail: { isDark: isDark() } }));
  }

  function toggle() {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // Private windows may refuse storage; the choice then lasts for this page.
    }
    announce();
  }

  const chosen = remembered();
  if (chosen) root.dataset.theme = chosen;
  root.classList.add("has-js");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);

  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.hidden = false;
      button.addEventListener("click", toggle);
    }
  });

  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
})();
