// The agenda's clock: how long the present point may still take, and how long each one took.
//
//   <section data-agenda="review-12"> … <li data-minutes="10">   a point and its minutes
//
// Kept in this browser, so that a page that is loaded again goes on. Without it the agenda is a list.
(function () {
  "use strict";

  function two(number) {
    return String(number).padStart(2, "0");
  }

  function told(milliseconds) {
    const seconds = Math.floor(Math.abs(milliseconds) / 1000);
    return `${milliseconds < 0 ? "−" : ""}${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  }

  function stored(key) {
    try {
      const kept = JSON.parse(localStorage.getItem(key) || "[]");
      return Array.isArray(kept) ? kept.filter(Number.isFinite) : [];
    } catch {
      return [];
    }
  }

  function keep(agenda) {
    const key = `tocsin-${agenda.dataset.agenda}`;
    const points = [...agenda.querySelectorAll("[data-minutes]")];
    const find = (name) => agenda.querySelector(`[data-agenda-${name}]`);
    const clock = find("clock"), whole = find("whole"), next = find("next"), reset = find("reset");
    // When each point began; one more than there are points: when the meeting was over.
    let begun = stored(key);

    function save() {
      try {
        localStorage.setItem(key, JSON.stringify(begun));
      } catch { /* A browser that keeps nothing still counts. */ }
      show();
    }

    function showPoint(point, number) {
      const minutes = Number(point.dataset.minutes), here = begun.length - 1;
      const start = begun[number], end = begun[number + 1] ?? Date.now();
      const took = start === undefined ? `${minutes} min` : `${told(end - start)} of ${minutes} min`;
      const label = point.querySelector("[data-agenda-took]");
      label.textContent = took;
      label.classList.toggle("t-late", start !== undefined && end - start > minutes * 60000);
      point.classList.toggle("t-passed", number < here);
      if (number === here) point.setAttribute("aria-current", "step");
      else point.removeAttribute("aria-current");
    }

    function show() {
      const here = begun.length - 1, isOver = here >= points.length;
      points.forEach(showPoint);
      const planned = points.reduce((sum, point) => sum + Number(point.dataset.minutes), 0);
      reset.hidden = here < 0;
      next.hidden = isOver;
      if (here < 0) {
        clock.textContent = "";
        whole.textContent = `${planned} min`;
        next.textContent = "Start the meeting";
        return;
      }
      const end = isOver ? begun[points.length] : Date.now();
      whole.textContent = `${told(end - begun[0])} of ${planned} min`;
      next.textContent = here + 1 < points.length ? "Next point" : "End the meeting";
      if (isOver) {
        clock.textContent = "Over";
        clock.classList.remove("t-overdue");
        return;
      }
      const left = Number(points[here].dataset.minutes) * 60000 - (Date.now() - begun[here]);
      clock.textContent = told(left);
      clock.classList.toggle("t-overdue", left < 0);
    }

    next.addEventListener("click", () => { begun.push(Date.now()); save(); });
    reset.addEventListener("click", () => { begun = []; save(); });
    find("controls").hidden = false;
    show();
    setInterval(show, 1000);
  }

  document.querySelectorAll("[data-agenda]").forEach(keep);
})();
