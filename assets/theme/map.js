// The map: points drawn with Plotly, and what is picked among them. The same code serves the page, where a server
// answers, and the file that `python -m explorer map` writes, where `mapfile.js` does.
// Every text is put in as text, never as markup, and Plotly shows none: its hover and its legend are not used.
(() => {
  "use strict";
  const {
    bits, count, density, download, inside, lines, looks, make, plain, plotly, pointPart, ring, selectionPart, short, token, unpacked,
  } = window.cxrMapParts;
  const DENSE = 50000; // points in view above which their density is drawn instead
  const LEAST = 4; // corners of the smallest lasso that counts
  const root = document.documentElement;
  let stage = null; // the section that everything is in
  let cloud = null; // what is drawn
  let send = () => {}; // tells the host, which answers by `take`
  let state = null;

  const one = (what) => stage.querySelector(what);
  const role = (name) => one(`[data-role="${name}"]`);
  const colouringOf = (panel) => {
    const chosen = role("colour").value;
    return chosen === "cluster" ? panel.clusters : cloud.colourings.find((each) => each.name === chosen);
  };
  const isHidden = (panel, row) => state.hidden.has(colouringOf(panel).codes[row]);
  const shownRows = (panel) => {
    const { codes } = colouringOf(panel);
    const rows = [];
    for (let row = 0; row < codes.length; row += 1) if (!state.hidden.has(codes[row])) rows.push(row);
    return rows;
  };
  const emphasised = () => (state.selected.size ? state.selected : state.found.size ? state.found : null);

  // ---- drawing
  // A little beyond the edges too: a map that is moved shows no blank margin until it is drawn again.
  const beyond = ([low, high]) => [low - (high - low) / 4, high + (high - low) / 4];
  const inView = (panel, rows) => {
    if (!panel.view) return rows;
    const [x0, x1] = beyond(panel.view.x);
    const [y0, y1] = beyond(panel.view.y);
    return rows.filter((row) => panel.x[row] >= x0 && panel.x[row] <= x1 && panel.y[row] >= y0 && panel.y[row] <= y1);
  };

  const points = (panel, rows) => {
    const colouring = colouringOf(panel);
    const marked = emphasised();
    const groups = new Map();
    rows.forEach((row) => {
      const code = colouring.codes[row];
      if (!groups.has(code)) groups.set(code, []);
      groups.get(code).push(row);
    });
    const size = cloud.ids.length > 1500 ? 5 : 7;
    return [...groups.entries()].sort(([a], [b]) => b - a).map(([code, members]) => {
      const { colour, shape } = looks(colouring, code);
      const rest = colour === token("line");
      return {
        type: "scattergl", mode: "markers", hoverinfo: "none", rows: members,
        x: members.map((row) => panel.x[row]), y: members.map((row) => panel.y[row]),
        marker: { color: colour, symbol: shape, size, opacity: rest ? 0.7 : 0.85 },
        selectedpoints: marked ? members.flatMap((row, at) => (marked.has(row) ? [at] : [])) : undefined,
        selected: { marker: { opacity: 1, size: size + 1 } },
        unselected: { marker: { opacity: 0.12 } },
      };
    });
  };

  const overlays = (panel, number) => {
    const drawn = [];
    if (panel.films.x.length) {
      drawn.push({
        type: "scattergl", mode: "markers", hoverinfo: "none", name: "films", x: [...panel.films.x], y: [...panel.films.y],
        marker: { color: token("film-points"), symbol: "x-thin-open", size: 6, line: { width: 1 } },
      });
    }
    const query = state.query?.[number];
    if (query) {
      drawn.push(lines(panel, query, query.near.map(([row]) => row), token("contradicts")));
      drawn.push(ring(query, token("contradicts"), 16, "query"));
    }
    if (state.point) {
      const spot = { x: panel.x[state.point.row], y: panel.y[state.point.row] };
      const own = state.point.panel === number;
      if (own) drawn.push(lines(panel, spot, state.point.near.map((near) => near.row), token("text")));
      drawn.push(ring(spot, token("text"), 14, "picked"));
    }
    return drawn;
  };

  const layout = (panel) => ({
    margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false, hovermode: "closest", dragmode: state.tool, uirevision: cloud.revision, selections: [],
    xaxis: { visible: false, range: panel.view?.x ?? panel.reach.x, autorange: false },
    yaxis: { visible: false, range: panel.view?.y ?? panel.reach.y, autorange: false, scaleanchor: "x" },
    newselection: { line: { color: token("accent"), width: 1, dash: "solid" } },
    hoverdistance: 12,
  });

  const draw = (panel, number) => {
    const rows = shownRows(panel);
    const near = cloud.ids.length > DENSE ? inView(panel, rows) : rows;
    const many = near.length > DENSE;
    panel.traces = [...(many ? [density(panel, near)] : points(panel, near)), ...overlays(panel, number)];
    const config = { displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: true, showTips: false };
    return window.Plotly.react(panel.div, panel.traces, layout(panel), config).then(() => {
      if (!panel.div.dataset.hooked) hook(panel, number);
      panel.div.dataset.drawn = many ? "density" : "points";
    });
  };
  const drawAll = () => cloud && Promise.all(cloud.panels.map(draw)).then(() => { stage.dataset.drawn = cloud.revision; });

  // ---- the mouse
  // Which points are taken is found here, among those that are shown: Plotly would forget about hidden groups.
  const taken = (panel, event) => {
    const rows = shownRows(panel);
    if (event.lassoPoints && event.lassoPoints.x.length >= LEAST) {
      return rows.filter((row) => inside(event.lassoPoints, panel.x[row], panel.y[row]));
    }
    if (!event.range) return [];
    const [x0, x1] = [...event.range.x].sort((a, b) => a - b);
    const [y0, y1] = [...event.range.y].sort((a, b) => a - b);
    return rows.filter((row) => panel.x[row] >= x0 && panel.x[row] <= x1 && panel.y[row] >= y0 && panel.y[row] <= y1);
  };

  const rowAt = (panel, event) => {
    const hit = event.points?.[0];
    return hit && panel.traces[hit.curveNumber]?.rows?.[hit.pointNumber];
  };

  const hook = (panel, number) => {
    panel.div.dataset.hooked = "yes";
    panel.div.on("plotly_selected", (event) => {
      if (!event || !(event.range || event.lassoPoints)) return;
      select(taken(panel, event));
      // An outline that stays would swallow the next click, and ask to be edited.
      setTimeout(() => window.Plotly.relayout(panel.div, { selections: [] }).then(drawAll), 0);
    });
    panel.div.on("plotly_click", (event) => {
      const row = rowAt(panel, event);
      if (row !== undefined) pick(row, number);
    });
    panel.div.on("plotly_hover", (event) => {
      const row = rowAt(panel, event);
      if (row !== undefined) showCard(row, event.event);
    });
    panel.div.on("plotly_unhover", hideCard);
    panel.div.on("plotly_relayout", (change) => {
      const { xaxis, yaxis } = panel.div._fullLayout;
      if (!Object.keys(change).some((key) => key.startsWith("xaxis") || key.startsWith("yaxis"))) return;
      panel.view = { x: [...xaxis.range], y: [...yaxis.range] };
      if (cloud.ids.length > DENSE) later(() => draw(panel, number));
    });
  };

  let waiting = 0;
  const later = (work) => { clearTimeout(waiting); waiting = setTimeout(work, 120); };

  const select = (rows) => {
    state.selected = new Set(rows);
    drawAll();
    legend();
    if (rows.length) send("choose", { rows: bits(rows, cloud.ids.length) });
    else side();
  };
  const pick = (row, panel) => send("pick", { row, panel });

  // A study that another page wants to see here; it waits until there is a map.
  let wanted = null;
  const place = () => {
    if (!cloud || wanted === null) return;
    const row = cloud.ids.indexOf(wanted);
    if (row >= 0) pick(row, 0);
    else said(`${wanted} is not on this map, which shows another corpus.`);
    wanted = null;
  };
  window.addEventListener("cxr:place", ({ detail: study }) => {
    wanted = study;
    place();
  });
  const clear = () => {
    Object.assign(state, { selected: new Set(), found: new Set(), point: null, selection: null });
    role("seek").value = "";
    foundButton();
    drawAll();
    legend();
    side();
  };
  const useTool = (tool) => {
    state.tool = tool;
    stage.querySelectorAll(".tools button").forEach((button) => { button.ariaPressed = String(button.dataset.tool === tool); });
    if (cloud) cloud.panels.forEach((panel) => window.Plotly.relayout(panel.div, { dragmode: tool }));
  };
  const fit = () => cloud?.panels.forEach((panel) => {
    window.Plotly.relayout(panel.div, { "xaxis.range": [...panel.reach.x], "yaxis.range": [...panel.reach.y] });
  });

  // ---- hover card, legend, side
  const hideCard = () => { one(".cloud-card").hidden = true; };
  const showCard = (row, { clientX, clientY }) => {
    const card = one(".cloud-card");
    const facts = cloud.panels.map((panel) => {
      const colouring = colouringOf(panel);
      return `${role("colour").value}: ${colouring.labels[colouring.codes[row]]}`;
    });
    const text = cloud.texts ? [make("p", { textContent: short(plain(cloud.texts[row]), 320) })] : [];
    card.replaceChildren(make("b", { textContent: cloud.ids[row] }), make("span", { textContent: facts[0] }), ...text);
    card.hidden = false;
    const box = stage.getBoundingClientRect();
    const left = Math.min(clientX - box.left + 14, box.width - card.offsetWidth - 8);
    const below = clientY - box.top + 14;
    const top = below + card.offsetHeight > box.height ? clientY - box.top - card.offsetHeight - 10 : below;
    card.style.translate = `${Math.max(8, left)}px ${Math.max(8, top)}px`;
  };

  const legend = () => {
    const panel = cloud.panels[0];
    const colouring = colouringOf(panel);
    const all = new Array(colouring.labels.length).fill(0);
    const chosen = new Array(colouring.labels.length).fill(0);
    const marked = emphasised();
    colouring.codes.forEach((code, row) => { all[code] += 1; if (marked?.has(row)) chosen[code] += 1; });
    const items = colouring.labels.map((label, code) => {
      const { colour, shape } = looks(colouring, code);
      const swatch = make("i", { className: shape });
      swatch.style.setProperty("--colour", colour);
      const number = marked ? `${count(chosen[code])} / ${count(all[code])}` : count(all[code]);
      const button = make("button", { type: "button", className: "plain" }, swatch, make("span", { textContent: label }), make("small", { textContent: number }));
      button.ariaPressed = String(!state.hidden.has(code));
      button.dataset.code = code;
      return make("li", {}, button);
    });
    const twice = cloud.panels.length > 1 && colouring === panel.clusters;
    const said = twice ? [make("li", { className: "said", textContent: `Clusters of ${panel.encoder}; those beside it are of ${cloud.panels[1].encoder}.` })] : [];
    one(".cloud-legend").replaceChildren(...items.filter((_, code) => all[code] > 0), ...said);
  };

  const toggle = (code) => {
    if (!state.hidden.delete(code)) state.hidden.add(code);
    // What is hidden is no longer selected: the list never holds a point that cannot be seen.
    const left = [...state.selected].filter((row) => !isHidden(cloud.panels[0], row));
    if (left.length < state.selected.size) select(left);
    else { drawAll(); legend(); }
  };

  const side = () => beside([
    ...(state.point ? pointPart(state.point, cloud.panels[state.point.panel].encoder) : []),
    ...(state.selection && state.selected.size ? selectionPart(state.selection, state.formats) : []),
  ]);
  const said = (words) => beside([make("p", { className: "said", textContent: words })]);
  const beside = (parts) => {
    const close = make("button", { type: "button", className: "plain close", textContent: "close" });
    close.dataset.tool = "clear";
    const place = one(".cloud-side");
    place.replaceChildren(...(parts.length ? [close] : []), ...parts);
    const was = place.hidden;
    place.hidden = parts.length === 0;
    place.scrollTop = 0;
    if (was !== place.hidden && cloud) requestAnimationFrame(() => cloud.panels.forEach((panel) => window.Plotly.Plots.resize(panel.div)));
  };

  const foundButton = () => {
    const button = one("[data-tool=found]");
    const words = role("seek").value.trim();
    button.hidden = !words;
    button.textContent = `${count(state.found.size)} found${state.found.size ? ", select" : ""}`;
    button.disabled = state.found.size === 0;
  };

  const speak = (text) => { role("spoken").textContent = text; };

  // ---- what the host answers
  const answers = {
    cloud: (sent) => open(sent),
    query: (query) => { state.query = query; drawAll(); },
    selection: (selection) => {
      Object.assign(state, { selection, point: null });
      side();
      speak(`${selection.count} studies selected`);
    },
    point: (point) => {
      state.point = point;
      drawAll();
      side();
      speak(`${point.id}, ${point.near.length} nearest studies`);
    },
    found: (rows) => {
      state.found = new Set(rows);
      foundButton();
      drawAll();
      legend();
    },
    file: download,
  };
  const take = (message) => {
    if (!message) return;
    const told = typeof message === "string" ? JSON.parse(message) : message;
    Object.entries(told).forEach(([what, value]) => {
      if (what in answers && (what === "cloud" || cloud)) answers[what](value);
      else if (what in answers) early.push([what, value]);
    });
  };
  let early = []; // answers that came before Plotly was there

  const open = (sent) => plotly().then(() => {
    cloud = unpacked(sent);
    state = {
      selected: new Set(), found: new Set(), hidden: new Set(), tool: state?.tool ?? "pan", point: null, query: null,
      selection: null, formats: stage.dataset.formats?.split(" ") ?? ["csv", "json", "parquet"],
    };
    const chosen = role("colour").value || "cluster";
    const findings = cloud.colourings.filter((each) => each.tone === "status");
    const others = ["cluster", ...cloud.colourings.filter((each) => each.tone !== "status").map((each) => each.name)];
    const option = (name) => make("option", { value: name, textContent: name });
    role("colour").replaceChildren(...others.map(option), make("optgroup", { label: "finding" }, ...findings.map((each) => option(each.name))));
    role("colour").value = [...role("colour").options].some((each) => each.value === chosen) ? chosen : "cluster";
    const figures = cloud.panels.map((panel, number) => {
      panel.div = make("div", { className: "plot" });
      panel.div.setAttribute("aria-label", `Map of ${cloud.ids.length} studies by ${panel.encoder}`);
      panel.div.setAttribute("role", "img");
      const words = panel.films.x.length ? ` · ${count(cloud.ids.length)} reports ●  ${count(panel.films.x.length)} films ×${panel.centred ? " · centred after the fact" : ""}` : "";
      const figure = make("figure", {}, make("figcaption", { textContent: `${panel.encoder}${words}` }), panel.div);
      figure.dataset.panel = number;
      return figure;
    });
    one(".cloud-plots").replaceChildren(...figures);
    delete stage.dataset.empty;
    legend();
    side();
    foundButton();
    const missed = early.splice(0);
    missed.forEach(([what, value]) => answers[what](value));
    place();
    return drawAll();
  });

  // ---- what a person does
  const acts = {
    pan: () => useTool("pan"), lasso: () => useTool("lasso"), select: () => useTool("select"),
    fit, clear, found: () => select([...state.found].filter((row) => !isHidden(cloud.panels[0], row))),
  };
  document.addEventListener("click", ({ target }) => {
    if (!cloud || !target.closest?.(".cloud")) return;
    const tool = target.closest("[data-tool]");
    const swatch = target.closest(".cloud-legend button");
    const study = target.closest("button.study");
    const save = target.closest("[data-save]");
    if (tool) acts[tool.dataset.tool]();
    else if (swatch) toggle(Number(swatch.dataset.code));
    else if (study) pick(Number(study.dataset.row), state.point?.panel ?? 0);
    else if (save) send("save", { format: save.dataset.save, rows: bits([...state.selected], cloud.ids.length) });
  });
  document.addEventListener("change", ({ target }) => {
    if (!cloud || !target.matches('[data-role="colour"]')) return;
    state.hidden = new Set();
    drawAll();
    legend();
  });
  let typing = 0;
  document.addEventListener("input", ({ target }) => {
    if (!cloud || !target.matches('.cloud [data-role="seek"]')) return;
    clearTimeout(typing);
    typing = setTimeout(() => send("seek", { words: target.value }), 200);
  });
  const keys = { m: "pan", l: "lasso", b: "select", 0: "fit", c: "clear", Escape: "clear" };
  document.addEventListener("keydown", (event) => {
    if (!cloud || root.dataset.page !== "map" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("textarea, select, input") || !(event.key in keys)) return;
    event.preventDefault();
    acts[keys[event.key]]();
  });
  new MutationObserver(() => { if (cloud) { drawAll(); legend(); } }).observe(root, { attributeFilter: ["data-theme"] });

  // ---- the page: the server is told when the map is first looked at, and again each time, for a newer query
  const shown = () => {
    stage = document.querySelector("section.cloud");
    if (root.dataset.page !== "map") return;
    if (!stage) {
      requestAnimationFrame(shown); // the page is still being put together
      return;
    }
    send("shown", {});
    if (cloud) requestAnimationFrame(() => cloud.panels.forEach((panel) => window.Plotly.Plots.resize(panel.div)));
  };
  const connect = (trigger) => {
    send = trigger;
    shown();
  };
  new MutationObserver(shown).observe(root, { attributeFilter: ["data-page"] });

  const standAlone = (host, sent, ready) => {
    stage = document.querySelector("section.cloud");
    send = host;
    open(sent).then(ready);
  };
  window.cxrMap = { connect, take, standAlone };
})();
