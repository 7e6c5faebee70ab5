// The panel that says why: it opens when its text has come, and closes by its button, Escape, or a click beside it.
(function () {
  "use strict";

  document.addEventListener("htmx:afterSwap", (event) => {
    const panel = event.detail.target;
    if (panel.id !== "why" || !panel.firstElementChild) return;
    panel.scrollTop = 0;
    if (!panel.open) panel.showModal();
  });

  document.addEventListener("click", (event) => {
    if (event.target.id === "why") event.target.close();
  });
})();
