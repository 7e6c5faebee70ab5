// Small things a page of tiles does by itself: clocks tick, open filters close, a lost session leads to sign-in.
(function () {
  "use strict";
  const started = Date.now();

  function words(seconds) {
    if (seconds < 60) return Math.max(0, Math.floor(seconds)) + " s";
    if (seconds < 3600) return Math.floor(seconds / 60) + " min";
    return Math.floor(seconds / 3600) + " h";
  }

  function born(element) {
    if (!element.dataset.born) element.dataset.born = String(Date.now() - 1000 * Number(element.dataset.seconds || 0));
    return Number(element.dataset.born);
  }

  function tick() {
    for (const element of document.querySelectorAll("[data-seconds]")) {
      const text = words((Date.now() - born(element)) / 1000);
      if (element.textContent !== text) element.textContent = text;
    }
    for (const element of document.querySelectorAll("time[data-local-time]")) {
      element.textContent = new Date(element.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
      element.removeAttribute("data-local-time");
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    tick();
    setInterval(tick, 1000);
  });
  document.addEventListener("htmx:load", tick);

  // Rights can change while a page is open. A tile that may no longer be read takes the page with it, once.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const answered = new URL(event.detail.xhr.responseURL || location.href).pathname;
    if (answered.startsWith("/accounts/")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if ([401, 403, 404].includes(status) && Date.now() - started > 2000) location.reload();
  });

  // One filter open at a time; choosing in it marks its button, so that nothing is lost unseen.
  document.addEventListener("toggle", (event) => {
    const opened = event.target;
    if (!opened.matches || !opened.matches("details.filter") || !opened.open) return;
    for (const other of document.querySelectorAll("details.filter[open]")) {
      if (other !== opened) other.open = false;
    }
  }, true);

  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-narrow]")) return;
    const wanted = event.target.value.trim().toLocaleLowerCase();
    for (const option of event.target.closest(".filter-panel").querySelectorAll(".option")) {
      option.hidden = wanted !== "" && !option.textContent.toLocaleLowerCase().includes(wanted);
    }
  });
})();
