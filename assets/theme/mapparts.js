// Parts of the map that hold nothing: what is built from a message, where a point lies, and how it looks.
// Every text is put in as text, never as markup.
(() => {
  "use strict";
  const BINS = 220; // of the density, on a side
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const make = (kind, props = {}, ...inside) => {
    const made = Object.assign(document.createElement(kind), props);
    made.append(...inside);
    return made;
  };
  const plain = (text) => text.replace(/X{4,}/g, "▮").replace(/[\u0000-\u0008\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
  const short = (text, length) => (text.length > length ? `${text.slice(0, length).trimEnd()} …` : text);
  const count = (number) => number.toLocaleString("en");

  const unpack = (text, Kind) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Kind(bytes.buffer);
  };

  const inside = (outline, x, y) => {
    let within = false;
    for (let i = 0, j = outline.x.length - 1; i < outline.x.length; j = i, i += 1) {
      const crosses = outline.y[i] > y !== outline.y[j] > y;
      if (crosses && x < ((outline.x[j] - outline.x[i]) * (y - outline.y[i])) / (outline.y[j] - outline.y[i]) + outline.x[i]) {
        within = !within;
      }
    }
    return within;
  };

  const reach = (values) => {
    let [low, high] = [Infinity, -Infinity];
    values.forEach((value) => { low = Math.min(low, value); high = Math.max(high, value); });
    const margin = (high - low || 1) * 0.04;
    return [low - margin, high + margin];
  };

  const studyLine = (study, extra) => {
    const button = make("button", { type: "button", className: "study" }, make("b", { textContent: study.id }));
    if (extra) button.append(make("small", { textContent: extra }));
    button.append(make("span", { textContent: short(plain(study.text), 150) }));
    button.dataset.row = study.row;
    return make("li", {}, button);
  };

  const saving = (formats) => make("p", { className: "saves" }, "Export ", ...formats.map((format) => {
    const button = make("button", { type: "button", className: "plain", textContent: format.toUpperCase() });
    button.dataset.save = format;
    return button;
  }));

  const selectionPart = ({ count: number, of, findings, studies }, formats) => {
    const rows = findings.filter((each) => each.all > 0).sort((a, b) => b.selected - a.selected || b.all - a.all);
    const body = make("tbody", {}, ...rows.map((each) => make("tr", {},
      make("th", { scope: "row", textContent: each.finding }),
      make("td", { textContent: `${count(each.selected)} / ${count(each.all)}` }))));
    const head = make("thead", {}, make("tr", {}, make("th", { scope: "col", textContent: "finding present" }), make("th", { scope: "col", textContent: "selected / all" })));
    const rest = number > studies.length ? [make("p", { className: "said", textContent: `The first ${count(studies.length)}; all are exported.` })] : [];
    return [
      make("h2", { textContent: `${count(number)} of ${count(of)} studies` }), saving(formats), make("table", {}, head, body),
      make("h3", { textContent: "Studies" }), ...rest, make("ol", { className: "studies" }, ...studies.map((study) => studyLine(study))),
    ];
  };

  const pointPart = (point, encoder) => [
    make("h2", { textContent: point.id }), make("p", { className: "said", textContent: point.facts.join(" · ") }),
    ...point.sections.flatMap(([name, text]) => [make("h3", { textContent: name }), make("p", { textContent: plain(text) })]),
    make("h3", { textContent: `Nearest in the space of ${encoder}` }),
    make("ol", { className: "studies near" }, ...point.near.map((near) => studyLine(near, `${near.score.toFixed(2)} ${point.score === "clip_raw" ? "inner product" : point.score}`))),
  ];

  const download = ({ name, type, body }) => {
    const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
    const link = make("a", { href: URL.createObjectURL(new Blob([bytes], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const bits = (rows, of) => {
    const bytes = new Uint8Array(Math.ceil(of / 8));
    rows.forEach((row) => { bytes[row >> 3] |= 1 << (row & 7); });
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  };

  const unpacked = (sent) => {
    const cloud = { ...sent, revision: String(sent.turn ?? performance.now()) };
    cloud.colourings = sent.colourings.map((each) => ({ ...each, codes: unpack(each.codes, Int8Array) }));
    cloud.panels = sent.panels.map((panel) => {
      const x = unpack(panel.x, Float32Array), y = unpack(panel.y, Float32Array);
      const films = { x: unpack(panel.films.x, Float32Array), y: unpack(panel.films.y, Float32Array) };
      const clusters = { ...panel.clusters, codes: unpack(panel.clusters.codes, Int8Array) };
      return { ...panel, x, y, films, clusters, reach: { x: reach([...x, ...films.x]), y: reach([...y, ...films.y]) } };
    });
    return cloud;
  };

  // Colours: a status has its own, an order goes from quiet to bright, groups take hue and shape in turn.
  const SHAPES = ["circle", "diamond", "square", "triangle-up"];
  const STATUS = [["accent", "circle"], ["uncertain", "diamond"], ["quiet", "square"], ["line", "circle"]];
  const looks = (colouring, code) => {
    if (colouring.tone === "status") return { colour: token(STATUS[code][0]), shape: STATUS[code][1] };
    const label = colouring.labels[code];
    if (label === "unknown" || label === "other") return { colour: token("line"), shape: "circle" };
    if (colouring.tone === "steps") return { colour: token(`step-${code + 1}`), shape: "circle" };
    return { colour: token(`group-${(code % 8) + 1}`), shape: SHAPES[Math.floor(code / 8) % SHAPES.length] };
  };

  const density = (panel, rows) => {
    const { view } = panel;
    const z = Array.from({ length: BINS }, () => new Array(BINS).fill(null));
    const [x0, x1] = view?.x ?? panel.reach.x;
    const [y0, y1] = view?.y ?? panel.reach.y;
    rows.forEach((row) => {
      const column = Math.floor(((panel.x[row] - x0) / (x1 - x0)) * BINS);
      const line = Math.floor(((panel.y[row] - y0) / (y1 - y0)) * BINS);
      if (column >= 0 && column < BINS && line >= 0 && line < BINS) z[line][column] = (z[line][column] ?? 0) + 1;
    });
    return {
      type: "heatmap", hoverinfo: "skip", showscale: false, zsmooth: false,
      x0: x0 + (x1 - x0) / BINS / 2, dx: (x1 - x0) / BINS, y0: y0 + (y1 - y0) / BINS / 2, dy: (y1 - y0) / BINS,
      z: z.map((line) => line.map((value) => (value === null ? null : Math.log1p(value)))),
      colorscale: [[0, token("line")], [0.5, token("accent")], [1, token("text")]],
    };
  };

  // Drawn by WebGL as the points are: Plotly puts what is SVG beneath all points, where a dense map hides it.
  const lines = (panel, from, near, colour) => ({
    type: "scattergl", mode: "lines", hoverinfo: "skip", line: { color: colour, width: 1 },
    x: near.flatMap((row) => [from.x, panel.x[row], null]), y: near.flatMap((row) => [from.y, panel.y[row], null]),
  });
  const ring = (spot, colour, size, name) => ({
    type: "scattergl", mode: "markers", hoverinfo: "skip", name, x: [spot.x], y: [spot.y],
    marker: { symbol: "circle-open", size, color: colour, line: { width: 2 } },
  });

  // Plotly's script is five megabytes: it is asked for when a map is first drawn.
  let loading = null;
  const plotly = () => {
    loading ??= window.Plotly ? Promise.resolve() : new Promise((done, failed) => {
      const script = make("script", { src: "./scripts/plotly.js", onload: done, onerror: () => failed(new Error("The map's script did not load. Reload the page.")) });
      document.head.append(script);
    });
    return loading;
  };

  window.cxrMapParts = {
    bits, count, density, download, inside, lines, looks, make, plain, plotly, pointPart, ring, selectionPart, short, token, unpacked,
  };
})();
