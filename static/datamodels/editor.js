// Line numbers beside a text area, and a way to a line. Without it the text area works all the same.

function lineStart(text, number) {
  let at = 0;
  for (let line = 1; line < number && at >= 0; line += 1) at = text.indexOf("\n", at) + 1 || text.length;
  return at;
}

function setUp(editor) {
  const area = editor.querySelector("textarea");
  const gutter = editor.querySelector("pre");
  const draw = () => {
    const count = area.value.split("\n").length;
    gutter.textContent = Array.from({ length: count }, (_, index) => index + 1).join("\n");
  };
  const follow = () => { gutter.scrollTop = area.scrollTop; };
  const goTo = (number) => {
    const start = lineStart(area.value, number);
    const end = area.value.indexOf("\n", start);
    area.focus({ preventScroll: true });
    area.setSelectionRange(start, end < 0 ? area.value.length : end);
    area.scrollTop = Math.max(0, (number - 6) * parseFloat(getComputedStyle(area).lineHeight));
    area.scrollLeft = 0;
    area.scrollIntoView({ block: "nearest" });
    follow();
  };
  const goToHash = () => {
    const found = /^#line-(\d+)$/.exec(window.location.hash);
    if (found) goTo(Number(found[1]));
  };
  area.addEventListener("input", draw);
  area.addEventListener("scroll", follow);
  window.addEventListener("hashchange", goToHash);
  for (const link of document.querySelectorAll("a[data-line]")) {
    link.addEventListener("click", (event) => { event.preventDefault(); goTo(Number(link.dataset.line)); });
  }
  let isChanged = false;
  area.addEventListener("input", () => { isChanged = true; });
  area.form?.addEventListener("submit", () => { isChanged = false; });
  window.addEventListener("beforeunload", (event) => { if (isChanged) event.preventDefault(); });
  draw();
  goToHash();
}

document.querySelectorAll("[data-editor]").forEach(setUp);
