// The Results page: which part of a task is shown, which column is charted, and the line that reads a figure in full.
(() => {
  "use strict";
  const all = (what, within) => [...within.closest("#measured section").querySelectorAll(what)];
  const same = (one, other) => one.task === other.task && one.part === other.part;

  // The head of a column charts it.
  const chart = (head) => {
    const button = head.querySelector("button");
    const { measure } = button.dataset;
    all("thead button", head).forEach((one) => { one.ariaPressed = String(one === button); });
    all(".chart", head).forEach((one) => { one.hidden = !same(one.dataset, head.dataset) || one.dataset.measure !== measure; });
  };

  // A part may have other measures than the whole, and so other columns.
  const showPart = (select) => {
    const { dataset: { task }, value } = select;
    const pressed = all("thead button", select).find((button) => button.ariaPressed === "true");
    all("[data-part]:not(.chart)", select).forEach((one) => {
      if (one.dataset.task === task) one.hidden = one.dataset.part !== value;
    });
    const heads = all("th:has(button)", select).filter((head) => same(head.dataset, { task, part: value }));
    select.closest("th").colSpan = heads.length;
    const charted = pressed.closest("th").dataset.task === task;
    const like = (head) => head.querySelector("button").dataset.measure === pressed.dataset.measure;
    if (charted) chart(heads.find(like) ?? heads[0]);
    all("table", select).forEach((table) => enter(table, 0, 0));
  };

  // Arrow keys: a table is one stop of the Tab key, and inside it one figure at a time can be reached.
  const figures = (table) =>
    [...table.querySelectorAll("tbody tr")]
      .map((row) => [...row.querySelectorAll("[tabindex]:not([hidden])")])
      .filter((row) => row.length > 0);
  const clamp = (place, length) => Math.max(0, Math.min(length - 1, place));

  const enter = (table, row, column) => {
    const cells = figures(table);
    const line = cells[clamp(row, cells.length)];
    const cell = line?.[clamp(column, line.length)];
    table.querySelectorAll("[tabindex='0']").forEach((one) => { one.tabIndex = -1; });
    if (cell) cell.tabIndex = 0;
    return cell;
  };

  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest("#measured tbody [tabindex]");
    if (!cell || !(event.key in moves)) return;
    const cells = figures(cell.closest("table"));
    const row = cells.findIndex((line) => line.includes(cell));
    const [down, right] = moves[event.key];
    event.preventDefault();
    enter(cell.closest("table"), row + down, cells[row].indexOf(cell) + right).focus();
  });

  // The line below a table reads the figure under the pointer, or the one that has the focus.
  const lineOf = (target) => {
    const line = target.closest?.("#measured .wide")?.nextElementSibling;
    return line?.matches(".said") ? line : null;
  };
  const say = ({ target }) => {
    const line = lineOf(target);
    const cell = line && target.closest("[tabindex], thead [title]");
    if (cell) line.textContent = cell.ariaLabel || cell.title;
  };
  const rest = ({ target, relatedTarget }) => {
    const line = lineOf(target);
    if (line && lineOf(relatedTarget ?? document) !== line) line.textContent = line.dataset.rest;
  };
  ["pointerover", "focusin"].forEach((name) => document.addEventListener(name, say));
  ["pointerout", "focusout"].forEach((name) => document.addEventListener(name, rest));

  document.addEventListener("change", ({ target }) => {
    if (target.matches("#measured thead select")) showPart(target);
  });
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("#measured thead button");
    if (button) chart(button.closest("th"));
    if (target.closest("#measured [data-stop]")) window.dispatchEvent(new Event("cxr:measure-stop"));
  });

  // Measuring a task anew: the form goes to the server, which says how far it is.
  const busy = (on) => document.querySelectorAll("#measured .again button").forEach((one) => {
    if (one.type === "submit") one.disabled = on;
    else one.hidden = !on;
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#measured .again form")) return;
    event.preventDefault();
    const data = new FormData(event.target);
    busy(true);
    const detail = { task: data.get("task"), corpus: data.get("corpus"), encoders: data.getAll("encoder") };
    window.dispatchEvent(new CustomEvent("cxr:measure", { detail }));
  });
  // What a corpus has no texts for cannot be chosen, and a line says why.
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("#measured .again [name=corpus]")) return;
    const { form, value } = target;
    const lacks = target.selectedOptions[0].dataset.lacks.split(" ");
    const options = [...form.elements.task.options];
    options.forEach((one) => { one.disabled = lacks.includes(one.value); });
    const able = options.filter((one) => !one.disabled);
    if (form.elements.task.selectedOptions[0]?.disabled) form.elements.task.value = able[0]?.value ?? "";
    form.querySelector("[type=submit]").disabled = able.length === 0;
    form.querySelectorAll(".lacks").forEach((one) => { one.hidden = one.dataset.of !== value; });
  });
  window.addEventListener("cxr:measured", () => {
    const status = document.querySelector("#again-status .status");
    if (!status?.matches(".busy")) busy(false);
  });
})();
