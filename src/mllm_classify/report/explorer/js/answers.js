// All answers to an image, and how each was judged.

import { verdict } from "./cells.js";
import { count, element, isolated, seen } from "./elements.js";
import { named } from "./outcomes.js";
import { half } from "./packed.js";
import { decimals, listed, saidBy } from "./path.js";
import { C, className, F, labels, labelSets, rankings, rows, setText, shortName } from "./study.js";

const SHORT = 280;
const STEP = 20_000;

/** A text of any length: its beginning, and more of it on demand. */
function long(text, full, where) {
  const said = element("bdi", { class: "said", dir: "auto" });
  let end = text.length > SHORT ? SHORT : text.length;
  const cut = () => {
    // not between the halves of a character
    const code = text.charCodeAt(end - 1);
    if (end < text.length && code >= 0xd800 && code < 0xdc00) end += 1;
    said.textContent = seen(text.slice(0, end));
  };
  cut();
  const box = element("div", {}, said);
  if (end < text.length) {
    const more = element("button", { type: "button" });
    const tell = () => (more.textContent = `Show more (${count(end)} of ${count(text.length)} characters)`);
    tell();
    more.addEventListener("click", () => {
      end = Math.min(text.length, end + STEP);
      cut();
      if (end < text.length) tell();
      else more.remove();
    });
    box.append(more);
  }
  if (full > [...text.slice(0, full)].length) box.append(element("p", { class: "none" }, `Cut here: the answer has ${count(full)} characters; ${where} holds it.`));
  return box;
}

function similarity(text) {
  return element("div", {}, isolated(C.nearest[text] ? setText(C.nearest[text]) : "–"),
    element("br"), `similarity ${decimals(C.similarity[text])}, margin ${decimals(C.margin[text])}`);
}

/** The first classes of a ranking, with their scores. */
function ranked({ classes, scores, depth }, i) {
  const list = element("ol", { class: "ranking" });
  for (let at = i * depth; at < (i + 1) * depth && classes[at]; at++) {
    const score = scores ? half(scores[at]) : NaN;
    list.append(element("li", {}, isolated(className(classes[at] - 1)), Number.isNaN(score) ? "" : element("span", { class: "none" }, ` ${score.toPrecision(3)}`)));
  }
  return list;
}

export function answersOf(i) {
  const heads = ["Model", "Task", "Answer", "Nearest class", "Scored as", "Taken for", "In prompt", ...labelSets.map((set) => shortName[set])];
  const body = element("tbody");
  const asked = rows.filter((row) => row.flags[i] & F.asked);
  asked.forEach((row, at) => {
    const before = asked[at - 1];
    const task = (it) => JSON.stringify([it.model, it.task, it.variant, it.repeat]);
    const spanOf = (same) => {
      let span = 1;
      while (asked[at + span] && same(asked[at + span])) span += 1;
      return span;
    };
    const line = element("tr");
    if (before?.model !== row.model) {
      line.className = "first";
      line.append(element("th", { scope: "rowgroup", rowspan: spanOf((other) => other.model === row.model) }, isolated(labels[row.model])));
    }
    if (!before || task(before) !== task(row)) {
      const rowspan = spanOf((other) => task(other) === task(row));
      const text = saidBy(row, i);
      const name = [row.task, row.variant, row.repeat ? `repeat ${row.repeat + 1}` : ""].filter(Boolean).join(" · ");
      line.append(element("td", { rowspan, "data-name": "Task" }, isolated(name)));
      if (text) {
        const kept = `results/predictions (${row.model})`;
        const state = row.flags[i] & F.error ? [element("span", { class: "verdict error" }, "! error")] : [];
        line.append(
          element("td", { rowspan, "data-name": "Answer" }, ...state, C.texts.at(text - 1) === "" ? element("span", { class: "none" }, "empty") : long(C.texts.at(text - 1), C.full_lengths[text - 1], seen(kept))),
          element("td", { rowspan, "data-name": "Nearest class" }, similarity(text - 1)));
      } else {
        const known = row.ranking === null ? 0 : rankings[row.ranking].classes[i * rankings[row.ranking].depth];
        const answer = known ? ranked(rankings[row.ranking], i) : element("span", { class: "none" }, row.flags[i] & F.unasked ? "not asked" : "ranks classes");
        line.append(element("td", { rowspan, "data-name": "Answer" }, answer), element("td", { rowspan, class: "void" }, "–"));
      }
    }
    const inList = listed(row, i);
    const oop = row.flags[i] & F.oop;
    line.append(
      element("td", { "data-name": "Scored as" }, isolated(row.scoring)),
      element("td", { "data-name": "Taken for" }, isolated(named(row, i))),
      element("td", inList ? { "data-name": "In prompt" } : { class: "void" }, inList ? element("span", oop ? { class: "verdict oop" } : {}, oop ? "○ no" : "yes") : "–"),
      ...labelSets.map((set) => element("td", { "data-name": shortName[set] }, verdict(row, i, set))));
    body.append(line);
  });
  const head = element("thead", {}, element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name))));
  return element("table", { class: "answers" }, head, body);
}
