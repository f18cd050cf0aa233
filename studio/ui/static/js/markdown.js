// A checkpoint's card: Markdown into elements, one by one. No HTML of it is ever read, no picture
// is fetched, and a link leads out only where somebody clicks it.

import { element } from "./race_words.js";

const MAX_DEPTH = 6;

/** Put the card under its title; hidden where there is none. */
export function drawCard(box, text, title) {
  box.hidden = !text.trim();
  box.replaceChildren(element("h3", "", title), ...blocks(text.split(/\r?\n/)));
}

/** Headings, lists, tables, quotes, code and paragraphs. */
function blocks(lines) {
  const out = [];
  let at = 0;
  const take = (test) => {
    const taken = [];
    while (at < lines.length && test(lines[at])) taken.push(lines[at++]);
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at];
    if (!line.trim() || /^\s*<!--.*-->\s*$/.test(line) || /^\s*!\[[^\]]*\]\([^)]*\)\s*$/.test(line) || /^\s*(-{3,}|\*{3,})\s*$/.test(line)) {
      at++;
    } else if (/^\s*```/.test(line)) {
      at++;
      const code = take((l) => !/^\s*```/.test(l));
      at++;
      const pre = element("pre");
      pre.append(element("code", "", code.join("\n")));
      out.push(pre);
    } else if (/^#{1,6}\s/.test(line)) {
      const [, marks, said] = line.match(/^(#{1,6})\s+(.*)$/) ?? [null, "#", line];
      out.push(inline(element(`h${Math.min(marks.length + 3, MAX_DEPTH)}`), said));
      at++;
    } else if (/^\s*\|/.test(line)) {
      out.push(table(take((l) => /^\s*\|/.test(l))));
    } else if (/^\s*([-*+]|\d+[.)])\s/.test(line)) {
      out.push(list(take((l) => /^\s*([-*+]|\d+[.)])\s/.test(l) || /^\s{2,}\S/.test(l))));
    } else if (/^\s*>/.test(line)) {
      out.push(inline(element("blockquote"), take((l) => /^\s*>/.test(l)).map((l) => l.replace(/^\s*>\s?/, "")).join(" ")));
    } else {
      const words = [lines[at++], ...take((l) => l.trim() && !/^(#{1,6}\s|\s*```|\s*\||\s*[-*+]\s)/.test(l))];
      out.push(inline(element("p"), words.join(" ")));
    }
  }
  return out;
}

function list(lines) {
  const made = element(/^\s*\d/.test(lines[0]) ? "ol" : "ul");
  const items = [];
  for (const line of lines) {
    const begun = line.match(/^\s*(?:[-*+]|\d+[.)])\s+(.*)$/);
    if (begun) items.push(begun[1]);
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  made.append(...items.map((item) => inline(element("li"), item)));
  return made;
}

function table(lines) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const rows = lines.filter((line) => !/^[\s|:-]+$/.test(line));
  const made = element("table");
  rows.forEach((line, place) => {
    const row = element("tr");
    row.append(...cells(line).map((cell) => inline(element(place ? "td" : "th"), cell)));
    if (place || cells(line).some(Boolean)) made.append(row);
  });
  const box = element("div", "models-scroll");
  box.append(made);
  return box;
}

const SPANS = /`([^`]+)`|\*\*([^*]+)\*\*|!\[([^\]]*)\]\([^)]*\)|\[([^\]]+)\]\(([^)\s]+)[^)]*\)|\*([^*\s][^*]*)\*|<(https?:[^>\s]+)>/g;

/** Code, bold, italic and links within a line; all else is text. */
function inline(box, text) {
  let from = 0;
  for (const found of text.matchAll(SPANS)) {
    box.append(text.slice(from, found.index));
    const [, code, bold, picture, label, target, italic, bare] = found;
    if (code !== undefined) box.append(element("code", "", code));
    else if (bold !== undefined) box.append(inline(element("strong"), bold));
    else if (picture !== undefined) box.append(picture);
    else if (italic !== undefined) box.append(element("em", "", italic));
    else box.append(link(label ?? bare, target ?? bare));
    from = found.index + found[0].length;
  }
  box.append(text.slice(from));
  return box;
}

/** A link out; one within the folder is only text, for nothing of it is served. */
function link(label, target) {
  if (!/^https?:\/\//i.test(target)) return document.createTextNode(label);
  return Object.assign(element("a", "", label), { href: target, target: "_blank", rel: "noopener noreferrer nofollow" });
}
