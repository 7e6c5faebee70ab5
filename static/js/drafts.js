// What somebody has filled in when their sign-in ends comes back after the next one, and they are told beforehand.
//
// Nothing of it reaches the server. It lies in this tab alone, sealed with a key that the server gives to the same person
// only: whoever signs in after them at the same screen cannot read it. Passwords, files and hidden fields are left out.
// It is thrown away with the next page, unless that page asks for a sign-in; after an hour; and at sign-out.
(function () {
  "use strict";
  const NAME = "omni-draft";
  const LASTS_MS = 60 * 60 * 1000;
  const TOLD_S = 5 * 60;
  const ASK = "/accounts/sessions/ending/";
  const AWAY = ["/accounts/sign-in/", "/accounts/confirm/"];
  const LEFT_OUT = ["password", "file", "hidden", "submit", "button", "image", "reset"];
  // What is a secret when the page comes is one still when an extension shows it as text.
  const secrets = new WeakSet(document.querySelectorAll("input[type=password], [autocomplete=new-password]"));
  let key = null;
  let timer = 0;
  let turn = 0;

  function held() {
    try {
      return JSON.parse(sessionStorage.getItem(NAME));
    } catch {
      return null; // private windows may refuse storage
    }
  }

  function hold(draft) {
    try {
      if (draft) sessionStorage.setItem(NAME, JSON.stringify(draft));
      else sessionStorage.removeItem(NAME);
    } catch {
      // then nothing is kept
    }
  }

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const text = (found) => btoa(Array.from(new Uint8Array(found), (one) => String.fromCharCode(one)).join(""));
  const how = (iv) => ({ name: "AES-GCM", iv, additionalData: new TextEncoder().encode(location.pathname) });

  async function sealed(said) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const data = await crypto.subtle.encrypt(how(iv), key, new TextEncoder().encode(JSON.stringify(said)));
    return [text(iv), text(data)];
  }

  async function opened([iv, data]) {
    const found = await crypto.subtle.decrypt(how(bytes(iv)), key, bytes(data));
    return JSON.parse(new TextDecoder().decode(found));
  }

  // [form's place, field's name, its place among those of the name, field]
  function fields() {
    return [...document.forms].filter((form) => form.method === "post").flatMap((form, place) => {
      const counts = {};
      return [...form.elements]
        .filter((field) => field.name && field.type && !LEFT_OUT.includes(field.type) && !secrets.has(field) && field.name !== "csrfmiddlewaretoken")
        .map((field) => [place, field.name, (counts[field.name] = (counts[field.name] ?? -1) + 1), field]);
    });
  }

  const isTicked = (field) => ["checkbox", "radio"].includes(field.type);

  function isChanged(field) {
    if (isTicked(field)) return field.checked !== field.defaultChecked;
    if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected);
    return field.value !== field.defaultValue;
  }

  function said(field) {
    if (isTicked(field)) return field.checked;
    if (field.options) return [...field.selectedOptions].map((option) => [option.value, option.text]);
    return field.value;
  }

  function fill(field, value) {
    if (isTicked(field)) field.checked = value;
    else if (field.options) {
      for (const [name, words] of value) {
        if (![...field.options].some((option) => option.value === name)) field.add(new Option(words, name));
      }
      for (const option of field.options) option.selected = value.some(([name]) => name === option.value);
    } else field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  async function keep() {
    const changed = fields().filter(([, , , field]) => isChanged(field));
    const mine = ++turn;
    const draft = changed.length ? await sealed(changed.map(([place, name, at, field]) => [place, name, at, said(field)])) : null;
    if (mine === turn) hold(draft && { path: location.pathname, at: Date.now(), sealed: draft });
  }

  async function bringBack(draft) {
    let values;
    try {
      values = await opened(draft.sealed);
    } catch {
      hold(null); // somebody else's
      return;
    }
    const here = new Map(fields().map(([place, name, at, field]) => [JSON.stringify([place, name, at]), field]));
    const missing = values.filter(([place, name, at, value]) => {
      const field = here.get(JSON.stringify([place, name, at]));
      if (field) fill(field, value);
      return !field;
    });
    const rest = missing.length ? " Rows that you had added have to be added again." : "";
    tell(`What you had filled in is back. Nothing of it was saved: look it over and send it.${rest}`);
    await keep();
  }

  function tell(words, act) {
    document.querySelector(".sign-in-word")?.remove();
    const box = document.createElement("div");
    box.className = "sign-in-word";
    box.setAttribute("role", "status");
    box.append(Object.assign(document.createElement("p"), { textContent: words }));
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: act ? "Stay signed in" : "Close" });
    button.addEventListener("click", act ?? (() => box.remove()));
    box.append(button);
    document.body.append(box);
  }

  async function asked(isUse) {
    const answer = await fetch(ASK, isUse ? {} : { headers: { "Omni-Unattended": "1" } });
    return answer.ok && !answer.redirected ? answer.json() : null;
  }

  function watch(found) {
    clearTimeout(timer);
    const left = Math.min(found.unused_s, found.ends_s);
    const kept = key ? "What you fill in stays in this tab and comes back after you have signed in again." : "What you have not sent by then is lost.";
    const told = () => {
      const time = new Date(Date.now() + Math.min(left, TOLD_S) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      const goOn = async () => {
        const anew = await asked(true);
        document.querySelector(".sign-in-word")?.remove();
        if (anew) watch(anew);
      };
      tell(`Your sign-in ends at ${time}. ${kept}`, found.unused_s < found.ends_s ? goOn : undefined);
    };
    timer = setTimeout(told, Math.max(0, left - TOLD_S) * 1000);
  }

  async function begin() {
    const draft = held();
    if (AWAY.some((path) => location.pathname.startsWith(path))) {
      if (draft) hold({ ...draft, isAway: true });
      return;
    }
    const isOver = draft && (!draft.isAway || Date.now() - draft.at > LASTS_MS);
    if (isOver) hold(null);
    if (!fields().length) return;
    const found = await asked(false);
    if (!found) return;
    if (globalThis.crypto?.subtle) key = await crypto.subtle.importKey("raw", bytes(found.key), "AES-GCM", false, ["encrypt", "decrypt"]);
    watch(found);
    if (!key) return;
    if (draft && !isOver && draft.path === location.pathname) await bringBack(draft);
    for (const kind of ["input", "change"]) document.addEventListener(kind, keep);
  }

  document.addEventListener("DOMContentLoaded", () => begin().catch(() => undefined));
})();
