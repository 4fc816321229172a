// What the Search page does in the browser: light switch, hits and the column beside them, keys, copies, files, address.
(() => {
  "use strict";
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const hits = () => [...document.querySelectorAll("#results .hit")];
  const doing = (what, more) => window.dispatchEvent(new CustomEvent("cxr:do", { detail: { what, ...more } }));

  // Light switch. The choice is a taste, not patient data: it may stay in the browser.
  const setTheme = (theme) => { root.dataset.theme = theme; };
  setTheme(localStorage.getItem("theme") === "light" ? "light" : "dark");
  const switchTheme = () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", theme);
    setTheme(theme);
  };

  // The hit that is selected, and the column that says why it is there. On a narrow screen the column is a sheet.
  let selected = null;
  const narrow = matchMedia("(max-width: 1180px)");
  const body = () => document.querySelector("#why-box .body");
  let resting = null;
  const select = (hit) => {
    resting ??= body().innerHTML;
    selected?.removeAttribute("aria-current");
    selected = hit;
    if (hit) {
      hit.setAttribute("aria-current", "true");
      body().replaceChildren(hit.querySelector("template").content.cloneNode(true));
    } else {
      body().innerHTML = resting;
    }
    window.dispatchEvent(new CustomEvent("cxr:hit", { detail: hit?.dataset.study ?? null }));
  };
  const sheet = (open) => byId("why-box").toggleAttribute("data-open", open);
  const closeSheet = () => {
    if (!byId("why-box").hasAttribute("data-open")) return false;
    sheet(false);
    selected?.focus();
    return true;
  };
  const openHit = () => {
    if (!selected) return;
    sheet(true);
    const original = body().querySelector("details.original");
    if (original && !narrow.matches) original.open = !original.open;
    if (narrow.matches) byId("why-box").focus();
  };
  const step = (by) => {
    const all = hits();
    const inList = document.activeElement.closest("#results .hit");
    const at = all.indexOf(selected) + (inList || !selected ? by : 0); // from elsewhere first back to the selected one
    all[Math.max(0, Math.min(all.length - 1, at))]?.focus();
  };
  document.addEventListener("focusin", ({ target }) => {
    const hit = target.closest("#results .hit");
    if (hit && hit !== selected) select(hit);
  });

  // An answer: the first hit is selected where there is room to show why, and the address follows the choices.
  const withAddress = () => {
    const status = document.querySelector("#status .status[data-address]");
    if (!status || root.dataset.page !== "search") return;
    const show = new URLSearchParams(location.search).get("show");
    const address = `?${show ? `show=${encodeURIComponent(show)}&` : ""}${status.dataset.address}`;
    if (location.search !== address) history.replaceState(history.state, "", address);
  };
  const answered = () => {
    sheet(false);
    select(narrow.matches ? null : (hits()[0] ?? null));
    withAddress();
  };
  window.addEventListener("cxr:results", () => requestAnimationFrame(answered));
  new MutationObserver(withAddress).observe(root, { attributes: true, attributeFilter: ["data-page"] });

  // An address that was opened: its choices, and the text in its fragment, which is taken out of the address at once.
  window.addEventListener("cxr:ready", () => {
    const text = new URLSearchParams(location.hash.slice(1)).get("q") ?? "";
    if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
    const choices = new URLSearchParams(location.search);
    choices.delete("show");
    if (text || choices.size) doing("restore", { which: choices.toString(), text });
  });
  const link = () => {
    const text = document.querySelector("#query textarea").value;
    return `${location.origin}${location.pathname}${location.search}${text ? `#q=${encodeURIComponent(text)}` : ""}`;
  };

  // Copies and files. The clipboard is closed to pages that come over plain http from another machine.
  const copyByHand = (text) => {
    const box = document.createElement("textarea");
    box.value = text;
    box.style.position = "fixed";
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  };
  const copy = async (text, button) => {
    if (navigator.clipboard) await navigator.clipboard.writeText(text).catch(() => copyByHand(text));
    else copyByHand(text);
    const word = button.innerHTML;
    button.style.minWidth = `${button.offsetWidth}px`;
    button.textContent = "copied";
    setTimeout(() => { button.innerHTML = word; }, 1200);
  };
  const save = (kind) => {
    const files = document.querySelector("#results .files");
    const type = kind === "csv" ? "text/csv" : "application/json";
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(new Blob([files.dataset[kind]], { type: `${type};charset=utf-8` }));
    anchor.download = `cxr-hits.${kind}`;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  };

  // Keys. Nothing here acts while a person types.
  const keys = {
    "/": () => {
      window.dispatchEvent(new CustomEvent("cxr:go", { detail: "search" }));
      document.querySelector("#query textarea").focus();
    },
    j: () => step(1),
    k: () => step(-1),
    m: () => selected && doing("like", { which: selected.dataset.study }),
    c: () => body().querySelector("[data-copy]")?.click(),
    u: () => document.querySelector("#visited [data-act=undo]")?.click(),
    "?": () => byId("keys").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys")?.open) return;
    if (event.target.matches("textarea, select, input:not([type=radio])")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (root.dataset.page !== "search" && event.key !== "/") return;
    if (event.key === "Escape" && closeSheet()) return;
    const onHit = event.key === "Enter" && event.target === selected;
    const act = onHit ? openHit : keys[event.key];
    const taken = !act && !window.dispatchEvent(new CustomEvent("cxr:key", { detail: event.key, cancelable: true }));
    if (!act && !taken) return;
    event.preventDefault();
    if (act) act();
  });

  const acts = {
    theme: switchTheme,
    close: closeSheet,
    keys: keys["?"],
    like: keys.m,
    onmap: () => {
      window.dispatchEvent(new CustomEvent("cxr:place", { detail: selected.dataset.study }));
      window.dispatchEvent(new CustomEvent("cxr:go", { detail: "map" }));
    },
    undo: () => doing("undo"),
    unfilter: () => doing("unfilter"),
    csv: () => save("csv"),
    json: () => save("json"),
    link: (button) => copy(link(), button),
    options: (button) => {
      const open = document.body.toggleAttribute("data-options");
      button.setAttribute("aria-expanded", String(open));
    },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.act in acts) acts[button.dataset.act](button);
    else if (button?.dataset.copy !== undefined) copy(button.dataset.copy, button);
    else if (button?.dataset.without) doing("without", { which: button.dataset.without });
    else if (button?.dataset.again) {
      button.closest("details").open = false;
      doing("again", { which: button.dataset.again });
    }
    const hit = event.target.closest("#results .hit");
    if (hit && !event.target.closest("summary, details") && narrow.matches && !getSelection().toString()) {
      select(hit);
      sheet(true);
    }
    const open = document.querySelector("#visited details[open]");
    if (open && !event.target.closest("#visited")) open.open = false;
  });
})();
