// The Abbreviations page: which short form shows its readings, and the keys among them.
(() => {
  "use strict";
  const note = () => document.getElementById("note");

  const toggle = (button) => {
    const open = button.ariaExpanded !== "true";
    note().querySelectorAll("[data-span]").forEach((one) => { one.ariaExpanded = String(open && one === button); });
    note().querySelectorAll("[data-readings]").forEach((one) => {
      one.hidden = !open || one.dataset.readings !== button.dataset.span;
    });
  };

  const step = (choice, by) => {
    const choices = [...choice.closest("ul").querySelectorAll("[data-choose]")];
    choices[(choices.indexOf(choice) + by + choices.length) % choices.length].focus();
  };

  const moves = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
  document.addEventListener("keydown", (event) => {
    const readings = event.target.closest?.("#note [data-readings]");
    if (!readings) return;
    if (event.key === "Escape") {
      const button = note().querySelector(`[data-span="${readings.dataset.readings}"]`);
      toggle(button);
      button.focus();
    } else if (event.key in moves && event.target.matches("[data-choose]")) step(event.target, moves[event.key]);
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("#note [data-span]");
    if (button) toggle(button);
  });
})();
