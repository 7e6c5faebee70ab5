// Draws each chart from the specification that came with it. Colours are read from the page's style, so that a chart
// follows the theme; the specification itself has none.
(function () {
  "use strict";

  const drawn = new Map();

  function colours(names) {
    // A probe element resolves light-dark() and var() to the colour that applies now.
    const probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
    const found = {};
    for (const name of names) {
      probe.style.color = "var(--" + name + ")";
      found[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    return found;
  }

  const NAMES = [
    "surface", "chart-grid", "chart-label", "line-strong", "heat-low", "heat-mid", "heat-high",
    "series-1", "series-2", "series-3", "series-4", "series-5", "series-6",
  ];

  function config() {
    const colour = colours(NAMES);
    const series = [1, 2, 3, 4, 5, 6].map((number) => colour["series-" + number]);
    const heat = [colour["heat-low"], colour["heat-mid"], colour["heat-high"]];
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: "transparent",
      font: font,
      view: { stroke: null },
      range: { category: series, heatmap: heat, ramp: heat },
      bar: { color: series[0] },
      line: { color: series[0] },
      area: { color: series[0] },
      point: { color: series[0] },
      axis: {
        gridColor: colour["chart-grid"], domainColor: colour["line-strong"], labelColor: colour["chart-label"],
        ticks: false, labelPadding: 8, labelFontSize: 11,
      },
      axisX: { grid: false },
      axisY: { domain: false },
      legend: { labelColor: colour["chart-label"], titleColor: colour["chart-label"], titleFontWeight: 500 },
    };
  }

  function tooltip(handler, event, item, value) {
    // Plain text nodes in an element of ours: nothing from the data is ever read as markup.
    let box = document.getElementById("chart-tooltip");
    if (value === null || value === undefined || value === "") {
      if (box) box.hidden = true;
      return;
    }
    if (!box) {
      box = document.createElement("dl");
      box.id = "chart-tooltip";
      box.className = "chart-tooltip";
      box.setAttribute("aria-hidden", "true");
      document.body.append(box);
    }
    box.replaceChildren();
    // Over the invisible cells around the points of a line the row stands one level deeper than Vega-Lite looks.
    const row = item && item.isVoronoi && item.datum ? item.datum.datum : null;
    for (const [place, name] of Object.keys(value).entries()) {
      const text = row ? row["t" + place] : value[name];
      const term = document.createElement("dt");
      const detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = String(text);
      box.append(term, detail);
    }
    box.hidden = false;
    const left = Math.min(event.clientX + 14, window.innerWidth - box.offsetWidth - 8);
    const top = Math.min(event.clientY + 14, window.innerHeight - box.offsetHeight - 8);
    box.style.transform = "translate(" + Math.max(8, left) + "px," + Math.max(8, top) + "px)";
  }

  async function draw(element) {
    const source = document.getElementById(element.dataset.spec);
    if (!source || !window.vegaEmbed || element.dataset.drawing) return;
    element.dataset.drawing = "1";
    try {
      if (drawn.has(element)) drawn.get(element).finalize();
      const result = await window.vegaEmbed(element, JSON.parse(source.textContent), {
        ast: true, actions: false, defaultStyle: false, renderer: "svg", config: config(), tooltip: tooltip,
      });
      drawn.set(element, result);
      rooms.observe(element);
      element.classList.add("is-drawn");
    } catch {
      element.classList.add("is-failed");
      const data = element.closest(".tile") && element.closest(".tile").querySelector(".tile-data");
      if (data) data.open = true;
    } finally {
      delete element.dataset.drawing;
    }
  }

  // Vega measures its room when the window changes; here rooms also change when a neighbour in the row arrives.
  let measuring = 0;
  const rooms = new ResizeObserver(() => {
    clearTimeout(measuring);
    measuring = setTimeout(() => window.dispatchEvent(new Event("resize")), 60);
  });

  function sweep() {
    for (const [element, result] of drawn) {
      if (!element.isConnected) {
        result.finalize();
        rooms.unobserve(element);
        drawn.delete(element);
      }
    }
  }

  function drawAll(root, again) {
    sweep();
    const elements = root.matches && root.matches(".chart") ? [root] : root.querySelectorAll(".chart");
    for (const element of elements) {
      if (again || !drawn.has(element)) draw(element);
    }
  }

  document.addEventListener("omni:vega", () => drawAll(document, false));
  document.addEventListener("omni:theme", () => drawAll(document, true));
  document.addEventListener("DOMContentLoaded", () => drawAll(document, false));
  document.addEventListener("htmx:load", (event) => drawAll(event.detail.elt, false));
  window.addEventListener("scroll", () => tooltip(null, null, null, null), { passive: true });
})();
