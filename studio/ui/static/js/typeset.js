// Symbols in sentences, set as on the stage: hats, bars and indices that every font gets wrong.

const letter = (text, marks = "", index = "") =>
  `<span class="m">${marks ? `<span class="${marks}">${text}</span>` : text}${index && `<sub>${index}</sub>`}</span>`;

const SYMBOLS = {
  "x̂₀": letter("x", "hat", "0"),
  "x₀": letter("x", "", "0"),
  "x_(t−1)": letter("x", "", "t−1"),
  "x_t": letter("x", "", "t"),
  "x_T": letter("x", "", "T"),
  "ᾱ": letter("α", "over"),
  "α_t": letter("α", "", "t"),
  "β_t": letter("β", "", "t"),
  "ε_t": letter("ε", "", "t"),
  "ε̄": letter("ε", "over"),
  "ε̂": letter("ε", "hat"),
  "μ̃": letter("μ", "tilde"),
  "β̃": letter("β", "tilde"),
};
const PATTERN = new RegExp(Object.keys(SYMBOLS).sort((a, b) => b.length - a.length).map((s) => s.replace(/[()]/g, "\\$&")).join("|"), "g");

/** Put the text into the element with its symbols set; gives the element back. */
export function typeset(element, text) {
  element.replaceChildren();
  let from = 0;
  for (const found of text.matchAll(PATTERN)) {
    element.append(text.slice(from, found.index));
    element.insertAdjacentHTML("beforeend", SYMBOLS[found[0]]);
    from = found.index + found[0].length;
  }
  element.append(text.slice(from));
  return element;
}
