// The pages with columns of studies: keys and lines among them, the study in full, the form of the query, a set.
(() => {
  "use strict";
  const root = document.documentElement;
  const deskOf = (target) => target.closest?.(".desk");

  // Equal studies light up together, with the lines between them.
  const light = ({ target, type }) => {
    const card = target.closest?.(".desk .card");
    if (!card) return;
    const on = type === "pointerover" || type === "focusin";
    card.closest(".columns").querySelectorAll(`[data-study="${card.dataset.study}"]`).forEach((one) => {
      one.toggleAttribute("data-lit", on);
    });
  };
  ["pointerover", "pointerout", "focusin", "focusout"].forEach((name) => document.addEventListener(name, light));

  // The study in full.
  let opener = null;
  const open = (card) => {
    const sheet = deskOf(card).querySelector(".sheet");
    const key = `${card.closest(".columns").dataset.shown} ${card.dataset.study}`;
    sheet.querySelectorAll("article").forEach((one) => { one.hidden = one.dataset.key !== key; });
    sheet.hidden = false;
    sheet.scrollTop = 0;
    card.scrollIntoView({ block: "nearest" });
    opener = card;
  };
  const close = (desk) => {
    const sheet = desk.querySelector(".sheet");
    if (!sheet || sheet.hidden) return false;
    sheet.hidden = true;
    opener?.focus();
    return true;
  };

  // Arrow keys: the columns are one stop of the Tab key, and inside them one study at a time can be reached.
  const clamp = (place, length) => Math.max(0, Math.min(length - 1, place));
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], j: [1, 0], k: [-1, 0] };
  const goTo = (one, among) => {
    among.forEach((other) => { other.tabIndex = other === one ? 0 : -1; });
    one.focus();
  };
  const move = (card, [down, right]) => {
    const columns = [...card.closest(".columns").querySelectorAll(".column")]
      .map((column) => [...column.querySelectorAll(".card")])
      .filter((cards) => cards.length > 0);
    const at = columns.findIndex((cards) => cards.includes(card));
    const cards = columns[clamp(at + right, columns.length)];
    const row = columns[at].indexOf(card) + down;
    const next = cards[clamp(row, cards.length)];
    goTo(next, columns.flat());
    if (!deskOf(card).querySelector(".sheet").hidden) open(next);
  };
  const moveRow = (button, down) => {
    const buttons = [...button.closest("table").querySelectorAll("[data-row]")];
    goTo(buttons[clamp(buttons.indexOf(button) + down, buttons.length)], buttons);
  };

  const onCard = (event, card) => {
    if (event.key in moves) move(card, moves[event.key]);
    else if (event.key === "Enter" || event.key === " ") open(card);
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const card = event.target.closest?.(".desk .card");
    const row = event.target.closest?.(".desk [data-row]");
    if (event.key === "Escape" && deskOf(event.target) && close(deskOf(event.target))) event.preventDefault();
    else if (card) onCard(event, card);
    else if (row && event.key in moves) {
      event.preventDefault();
      moveRow(row, moves[event.key][0]);
    }
  });

  // "/" goes to the query of the page that is shown; caught before Search takes it.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("textarea, select, input:not([type=radio], [type=checkbox])")) return;
    const query = document.querySelector(`#${CSS.escape(root.dataset.page)}.desk .ask textarea`);
    if (!query) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    query.focus();
  }, true);

  // The line below the counts names the findings of the count under the pointer, or of the one that has the focus.
  const says = ({ target, type }) => {
    const count = target.closest?.(".desk .counts [data-says]");
    if (!count) return;
    const line = count.closest(".column").querySelector(".says");
    const shown = type === "pointerover" || type === "focusin";
    line.textContent = shown ? count.dataset.says : line.dataset.rest;
  };
  ["pointerover", "pointerout", "focusin", "focusout"].forEach((name) => document.addEventListener(name, says));

  const showForm = (button) => {
    const desk = deskOf(button);
    desk.querySelectorAll("[data-form]").forEach((one) => { one.ariaPressed = String(one === button); });
    desk.querySelectorAll("[data-shown]").forEach((one) => { one.hidden = one.dataset.shown !== button.dataset.form; });
  };

  const review = (set) => {
    window.dispatchEvent(new CustomEvent("cxr:review-set", { detail: JSON.parse(set) }));
    window.dispatchEvent(new CustomEvent("cxr:go", { detail: "review" }));
  };

  document.addEventListener("click", ({ target }) => {
    const desk = deskOf(target);
    if (!desk) return;
    const card = target.closest(".card");
    const form = target.closest("[data-form]");
    const set = target.closest("[data-review]");
    if (card) {
      goTo(card, [...card.closest(".columns").querySelectorAll(".card")]);
      open(card);
    } else if (form) showForm(form);
    else if (set) review(set.dataset.review);
    else if (target.closest("[data-close]")) close(desk);
    else if (target.closest("[data-row]")) desk.querySelector(".ask").scrollIntoView({ block: "center" });
  });
})();
