// The administration's theme writes its behaviour as expressions in attributes. Alpine's build for strict policies reads
// them without evaluating text as script; it knows no statements, no arrow functions and nothing of the window. What the
// theme calls is named here, and the few expressions beyond that are said in other words.
(function () {
  "use strict";
  const SIDEBAR = "sidebarDesktopOpen";

  function remembers(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // private windows may refuse storage
    }
  }

  function remember(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // the choice then lasts for this page
    }
  }

  function frame(firstTab) {
    return {
      activeTab: firstTab,
      sidebarMobileOpen: false,
      sidebarDesktopOpen: remembers(SIDEBAR) !== "0",
      sortRecords,
      moveRecords,
      init() {
        this.activeTab = getCurrentTab() || firstTab;
        this.$watch(SIDEBAR, (isOpen) => remember(SIDEBAR, isOpen ? "1" : "0"));
      },
    };
  }

  function searching() {
    return {
      ...searchDropdown(),
      leave() {
        this.openSearchResults = false;
        const box = this.$refs.searchInput;
        if (box.value === "") box.blur();
        else box.value = "";
      },
    };
  }

  function commanding() {
    return {
      ...searchCommand(),
      enter(event, addsHistory) {
        if (!event.metaKey && !event.ctrlKey) this.selectItem(addsHistory, false);
      },
    };
  }

  // [attribute, what the theme writes, the same in other words]
  const WORDS = [
    ["x-data", /^\s*\{\s*(?:activeTab: ('[^']*'),)?\s*sidebarMobileOpen:/, (found) => `frame(${found[1] || "''"})`],
    ["x-init", /^\s*activeTab = /, () => "true"],
    ["x-on:click", /^sidebarDesktopOpen = !sidebarDesktopOpen;/, () => "sidebarDesktopOpen = !sidebarDesktopOpen"],
    ["x-on:keydown.escape.prevent", /^openSearchResults = false; if /, () => "leave()"],
    ["x-on:keydown.enter.prevent", /^if \(!\$event\.metaKey .*selectItem\((true|false), false\)$/, (found) => `enter($event, ${found[1]})`],
    ["x-on:click.prevent", /^window\.location\.href = \$el\.href \+ window\.location\.hash$/, () => "$followKeepingTab()"],
    ["x-bind:action", /^activeTab && activeTab !== 'general' \? window\.location/, () => "$addressOf(activeTab)"],
    ["x-init", /^const \$ = django\.jQuery;.*\{ (\w+) = select\.val\(\); \}/, (found) => `$followChoice('${found[1]}')`],
  ];

  function inOtherWords({ name, value }) {
    for (const [attribute, pattern, say] of WORDS) {
      const found = name === attribute && pattern.exec(value);
      if (found) return { name, value: say(found) };
    }
    return { name, value };
  }

  document.addEventListener("alpine:init", () => {
    Alpine.data("theme", theme);
    Alpine.data("frame", frame);
    Alpine.data("searchForm", searchForm);
    Alpine.data("searchDropdown", searching);
    Alpine.data("searchCommand", commanding);
    Alpine.magic("followKeepingTab", (link) => () => {
      location.href = link.href + location.hash;
    });
    Alpine.magic("addressOf", () => (tab) => {
      const mark = tab && tab !== "general" ? "#" + tab : "";
      return location.pathname + location.search + mark;
    });
    // select2 tells of a choice through jQuery alone
    Alpine.magic("followChoice", (select) => (name) => {
      django.jQuery(select).on("change", () => {
        Alpine.$data(select)[name] = select.value;
      });
    });
    Alpine.mapAttributes(inOtherWords);
  });
})();
