// The forms of the Review page: a review to be made, a language model to be asked.
window.cxrReviewForms = (post, work) => {
  "use strict";
  const busy = (on) => {
    document.querySelectorAll("#review [data-do=stop]").forEach((one) => { one.hidden = !on; });
    document.querySelectorAll("#review form [type=submit]").forEach((one) => { one.disabled = on; });
  };
  const fieldsOf = (form) => {
    const data = new FormData(form);
    const fields = Object.fromEntries([...data].filter(([, value]) => typeof value === "string"));
    return { ...fields, encoder: data.getAll("encoder") };
  };
  // A question holds 256 kB at most: a file goes over in pieces, each after the one before it was taken.
  const PIECE = 30_000;
  let taken = null;
  const handOver = async (text) => {
    let name = "";
    const letters = [...text]; // a sign of two halves is never cut
    for (let start = 0; start < letters.length && name !== null; start += PIECE) {
      const reply = new Promise((resolve) => { taken = resolve; });
      post({ act: "piece", name, start, text: letters.slice(start, start + PIECE).join("") });
      name = await reply;
    }
    taken = null;
    return name;
  };
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("#review form");
    if (!form) return;
    event.preventDefault();
    const { form: kind, review } = form.dataset;
    if (kind === "sit") return;
    const file = form.elements.generated?.files[0];
    const brought = form.querySelector("[data-brought]");
    if (file && file.size > Number(form.elements.generated.dataset.most)) {
      form.elements.generated.setCustomValidity("This file is too large. Import fewer reports.");
      form.reportValidity();
      form.elements.generated.setCustomValidity("");
      return;
    }
    busy(true);
    const held = file ? await handOver(await file.text()) : "";
    if (held === null) return; // refused, and said so
    work({
      act: kind,
      review,
      fields: { ...fieldsOf(form), how: event.submitter?.value },
      generated: file ? held : null,
      brought: brought?.dataset.brought ?? null,
    });
  });

  // What the server said of a piece: the name of what it holds so far, null if it was refused.
  const take = (name) => taken?.(name);

  return { busy, fieldsOf, take };
};
