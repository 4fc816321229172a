// Evidence on the film: lays the heat map of #evidence-map over the film's canvas, and asks for that of the chosen hit.
(() => {
  "use strict";

  const WAIT = 180; // ms: a person who steps through the hits asks for the one where they stop
  let asked = 0;
  let watcher = null;

  const cellsOf = (heat) => Uint8Array.from(atob(heat.dataset.heat), (letter) => letter.charCodeAt(0));

  const rgb = () => {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--heat");
    probe.fillRect(0, 0, 1, 1);
    return probe.getImageData(0, 0, 1, 1).data;
  };

  const cellPicture = (heat) => {
    const width = Number(heat.dataset.width);
    const height = Number(heat.dataset.height);
    const small = document.createElement("canvas");
    small.width = width;
    small.height = height;
    const context = small.getContext("2d");
    const picture = context.createImageData(width, height);
    const [red, green, blue] = rgb();
    cellsOf(heat).forEach((value, i) => picture.data.set([red, green, blue, value], 4 * i));
    context.putImageData(picture, 0, 0);
    return small;
  };

  const draw = (overlay, heat) => {
    const context = overlay.getContext("2d");
    const small = cellPicture(heat);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, overlay.width, overlay.height);
    const [red, green, blue] = rgb();
    const unit = overlay.width / small.width;
    const x = (Number(heat.dataset.column) + 0.5) * unit;
    const y = ((Number(heat.dataset.row) + 0.5) * overlay.height) / small.height;
    const line = Math.max(2, overlay.width / 220);
    for (const [colour, width] of [["black", 3 * line], [`rgb(${red} ${green} ${blue})`, line]]) {
      context.strokeStyle = colour; // the dark rim keeps the ring in sight on bright and on dark places
      context.lineWidth = width;
      context.beginPath();
      context.arc(x, y, overlay.width / 22, 0, 2 * Math.PI);
      context.stroke();
    }
  };

  const lieOn = (overlay, film) => {
    Object.assign(overlay.style, {
      left: `${film.offsetLeft}px`,
      top: `${film.offsetTop}px`,
      width: `${film.offsetWidth}px`,
      height: `${film.offsetHeight}px`,
    });
  };

  const clear = () => {
    watcher?.disconnect();
    document.querySelectorAll("#film canvas.heat").forEach((overlay) => overlay.remove());
  };

  const show = () => {
    clear();
    const map = document.querySelector("#evidence-map");
    map.removeAttribute("data-stale");
    const heat = map.querySelector("[data-heat]");
    const film = document.querySelector("#film figure[data-film] canvas");
    if (!heat || !film) return;
    const overlay = document.createElement("canvas");
    overlay.className = "heat";
    overlay.width = film.width;
    overlay.height = film.height;
    overlay.setAttribute("aria-hidden", "true");
    draw(overlay, heat);
    film.after(overlay);
    const slider = heat.querySelector("input");
    const fade = () => (overlay.style.opacity = slider.value / 100);
    slider.addEventListener("input", fade);
    fade();
    watcher = new ResizeObserver(() => lieOn(overlay, film));
    watcher.observe(film);
    lieOn(overlay, film);
  };

  const ask = (study) => {
    const box = document.querySelector("#evidence-study :is(textarea, input)");
    if (!box || box.value === study) return;
    box.value = study;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };

  window.addEventListener("cxr:evidence", () => requestAnimationFrame(show));
  window.addEventListener("cxr:film", () => {
    clear(); // another film: the map of the last one is not its own
    document.querySelector("#evidence-map")?.setAttribute("data-stale", "");
    ask(""); // so that the same hit can be asked for again
  });
  window.addEventListener("cxr:hit", ({ detail: study }) => {
    clearTimeout(asked);
    if (study && document.querySelector("#film figure[data-film]")) asked = setTimeout(ask, WAIT, study);
  });
})();
