// The texts of a case on the Review page: marked parts, and what is selected in them. Places are counted in characters,
// as the server counts, not in UTF-16 units.
window.cxrReviewText = (() => {
  "use strict";
  const spans = (text, marks) => {
    const letters = [...text];
    const cuts = [...new Set([0, letters.length, ...marks.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
    return cuts.slice(1).map((end, index) => {
      const start = cuts[index];
      const over = marks.filter((mark) => mark.start <= start && end <= mark.end && mark.start < mark.end);
      const part = document.createElement(over.length ? "mark" : "span");
      part.textContent = letters.slice(start, end).join("");
      if (over.some((mark) => mark.critical)) part.dataset.critical = "";
      return part;
    });
  };

  // The characters selected in a text, [0, 0] for none.
  const selected = (box) => {
    const selection = getSelection();
    if (!box || selection.isCollapsed || !selection.rangeCount || !box.contains(selection.anchorNode) || !box.contains(selection.focusNode)) return [0, 0];
    const range = selection.getRangeAt(0);
    const before = document.createRange();
    before.selectNodeContents(box);
    before.setEnd(range.startContainer, range.startOffset);
    const start = [...before.toString()].length;
    return [start, start + [...range.toString()].length];
  };

  // The next sentence of a text, for whoever has no mouse: after the one selected, the first where none is.
  const selectSentence = (box) => {
    if (!box) return;
    const ends = [...box.textContent.matchAll(/[^.!?\n]+[.!?]*/g)].filter(([said]) => said.trim());
    const selection = getSelection();
    const inside = !selection.isCollapsed && box.contains(selection.focusNode);
    const units = inside ? offsetIn(box, selection.focusNode, selection.focusOffset) : 0;
    const next = ends.find(({ index }) => index >= units) ?? ends[0];
    if (!next) return;
    const lead = next[0].length - next[0].trimStart().length;
    selection.setBaseAndExtent(...placeIn(box, next.index + lead), ...placeIn(box, next.index + next[0].length));
  };
  // UTF-16 units from the start of a box to a place in it, and back.
  const offsetIn = (box, node, offset) => {
    const before = document.createRange();
    before.selectNodeContents(box);
    before.setEnd(node, offset);
    return before.toString().length;
  };
  const placeIn = (box, units) => {
    const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
    let left = units;
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      if (left <= text.length) return [text, left];
      left -= text.length;
    }
    return [box, box.childNodes.length];
  };

  return { spans, selected, selectSentence };
})();
