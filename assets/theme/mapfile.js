// The host of a map that lies in a file: what a server would answer is computed from what the file holds.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const root = document.documentElement;
  root.dataset.page = "map";
  root.dataset.theme = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const near = data.near.map((panel) => ({ rows: new Int32Array(bytes(panel.rows).buffer), scores: new Float32Array(bytes(panel.scores).buffer) }));
  const codes = (colouring) => new Int8Array(bytes(colouring.codes).buffer);
  const statuses = data.colourings.filter((one) => one.tone === "status").map((one) => ({ ...one, codes: codes(one) }));
  const groups = [...data.panels.map((panel, number) => ({ ...panel.clusters, name: data.panels.length > 1 ? `cluster_${data.panels[number].encoder}` : "cluster" })),
    ...data.colourings.filter((one) => one.tone !== "status")].map((one) => ({ ...one, codes: codes(one) }));
  const places = data.panels.map((panel) => ({ x: new Float32Array(bytes(panel.x).buffer), y: new Float32Array(bytes(panel.y).buffer) }));

  const rowsIn = (sent) => {
    const held = bytes(sent);
    return data.ids.map((_, row) => row).filter((row) => held[row >> 3] & (1 << (row & 7)));
  };
  const line = (row) => ({ row, id: data.ids[row], text: data.texts[row] });

  const selection = (rows) => ({
    count: rows.length, of: data.ids.length, studies: rows.slice(0, 200).map(line),
    findings: statuses.map((one) => ({
      finding: one.name, selected: rows.filter((row) => one.codes[row] === 0).length, all: one.codes.filter((code) => code === 0).length,
    })),
  });

  const point = ({ row, panel }) => {
    const { rows, scores } = near[panel];
    const around = Array.from({ length: data.nearest }, (_, at) => row * data.nearest + at).filter((at) => rows[at] >= 0);
    return {
      panel, row, id: data.ids[row], score: "cosine", sections: [[data.scope, data.texts[row]]],
      facts: groups.filter((one) => ["age", "sex", "view", "source"].includes(one.name)).map((one) => `${one.name} ${one.labels[one.codes[row]]}`),
      near: around.map((at) => ({ ...line(rows[at]), score: scores[at] })),
    };
  };

  const table = (rows) => rows.map((row) => ({
    id: data.ids[row], text: data.texts[row], x: places[0].x[row], y: places[0].y[row],
    ...Object.fromEntries(groups.map((one) => [one.name, one.labels[one.codes[row]]])),
    ...Object.fromEntries(statuses.map((one) => [one.name, one.labels[one.codes[row]]])),
  }));
  // No spreadsheet shall take a text for a formula: an apostrophe stands before what looks like one.
  const plain = (value) => (typeof value === "string" && /^ *[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : String(value));
  const cell = (value) => `"${plain(value).replaceAll('"', '""')}"`;
  const csv = (rows) => `\ufeff${[Object.keys(rows[0]), ...rows.map(Object.values)].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
  const encode = (text) => {
    let raw = "";
    new TextEncoder().encode(text).forEach((byte) => { raw += String.fromCharCode(byte); });
    return btoa(raw);
  };
  const file = ({ format, rows }) => {
    const lines = table(rowsIn(rows));
    const text = format === "csv" ? csv(lines) : JSON.stringify(lines, null, 1);
    return { name: `selection.${format}`, type: format === "csv" ? "text/csv;charset=utf-8" : "application/json", body: encode(text) };
  };
  const found = (words) => {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) return [];
    return data.ids.map((_, row) => row).filter((row) => wanted.every((word) => data.texts[row].toLowerCase().includes(word)));
  };

  const host = (kind, sent) => {
    const answer = {
      choose: () => ({ selection: selection(rowsIn(sent.rows)) }), pick: () => ({ point: point(sent) }),
      seek: () => ({ found: found(sent.words) }), save: () => ({ file: file(sent) }),
    }[kind];
    if (answer) setTimeout(() => window.cxrMap.take(answer()), 0);
  };
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-act=theme]")) root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  });
  window.cxrMap.standAlone(host, data, () => { document.body.dataset.ready = "yes"; });
})();
