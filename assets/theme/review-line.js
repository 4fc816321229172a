// What a person did on the Review page and the server has not confirmed yet, oldest first.
//
// One message is under way at a time, so that no answer overtakes another, and it is sent again until its own answer
// comes: the browser can lose an answer of Gradio's, and a server can be gone for a while. The server knows each message
// by its number and does nothing twice. What reviewers did outlives a reload of the page.
window.cxrReviewLine = (late) => {
  "use strict";
  const KEPT = "review-line";
  const LASTING = new Set(["save", "turn", "undo", "reveal", "finish"]); // acts of a reviewer
  const BESIDE = new Set(["save", "piece", "export", "film"]); // acts that bring no other screen
  const STAYING = new Set(["undo", "reveal"]); // acts that bring the same case again
  const QUICK = new Set([...LASTING, "sit", "open", "go", "piece", "film"]);
  const FIRST = 3_000; // ms to wait for the answer of a quick act, doubled with every further time
  const LONG = 30_000;

  const line = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  let seq = Date.now() * 1000; // grows across reloads, too
  let under = false;
  let again = 0;
  let times = 0;

  const keep = () => sessionStorage.setItem(KEPT, JSON.stringify(line.filter(({ act }) => LASTING.has(act))));

  const send = () => {
    under = true;
    window.dispatchEvent(new CustomEvent("cxr:review", { detail: line[0] }));
    const patience = QUICK.has(line[0].act) ? Math.min(FIRST * 2 ** times, LONG) : LONG;
    again = setTimeout(() => { times += 1; late(line[0]); send(); }, patience);
  };

  const coming = () => line.filter(({ act }) => !BESIDE.has(act));

  return {
    // Add a message. Letters typed one after another into a comment are one, as long as they are not under way.
    post: (message) => {
      seq += 1;
      const last = line.length > 1 ? line.at(-1) : null;
      const typed = [message, last].every((one) => one?.act === "save" && one.action === "comment");
      if (typed && last.number === message.number) line.pop();
      line.push({ ...message, seq });
      keep();
      if (!under) send();
    },
    // Take an answer in: whether it is that of the message under way. Then `next` sends what stands behind it.
    take: (ack) => {
      if (!under || line[0].seq !== ack) return null;
      clearTimeout(again);
      times = 0;
      const done = line.shift();
      keep();
      return done;
    },
    next: () => {
      under = false;
      if (line.length) send();
    },
    saving: () => line.some(({ act }) => act === "save"),
    left: () => line.length > 0,
    coming: () => coming().length > 0, // another screen
    staying: () => coming().every(({ act }) => STAYING.has(act)), // it is that of the same case
  };
};
