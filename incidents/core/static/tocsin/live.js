// Keeps a page fresh. Without it every page works, too: it is only as old as its last loading.
//
//   <section data-live="/admin/cockpit/" data-every="5">…</section>   fetched again every 5 seconds
//   <p data-live-state></p>                       says since when that has failed
//   <time data-due="2026-03-02T10:04:10Z">in 4 min 10 s</time>        counts down
//   <time data-since="2026-03-02T09:00:00Z">1 h 00 min</time>         counts up
//   <… data-now="2026-03-02T10:00:00Z">           the server's clock: this one may be wrong
//
// Answers with the header "X-Requested-With: live" are just what goes into the section.
(function () {
  "use strict";

  // --- Durations, in the words of incidents/timers/wording.py ---------------------------------

  let skew = 0;  // milliseconds by which this clock is ahead of the server's

  function learnTheTime(root) {
    const known = root.matches?.("[data-now]") ? root : root.querySelector("[data-now]");
    const at = known ? Date.parse(known.dataset.now) : NaN;
    if (!Number.isNaN(at)) skew = Date.now() - at;
  }

  function two(number) {
    return String(number).padStart(2, "0");
  }

  function span(seconds, withSeconds) {
    const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
    if (minutes < 1) return `${seconds} s`;
    if (minutes < 10 && withSeconds) return `${minutes} min ${seconds % 60} s`;
    if (hours < 1) return `${minutes} min`;
    if (hours < 48) return `${hours} h ${two(minutes % 60)} min`;
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  }

  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tellTheTime() {
    const now = Date.now() - skew;
    for (const time of document.querySelectorAll("[data-due]")) {
      const left = Math.round((Date.parse(time.dataset.due) - now) / 1000);
      if (Number.isNaN(left)) continue;
      say(time, left >= 0 ? `in ${span(left, true)}` : `${span(-left, false)} overdue`);
      time.classList.toggle("t-overdue", left < 0);
    }
    for (const time of document.querySelectorAll("[data-since]")) {
      const passed = Math.round((now - Date.parse(time.dataset.since)) / 1000);
      if (!Number.isNaN(passed)) say(time, span(Math.max(passed, 0), false));
    }
  }

  // --- Fragments ------------------------------------------------------------------------------

  // How to find an element again when everything around it was replaced; null: it cannot be.
  function trace(element) {
    if (element.matches("input, select, textarea, [contenteditable]")) return null;
    if (element.id) return `#${CSS.escape(element.id)}`;
    const href = element.getAttribute("href");
    return href ? `a[href="${CSS.escape(href)}"]` : null;
  }

  function focusedIn(section) {
    const element = document.activeElement;
    return element && element !== section && section.contains(element) ? element : null;
  }

  // Nothing is taken away from under somebody's hands.
  function isInUse(section) {
    const focused = focusedIn(section);
    if (focused && trace(focused) === null) return true;
    if (section.querySelector("details[open]:not([data-open]), dialog[open]")) return true;
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && selection.containsNode(section, true));
  }

  function put(section, html) {
    const focused = focusedIn(section);
    const path = focused && trace(focused);
    section.innerHTML = html;
    if (path) section.querySelector(path)?.focus({ preventScroll: true });
    learnTheTime(section);
    tellTheTime();
    section.dispatchEvent(new CustomEvent("live:replaced", { bubbles: true }));
  }

  const failing = new Map();  // section → since when it could not be fetched

  function tellState() {
    const first = [...failing.values()].sort((one, other) => one - other)[0];
    const since = first && `${two(first.getHours())}:${two(first.getMinutes())}`;
    for (const element of document.querySelectorAll("[data-live-state]")) {
      say(element, first ? `Not live since ${since}: the server does not answer.` : "");
      element.hidden = !first;
    }
  }

  function keepFresh(section) {
    const every = Math.max(Number(section.dataset.every) || 5, 1) * 1000;
    let fetchedAt = Date.now(), before = null;

    async function refresh() {
      const signal = AbortSignal.timeout(10000);
      const headers = { "X-Requested-With": "live" };
      const answer = await fetch(section.dataset.live, { headers, signal, cache: "no-store" });
      if (answer.redirected) return location.reload();  // logged out: the page says so
      if (!answer.ok) throw new Error(answer.statusText);
      const html = await answer.text();
      if (html !== before && !isInUse(section)) {
        put(section, html);
        before = html;
      }
      failing.delete(section);
    }

    async function watch() {
      if (!document.hidden && !isInUse(section) && Date.now() - fetchedAt >= every) {
        try {
          await refresh();
        } catch {
          if (!failing.has(section)) failing.set(section, new Date());
        }
        tellState();
        fetchedAt = Date.now();
      }
      if (section.isConnected) setTimeout(watch, Math.min(every, 1000));
    }

    watch();
  }

  // --- Menus ----------------------------------------------------------------------------------

  // Escape and a click elsewhere close them, as people expect of menus.
  function closeMenus(isDone) {
    for (const menu of document.querySelectorAll("details.t-menu[open]")) {
      if (isDone(menu)) menu.open = false;
    }
  }

  document.addEventListener("click", (event) => closeMenus((menu) => !menu.contains(event.target)));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    closeMenus((menu) => {
      if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
      return true;
    });
  });

  // --- Beginning ------------------------------------------------------------------------------

  function begin() {
    learnTheTime(document.documentElement);
    tellTheTime();
    setInterval(tellTheTime, 1000);
    document.querySelectorAll("[data-live]").forEach(keepFresh);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
