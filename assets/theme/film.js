// The film: window, inversion, zoom, flip. Nothing of it asks the server. Two events tell others:
// `cxr:film-drawn` after every painting, with the canvas, and `cxr:film-moved` when it is zoomed, moved or flipped.
// What lies over the film goes into `.stage` beside the canvas, and is moved along with it.
// There is one on Search and one on Review: `host` is where it lies, `shown` the event that says it is there. Keys and the
// two events are those of Search.
const filmViewer = (host, shown, keys) => {
  "use strict";
  const LARGEST = 8; // times
  const STEP = 1.25;
  let film = null;

  const tell = (name) => keys && window.dispatchEvent(new CustomEvent(name, { detail: { canvas: film.context.canvas } }));
  const pressed = (button, on) => button?.setAttribute("aria-pressed", String(on));
  const tool = (act) => document.querySelector(`${host} [data-act="${act}"]`);

  // The film travels with 16 bits a pixel: high byte in red, low byte in green.
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
    say();
    tell("cxr:film-drawn");
  };

  // What is not as the file has it is written over the film.
  const say = () => {
    const { inverted, flipped, zoom } = film;
    const words = [];
    if (inverted) words.push("inverted");
    if (flipped) words.push("flipped: left is right");
    if (zoom > 1) words.push(`× ${zoom.toFixed(1)}`);
    document.querySelector(`${host} .state`).textContent = words.join(" · ");
  };

  const place = () => {
    const { zoom, flipped, context } = film;
    const stage = context.canvas.closest(".stage");
    const room = stage.parentElement.getBoundingClientRect();
    const reach = [((zoom - 1) * room.width) / 2, ((zoom - 1) * room.height) / 2];
    film.x = Math.max(-reach[0], Math.min(reach[0], film.x));
    film.y = Math.max(-reach[1], Math.min(reach[1], film.y));
    stage.style.transform = `translate(${film.x}px, ${film.y}px) scale(${zoom * (flipped ? -1 : 1)}, ${zoom})`;
    say();
    tell("cxr:film-moved");
  };

  const useWindow = (button) => {
    film.centre = Number(button.dataset.centre);
    film.width = Number(button.dataset.width);
    document.querySelectorAll(`${host} [data-centre]`).forEach((other) => pressed(other, other === button));
    paint();
  };
  const zoomBy = (factor) => {
    const zoom = Math.max(1, Math.min(LARGEST, film.zoom * factor));
    film.x *= zoom / film.zoom;
    film.y *= zoom / film.zoom;
    film.zoom = zoom;
    place();
  };
  const acts = {
    invert: () => {
      film.inverted = !film.inverted;
      pressed(tool("invert"), film.inverted);
      paint();
    },
    flip: () => {
      film.flipped = !film.flipped;
      pressed(tool("flip"), film.flipped);
      place();
    },
    "zoom-in": () => zoomBy(STEP),
    "zoom-out": () => zoomBy(1 / STEP),
    reset: () => {
      Object.assign(film, { inverted: false, flipped: false, zoom: 1, x: 0, y: 0 });
      pressed(tool("invert"), false);
      pressed(tool("flip"), false);
      place();
      useWindow(document.querySelector(`${host} [data-centre]`));
    },
    large: () => {
      const figure = document.querySelector(`${host} figure`);
      pressed(tool("large"), figure.toggleAttribute("data-large"));
      place();
    },
  };

  const drag = (event) => {
    if (!event.buttons) return;
    if (event.shiftKey || event.buttons === 4) {
      film.x += event.movementX;
      film.y += event.movementY;
      place();
    } else if (event.buttons === 1) {
      const unit = film.range / 512;
      film.width = Math.max(unit, film.width + event.movementX * unit);
      film.centre += event.movementY * unit;
      document.querySelectorAll(`${host} [data-centre]`).forEach((button) => pressed(button, false));
      paint();
    }
  };
  const arrows = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const moveByKey = (event) => {
    const arrow = arrows[event.key];
    if (!arrow || film.zoom === 1) return;
    event.preventDefault();
    film.x += arrow[0] * 40;
    film.y += arrow[1] * 40;
    place();
  };

  const take = (figure, image) => {
    const canvas = figure.querySelector("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const grey = new Uint16Array(canvas.width * canvas.height);
    for (let i = 0; i < grey.length; i += 1) grey[i] = (data[4 * i] << 8) | data[4 * i + 1];
    film = { grey, context, range: Number(figure.dataset.range), centre: 0, width: 1 };
    Object.assign(film, { inverted: false, flipped: false, zoom: 1, x: 0, y: 0 });
    canvas.onpointerdown = (event) => canvas.setPointerCapture(event.pointerId);
    canvas.onpointermove = drag;
    canvas.onkeydown = moveByKey;
    canvas.onwheel = (event) => {
      event.preventDefault();
      zoomBy(event.deltaY < 0 ? STEP : 1 / STEP);
    };
    useWindow(figure.querySelector("[data-centre]"));
    figure.dataset.drawn = "yes";
  };
  const show = () => {
    film = null;
    const figure = document.querySelector(`${host} figure[data-film]`);
    if (!figure) return;
    const image = new Image();
    image.onload = () => take(figure, image);
    image.src = figure.dataset.film;
  };
  window.addEventListener(shown, show);

  const byKey = { i: "invert", f: "flip", r: "reset", e: "large", "+": "zoom-in", "=": "zoom-in", "-": "zoom-out" };
  window.addEventListener("cxr:key", (event) => {
    if (!film || !keys) return;
    const preset = document.querySelector(`${host} [data-key="${CSS.escape(event.detail)}"]`);
    const large = document.querySelector(`${host} figure[data-large]`);
    if (preset) useWindow(preset);
    else if (event.detail in byKey) acts[byKey[event.detail]]();
    else if (event.detail === "Escape" && large) acts.large();
    else return;
    event.preventDefault(); // whoever sent the key knows by this that it was taken
  });
  // Where keys are not the viewer's, the large picture still has a way out.
  if (!keys) document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && document.querySelector(`${host} figure[data-large]`)) acts.large();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(`${host} [data-act], ${host} [data-centre]`);
    if (!button || !film) return;
    if (button.dataset.act) acts[button.dataset.act]();
    else useWindow(button);
  });
};
filmViewer("#film", "cxr:film", true);
filmViewer("#review-film", "cxr:review-film", false);
