// Which page is shown. All are parts of one document; the address names one of them, and a link works like any other.
(() => {
  "use strict";
  const root = document.documentElement;
  const scrolled = {};
  const links = () => [...document.querySelectorAll("#top nav a")];
  const asked = () => new URLSearchParams(location.search).get("show") ?? "search";

  const show = () => {
    const link = links().find((one) => one.dataset.page === asked()) ?? links()[0];
    scrolled[root.dataset.page] = scrollY;
    root.dataset.page = link.dataset.page;
    links().forEach((one) => one.toggleAttribute("aria-current", one === link));
    link.setAttribute("aria-current", "page");
    const product = document.querySelector("#top h1").textContent;
    document.title = link === links()[0] ? product : `${link.textContent} · ${product}`;
    scrollTo(0, scrolled[link.dataset.page] ?? 0);
  };

  const go = (link) => {
    if (link.search !== location.search) history.pushState(null, "", link.href);
    show();
  };

  root.dataset.page = asked(); // before the first paint, and so before there is a link
  history.scrollRestoration = "manual";
  window.addEventListener("cxr:header", show);
  window.addEventListener("popstate", show);
  window.addEventListener("cxr:go", ({ detail }) => go(links().find((one) => one.dataset.page === detail)));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#top nav a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window, as elsewhere
    event.preventDefault();
    go(link);
  });
})();
