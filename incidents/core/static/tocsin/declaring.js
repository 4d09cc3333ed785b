// Offers the incident types of the chosen service's runbook only. Without it all are offered, each
// under its runbook, and one of another runbook is refused with a sentence that says so.
(function () {
  "use strict";

  const types = document.querySelector("select[data-of-services]");
  const service = types?.form.elements.namedItem("service");
  if (!service) return;

  const runbooks = JSON.parse(types.dataset.ofServices);  // key of a service → its runbook
  const groups = [...types.querySelectorAll("optgroup")];
  const field = types.closest(".field, .t-field");

  function narrow() {
    const mine = `${runbooks[service.value]}:`;
    const fitting = groups.filter((group) => group.children[0].value.startsWith(mine));
    if (!types.value.startsWith(mine)) types.value = "";
    for (const group of groups) if (!fitting.includes(group)) group.remove();
    types.append(...fitting);
    field.hidden = fitting.length === 0;
  }

  service.addEventListener("change", narrow);
  narrow();
})();
