// Everything the page does without asking the server: light switch, keys, and the film's window.
(() => {
  "use strict";
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  // Light switch. The choice is a taste, not patient data: it may stay in the browser.
  const setTheme = (theme) => { root.dataset.theme = theme; };
  setTheme(localStorage.getItem("theme") === "light" ? "light" : "dark");
  const switchTheme = () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", theme);
    setTheme(theme);
  };

  // The film travels with 16 bits a pixel: high byte in red, low byte in green.
  let film = null;

  const paint = () => {
    const { grey, context, centre, width, inverted } = film;
    const low = centre - width / 2;
    const picture = context.createImageData(context.canvas.width, context.canvas.height);
    const pixels = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < grey.length; i += 1) {
      let level = Math.max(0, Math.min(255, ((grey[i] - low) / width) * 255)) | 0;
      if (inverted) level = 255 - level;
      pixels[i] = 0xff000000 | (level << 16) | (level << 8) | level;
    }
    context.putImageData(picture, 0, 0);
  };

  const pressed = (button, on) => button.setAttribute("aria-pressed", String(on));

  const useWindow = (button) => {
    if (!film) return;
    film.centre = Number(button.dataset.centre);
    film.width = Number(button.dataset.width);
    document.querySelectorAll("#film [data-centre]").forEach((other) => pressed(other, other === button));
    paint();
  };

  const invert = () => {
    if (!film) return;
    film.inverted = !film.inverted;
    pressed(document.querySelector("#film [data-act=invert]"), film.inverted);
    paint();
  };

  const dragWindow = (event) => {
    if (!film || event.buttons !== 1) return;
    const unit = film.range / 512;
    film.width = Math.max(unit, film.width + event.movementX * unit);
    film.centre += event.movementY * unit;
    document.querySelectorAll("#film [data-centre]").forEach((button) => pressed(button, false));
    paint();
  };

  const showFilm = () => {
    film = null;
    const figure = document.querySelector("#film figure[data-film]");
    if (!figure) return;
    const image = new Image();
    image.onload = () => {
      const canvas = figure.querySelector("canvas");
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const grey = new Uint16Array(canvas.width * canvas.height);
      for (let i = 0; i < grey.length; i += 1) grey[i] = (data[4 * i] << 8) | data[4 * i + 1];
      film = { grey, context, inverted: false, range: Number(figure.dataset.range), centre: 0, width: 1 };
      useWindow(figure.querySelector("[data-centre]"));
      pressed(figure.querySelector("[data-act=invert]"), false);
      canvas.onpointerdown = (event) => canvas.setPointerCapture(event.pointerId);
      canvas.onpointermove = dragWindow;
      figure.dataset.drawn = "yes";
    };
    image.src = figure.dataset.film;
  };
  window.addEventListener("cxr:film", showFilm);

  // Keys. Nothing here acts while a person types.
  const step = (by) => {
    const hits = [...document.querySelectorAll("#results .hit")];
    const next = hits[Math.max(0, Math.min(hits.length - 1, hits.indexOf(document.activeElement) + by))];
    if (next) next.focus();
  };
  const keys = {
    "/": () => {
      window.dispatchEvent(new CustomEvent("cxr:go", { detail: "search" }));
      document.querySelector("#query textarea").focus();
    },
    j: () => step(1),
    k: () => step(-1),
    i: invert,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("textarea, select, input:not([type=radio])")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (root.dataset.page !== "search" && event.key !== "/") return;
    const preset = document.querySelector(`#film [data-key="${CSS.escape(event.key)}"]`);
    const act = preset ? () => useWindow(preset) : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const acts = {
    theme: switchTheme,
    invert,
    options: () => {
      const open = document.body.toggleAttribute("data-options");
      document.querySelector("[data-act=options]").setAttribute("aria-expanded", String(open));
    },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act], #film [data-centre]");
    if (!button) return;
    if (button.dataset.act) acts[button.dataset.act]();
    else useWindow(button);
  });
})();
