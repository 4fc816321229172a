// The Review page. The server draws a screen; the script fills in its texts, ranks and marks, and sends every change
// through the line of review-line.js.
(() => {
  "use strict";
  const root = document.documentElement;
  const $ = (what, within = document.querySelector("#review")) => within?.querySelector(what);
  const all = (what, within = document.querySelector("#review")) => [...within.querySelectorAll(what)];
  const work = (message) => window.dispatchEvent(new CustomEvent("cxr:review-work", { detail: message }));
  const { spans, selected, selectSentence } = window.cxrReviewText;
  const tell = (html) => { document.querySelector("#review-said").innerHTML = html; };

  // Who reviews what, kept for this tab only, so that a reload goes on where it was.
  const REMEMBERED = "review";
  const remember = (seat, number) => sessionStorage.setItem(REMEMBERED, JSON.stringify({ ...seat, number }));
  const forget = () => sessionStorage.removeItem(REMEMBERED);
  const remembered = () => JSON.parse(sessionStorage.getItem(REMEMBERED) ?? "null");

  const line = window.cxrReviewLine(({ act }) => {
    if (act === "save") saved("not saved yet", true);
    else if (told) saved("waiting for the server", true);
  });
  const waits = () => {
    const page = document.querySelector("#review");
    const on = line.coming();
    page.toggleAttribute("data-waiting", on);
    page.ariaBusy = String(on);
    const box = $("textarea");
    if (box && told) box.readOnly = on;
  };
  const post = (message) => { line.post(message); waits(); };
  const forms = window.cxrReviewForms(post, work);
  // Ask for another screen. While one is on its way nothing else is asked for, except of the same case.
  const ask = (message) => {
    if (line.coming() && !line.staying()) return;
    tell("");
    post(message);
  };

  // Acts on a case. While the same case is drawn anew they wait for it; while another is on its way the page is dimmed
  // and takes none.
  const held = [];
  const perform = (act) => {
    if (!line.coming()) act();
    else if (line.staying()) held.push(act);
  };

  let shown = false;
  const start = () => {
    if (shown || root.dataset.page !== "review" || !document.querySelector("#review-bridge span")) return;
    shown = true;
    const before = remembered();
    // What was not confirmed before a reload goes first; only then is the seat the same as before.
    if (before) post({ act: "sit", ...before, session: line.left() ? before.session : "" });
    else post({ act: "open" });
  };
  new MutationObserver(start).observe(root, { attributes: true, attributeFilter: ["data-page"] });
  window.addEventListener("cxr:review-ready", () => setTimeout(start));

  // A set of queries from Compare: its form is what the page opens with.
  window.addEventListener("cxr:review-set", ({ detail }) => {
    shown = true;
    post({ act: "queries", ...detail });
  });

  // The case on the screen.
  let told = null; // what the server said of it
  let answer = null; // what the reviewer says, as it is sent
  let chosen = 0; // place of the report that keys act on
  let since = 0; // when it came into view

  const seconds = () => {
    const now = Date.now();
    if (!document.hidden && root.dataset.page === "review") answer.seconds += Math.min(now - since, 60_000) / 1000;
    since = now;
  };
  document.addEventListener("visibilitychange", () => { if (answer) { if (document.hidden) seconds(); since = Date.now(); } });

  const message = (act, more) => {
    seconds();
    return { act, seat: told.seat, number: told.number, answer: structuredClone(answer), ...more };
  };

  const saved = (words, failed) => {
    const box = $(".saved");
    if (box) { box.textContent = words; box.toggleAttribute("data-failed", Boolean(failed)); }
  };

  const save = (action) => {
    saved("saving");
    post(message("save", { action }));
  };

  const change = (action, how) => perform(() => { how(); draw(); save(action); });

  const cards = () => all(".card");
  const marksOf = (place) => answer.marks.filter((mark) => mark.candidate === place);

  const draw = () => {
    const omitted = marksOf(chosen).filter((mark) => mark.kind === "omission");
    $("[data-truth]")?.replaceChildren(...spans(told.truth, omitted));
    cards().forEach((card, place) => {
      const marks = marksOf(place);
      $(".text", card).replaceChildren(...spans(told.texts[place], marks.filter((mark) => mark.kind !== "omission")));
      card.toggleAttribute("data-chosen", place === chosen);
      all("[data-rank]", card).forEach((one) => { one.ariaPressed = String(Number(one.dataset.rank) === answer.levels[place]); });
      all("[data-kind]", card).forEach((one) => { one.ariaPressed = String(marks.some((mark) => mark.kind === one.dataset.kind)); });
      $(".marks", card).replaceChildren(...marks.map(chip));
    });
    all(".rail li").forEach((slot) => {
      const here = answer.levels.flatMap((level, place) => (level === Number(slot.dataset.slot) ? [place + 1] : []));
      $("span", slot).textContent = here.map((place) => `Report ${place}`).join(", ");
    });
    $("[data-do=flag]").ariaPressed = String(answer.flagged);
    $(".state").textContent = { submitted: "submitted", skipped: "skipped", open: "" }[answer.state] + (answer.flagged ? " · to discuss" : "");
    const box = $("textarea");
    if (document.activeElement !== box) box.value = answer.comment;
  };

  const chip = (mark) => {
    const item = document.createElement("li");
    const words = mark.kind === "omission" ? told.truth : told.texts[mark.candidate];
    const said = [...words].slice(mark.start, mark.end).join("");
    const critical = document.createElement("button");
    Object.assign(critical, { type: "button", textContent: "critical", ariaPressed: String(mark.critical) });
    critical.dataset.at = answer.marks.indexOf(mark);
    critical.dataset.do = "critical";
    const gone = document.createElement("button");
    Object.assign(gone, { type: "button", textContent: "×", ariaLabel: `remove ${mark.kind}` });
    gone.dataset.at = critical.dataset.at;
    gone.dataset.do = "unmark";
    const name = document.createElement("span");
    name.textContent = said ? `${mark.kind}: “${said.length > 60 ? `${said.slice(0, 58)} …` : said}”` : mark.kind;
    item.append(name, critical, gone);
    return item;
  };

  const choose = (place, focus = true) => {
    chosen = Math.max(0, Math.min(told.texts.length - 1, place));
    draw();
    if (focus) cards()[chosen].focus({ preventScroll: false });
  };

  const rank = (place, level) => change("rank", () => {
    answer.levels[place] = answer.levels[place] === level ? 0 : level;
  });

  const mark = (place, kind) => {
    const [start, end] = selected(kind === "omission" ? $("[data-truth]") : $(".text", cards()[place]));
    change(`mark ${kind}`, () => {
      const whole = answer.marks.findIndex((one) => one.candidate === place && one.kind === kind && one.start === one.end);
      if (start < end || whole < 0) answer.marks.push({ candidate: place, kind, start, end, critical: false });
      else answer.marks.splice(whole, 1);
    });
    getSelection().removeAllRanges();
  };

  // A mark is known by its place among the others, which a case drawn anew may change.
  const critical = (at) => { if (!line.coming()) change("critical", () => { answer.marks[at].critical = !answer.marks[at].critical; }); };
  const lastMark = () => answer.marks.findLastIndex((one) => one.candidate === chosen);

  const turn = (state, action) => perform(() => {
    if (state === "submitted" && answer.levels.some((level) => level === 0)) {
      const open = answer.levels.flatMap((level, place) => (level === 0 ? [`Report ${place + 1}`] : []));
      saved(`no rank yet: ${open.join(", ")}`, true);
      choose(answer.levels.indexOf(0));
      return;
    }
    const last = message("turn", { action });
    ask({ ...last, answer: { ...last.answer, state } });
  });

  const go = (number) => perform(() => {
    const { seat, last } = told ?? JSON.parse($("[data-end]").dataset.end);
    ask({ act: "go", seat, number: Math.max(0, Math.min(last, number)) });
  });

  const acts = {
    sit: ({ dataset }) => {
      const name = $("[name=reviewer]");
      if (name.reportValidity()) ask({ act: "sit", review: dataset.review, reviewer: name.value });
    },
    leave: () => perform(() => { forget(); ask({ act: "open" }); }),
    previous: () => go((told?.number ?? Infinity) - 1),
    next: () => go(told.number + 1),
    undo: () => perform(() => ask(message("undo"))),
    skip: () => turn("skipped", "skip"),
    submit: () => turn("submitted", "submit"),
    flag: () => change("discuss", () => { answer.flagged = !answer.flagged; }),
    reveal: () => perform(() => ask(message("reveal"))),
    critical: ({ dataset }) => critical(Number(dataset.at)),
    unmark: ({ dataset }) => { if (!line.coming()) change("unmark", () => answer.marks.splice(Number(dataset.at), 1)); },
    finish: () => ask({ act: "finish", seat: JSON.parse($("[data-end]").dataset.end).seat }),
    results: ({ dataset }) => ask({ act: "results", review: dataset.review }),
    rules: ({ dataset }) => ask({ act: "rules", review: dataset.review }),
    "forget-answers": ({ dataset }) => ask({ act: "forget-answers", review: dataset.review }),
    export: ({ dataset }) => post({ act: "export", review: dataset.review, kind: dataset.kind, seat: remembered() }),
    forget: ({ dataset }) => ask({ act: "forget", review: dataset.review, reviewer: dataset.reviewer }),
    delete: ({ dataset }) => ask({ act: "delete", review: dataset.review }),
    lab: () => ask({ act: "lab" }),
    another: (button) => ask({ act: "another", ...forms.fieldsOf(button.form) }),
    inject: (button) => ask({ act: "inject", ...forms.fieldsOf(button.form) }),
    stop: () => window.dispatchEvent(new Event("cxr:review-stop")),
  };
  const SURE = { forget: "Press again to delete", delete: "Press again to delete", "forget-answers": "Press again to delete" };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#review button");
    const card = event.target.closest("#review .card");
    if (card && told) chosen = Number(card.dataset.place);
    if (!button) { if (card && told && getSelection().isCollapsed) draw(); return; }
    const { dataset } = button;
    if (dataset.rank) rank(Number(card.dataset.place), Number(dataset.rank));
    else if (dataset.kind && card) mark(Number(card.dataset.place), dataset.kind);
    else if (dataset.do in SURE && !dataset.sure) {
      dataset.sure = "yes";
      button.textContent = SURE[dataset.do];
    } else if (dataset.do) acts[dataset.do](button);
  });
  // A press on an error keeps the text that is selected.
  document.addEventListener("mousedown", (event) => {
    if (event.target.closest("#review [data-kind]")) event.preventDefault();
  });

  document.addEventListener("input", ({ target }) => {
    if (!told || !target.matches("#review .comment textarea")) return;
    answer.comment = target.value;
    save("comment");
  });

  document.addEventListener("focusin", ({ target }) => {
    const card = target.closest?.("#review .card");
    if (card && told && Number(card.dataset.place) !== chosen) choose(Number(card.dataset.place), false);
  });

  const letters = { p: "false prediction", o: "omission", l: "wrong location", v: "wrong severity" };
  const keys = {
    j: () => choose(chosen + 1),
    k: () => choose(chosen - 1),
    w: () => selectSentence($(".text", cards()[chosen])),
    t: () => selectSentence($("[data-truth]")),
    u: acts.undo,
    s: acts.skip,
    f: acts.flag,
    c: () => { if (lastMark() >= 0) critical(lastMark()); },
    Enter: acts.submit,
    ArrowLeft: acts.previous,
    ArrowRight: acts.next,
  };
  document.addEventListener("keydown", (event) => {
    if (!told || root.dataset.page !== "review" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("textarea, input, select")) return;
    if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
    const level = Number(event.key);
    const act = letters[event.key] ? () => mark(chosen, letters[event.key])
      : level >= 1 && level <= told.texts.length ? () => rank(chosen, level) : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // Dragging a report: to a place of the rail, or onto another report to tie with it.
  let dragged = -1;
  document.addEventListener("dragstart", (event) => {
    const card = event.target.closest?.("#review .card");
    if (!card || !told) return;
    dragged = Number(card.dataset.place);
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", `Report ${dragged + 1}`);
  });
  const levelAt = (target) => {
    const slot = target.closest?.("#review .rail li");
    if (slot) return Number(slot.dataset.slot);
    const card = target.closest?.("#review .card");
    return card ? answer.levels[Number(card.dataset.place)] : 0;
  };
  const over = (target) => all("[data-over]").forEach((one) => one.removeAttribute("data-over")) ?? target;
  document.addEventListener("dragover", (event) => {
    if (dragged < 0 || !levelAt(event.target)) return;
    event.preventDefault();
    over();
    event.target.closest(".rail li, .card").dataset.over = "";
  });
  document.addEventListener("drop", (event) => {
    const level = dragged < 0 ? 0 : levelAt(event.target);
    if (!level) return;
    event.preventDefault();
    const place = dragged;
    change("rank", () => { answer.levels[place] = level; });
  });
  document.addEventListener("dragend", () => { if (dragged >= 0) over(); dragged = -1; });

  // What the server sends. `number` tells a case drawn anew from another one.
  const show = (html) => {
    const before = told;
    const active = document.activeElement;
    const control = active?.matches("#review textarea") ? "textarea" : `[data-do="${active?.closest("#review [data-do]")?.dataset.do}"]`;
    const film = $("#review-film figure");
    document.querySelector("#review-shown").innerHTML = html;
    const box = $(".case");
    told = box ? JSON.parse(box.dataset.case) : null;
    const same = box && before?.number === told.number && before.seat.review === told.seat.review;
    if (box) arrive(same, control);
    if (same && film) $("#review-film").replaceChildren(film); // as it is windowed and zoomed
    else if (box && $("#review-film")) line.post({ act: "film", seat: told.seat, number: told.number });
    else if ($("[data-end]")) {
      const { seat, last } = JSON.parse($("[data-end]").dataset.end);
      remember(seat, last + 1);
    }
    const page = document.querySelector("#review");
    page.dataset.stage = String(Number(page.dataset.stage ?? 0) + 1);
  };
  // The film comes after its case, which may be gone by then.
  const film = ({ film: html, digest }) => {
    const place = $("#review-film");
    if (place?.dataset.digest !== digest) return;
    place.innerHTML = html;
    window.dispatchEvent(new Event("cxr:review-film"));
  };
  const arrive = (same, control) => {
    answer = told.answer;
    if (!answer.levels.length) answer.levels = told.texts.map(() => 0);
    if (!same) {
      held.length = 0;
      chosen = Math.max(0, answer.levels.indexOf(0));
      scrollTo(0, 0);
    }
    since = Date.now();
    remember(told.seat, told.number);
    draw();
    if (root.dataset.page === "review") ((same && $(control)) || cards()[chosen]).focus({ preventScroll: true });
  };

  const download = ({ file, text }) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  window.addEventListener("cxr:reply", ({ detail }) => {
    if (!detail) return;
    const reply = JSON.parse(detail);
    const confirmed = "ack" in reply;
    if (confirmed && !line.take(reply.ack)) return; // the second answer to what was sent twice
    if ("told" in reply) tell(reply.told);
    if (!confirmed) return;
    if ("stage" in reply && !line.coming()) show(reply.stage);
    if (reply.refused) { held.length = 0; saved("not saved", true); forms.busy(false); }
    else if (told && "saved" in reply) saved(line.saving() ? "saving" : "saved");
    if ("held" in reply || reply.refused) forms.take(reply.held ?? null);
    if (reply.file) download(reply);
    if (reply.film) film(reply);
    line.next();
    waits();
    if (!line.coming()) held.splice(0).forEach(perform);
  });
  // Long work tells how far it is; what comes of it is shown unless somebody reviews a case meanwhile.
  window.addEventListener("cxr:worked", ({ detail }) => {
    if (!detail) return;
    const { told: said, stage, done } = JSON.parse(detail);
    tell(said);
    if (stage && !told) show(stage);
    if (done) forms.busy(false);
  });
})();
