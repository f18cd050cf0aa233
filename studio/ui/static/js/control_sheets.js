// The sheets: for each control its picture or drawing, its preprocessor, its strength; and the hint.

import { Paper } from "./control_paper.js";
import { button, element } from "./race_words.js";
import { figure, say, sayMessage, sayText } from "./words.js";

const WAIT = 250; // ms after the last change, before the server is asked
const HOUSE = [
  [[0.24, 0.46], [0.24, 0.86], [0.76, 0.86], [0.76, 0.46]],
  [[0.16, 0.5], [0.5, 0.16], [0.84, 0.5]],
  [[0.43, 0.86], [0.43, 0.64], [0.57, 0.64], [0.57, 0.86]],
];
const MOST = 20 * 2 ** 20; // bytes of a picture file

export class Sheets {
  constructor({ element: root, props, server }) {
    this.box = root.querySelector(".control_sheets");
    this.props = props;
    this.server = server;
    this.said = props.value; // what there is to choose from
    this.sheets = [];
    this.chosen = 0;
    if (!this.said.kinds.length) {
      this.box.append(element("p", "nothing", say("control_none_here")));
      return;
    }
    this.lay();
    this.add();
    this.sheet.paper.strokes(HOUSE);
    document.getElementById("control_model")?.addEventListener("input", () => this.sheets.forEach((sheet) => this.later(sheet, 0)));
    document.addEventListener("paste", (event) => this.paste(event));
    document.addEventListener("click", (event) => this.before(event), true);
  }

  get sheet() {
    return this.sheets[this.chosen];
  }

  kind(id) {
    return this.said.kinds.find((kind) => kind.id === id);
  }

  add() {
    const kind = this.kind(this.said.usual) ?? this.said.kinds[0];
    const sheet = { paper: new Paper(() => this.drew(sheet)), own: true, hint: "", problem: null };
    sheet.control = { model: kind.id, image: "", preprocess: "none", settings: {}, scale: kind.scale ?? 1, start: 0, end: 1, guess: false };
    this.suit(sheet);
    this.sheets.push(sheet);
    this.choose(this.sheets.length - 1);
  }

  remove() {
    if (this.sheets.length < 2) return;
    this.sheets.splice(this.chosen, 1);
    this.choose(Math.max(0, this.chosen - 1));
    this.publish();
  }

  /** The preprocessor that suits what lies on the sheet, until somebody chooses one. */
  suit(sheet) {
    if (!sheet.own) return;
    const kind = this.kind(sheet.control.model);
    const preprocess = kind.whole ? "none" : sheet.paper.picture ? kind.preprocessor || "none" : "drawing";
    if (preprocess === sheet.control.preprocess) return;
    sheet.control.preprocess = preprocess;
    sheet.control.settings = this.usual(preprocess, kind);
  }

  usual(preprocess, kind) {
    const made = this.said.preprocessors.find((p) => p.id === preprocess);
    const own = preprocess === kind.preprocessor ? kind.settings : {};
    const thin = preprocess === "drawing" && kind.preprocessor === "canny" ? { width: 1 } : {};
    return Object.fromEntries((made?.settings ?? []).map((s) => [s.name, own[s.name] ?? thin[s.name] ?? s.value]));
  }

  lay() {
    this.tabs = element("div", "sheet-tabs");
    this.tabs.setAttribute("role", "group");
    this.desk = element("div", "desk");
    this.place = element("div", "sheet");
    this.place.addEventListener("dragover", (event) => event.preventDefault());
    this.place.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.open(event.dataTransfer.files[0]);
    });
    this.seen = document.createElement("img");
    this.seen.id = "control_hint_seen";
    this.note = element("p", "sheet-note");
    this.note.setAttribute("role", "status");
    const left = element("figure", "");
    left.append(element("figcaption", "", say("control_sheet")), this.place);
    const right = element("figure", "");
    this.caption = element("figcaption", "", say("control_receives"));
    right.append(this.caption, this.seen);
    this.desk.append(left, right);
    this.tools = element("div", "sheet-tools");
    this.fields = element("div", "sheet-fields");
    this.box.append(this.tabs, this.desk, this.tools, this.note, this.fields);
    this.layTools();
  }

  layTools() {
    this.file = document.createElement("input");
    this.file.type = "file";
    this.file.accept = "image/png,image/jpeg,image/webp";
    this.file.id = "control_file";
    this.file.hidden = true;
    this.file.addEventListener("change", () => this.open(this.file.files[0]));
    const act = (id, go) => {
      const made = button("", say(id), say(`${id}_title`), go);
      made.id = id;
      return made;
    };
    this.width = this.range("control_pen", 2, 48, 1, 12, (value) => (this.sheet.paper.pen.width = value));
    this.erase = act("control_eraser", () => {
      const pen = this.sheet.paper.pen;
      pen.erase = !pen.erase;
      this.erase.setAttribute("aria-pressed", String(pen.erase));
    });
    this.erase.setAttribute("aria-pressed", "false");
    this.tools.append(
      act("control_upload", () => this.file.click()), this.file, this.erase,
      act("control_undo", () => this.sheet.paper.undo()), act("control_clear", () => this.sheet.paper.clear()), this.width,
    );
  }

  showPen(width) {
    this.width.querySelector("input").value = width;
    this.width.querySelector("output").textContent = figure(width, 0);
  }

  choose(place) {
    this.chosen = place;
    this.tabs.replaceChildren(
      ...this.sheets.map((sheet, k) => {
        const tab = button("", `${k + 1}`, sayText(this.kind(sheet.control.model).title), () => this.refocus(() => this.choose(k)));
        tab.id = `control_tab_${k}`;
        tab.setAttribute("aria-pressed", String(k === place));
        return tab;
      }),
    );
    const more = (id, go) => Object.assign(button("more-sheets", say(id), say(`${id}_title`), () => this.refocus(go)), { id });
    if (this.sheets.length < this.said.most) this.tabs.append(more("control_add", () => this.add()));
    if (this.sheets.length > 1) this.tabs.append(more("control_remove", () => this.remove()));
    this.place.replaceChildren(this.sheet.paper.canvas);
    const { pen } = this.sheet.paper; // each sheet has its own
    this.erase.setAttribute("aria-pressed", String(pen.erase));
    this.showPen(pen.width);
    this.sheet.paper.canvas.setAttribute("aria-label", say("control_sheet_label"));
    this.sheet.paper.canvas.id = "control_paper";
    this.layFields();
    this.show();
  }

  layFields() {
    const { sheet } = this;
    const { control } = sheet;
    const kinds = this.said.kinds.map((k) => [k.id, sayText(k.title)]);
    const ways = this.said.preprocessors.filter((p) => !p.missing).map((p) => [p.id, sayText(p.title)]);
    const made = this.said.preprocessors.find((p) => p.id === control.preprocess);
    const settings = (made?.settings ?? []).map((s) =>
      this.range(`control_set_${s.name}`, s.least, s.most, s.step, control.settings[s.name] ?? s.value, (value) => {
        control.settings = { ...control.settings, [s.name]: value };
        this.later(sheet);
      }, say(`control_set_${s.name}`)),
    );
    const change = (name) => (value) => {
      control[name] = value;
      this.publish();
    };
    const { whole } = this.kind(control.model); // its picture is a prompt: no lines, no guessing
    if (whole) control.guess = false;
    const guess = element("label", "guess");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.id = "control_guess";
    box.checked = control.guess;
    box.addEventListener("change", () => change("guess")(box.checked));
    guess.append(box, element("span", "", say("control_guess")));
    guess.title = say("control_guess_title");
    this.fields.replaceChildren(
      this.radio("control_kind", say("control_network"), kinds, control.model, (id) => {
        this.advise(this.kind(control.model).guidance, this.kind(id).guidance);
        control.model = id;
        control.scale = this.kind(id).scale ?? 1;
        sheet.own = true;
        control.preprocess = "";
        this.suit(sheet);
        this.refocus(() => this.choose(this.chosen));
        this.later(sheet, 0);
      }),
      this.radio("control_preprocess", say("control_preprocess"), ways, control.preprocess, (id) => {
        sheet.own = false;
        control.preprocess = id;
        control.settings = this.usual(id, this.kind(control.model));
        this.refocus(() => this.layFields());
        this.later(sheet, 0);
      }),
      ...(whole ? [element("p", "not-here", say("control_whole"))] : this.notHere()),
      ...settings,
      this.range("control_scale", 0, 2, 0.05, control.scale, change("scale")),
      this.range("control_start", 0, 1, 0.05, control.start, change("start")),
      this.range("control_end", 0, 1, 0.05, control.end, change("end")),
      ...(whole ? [] : [guess]),
    );
  }

  /** The guidance that the new network is advised with, where the old one's was left as it was. */
  advise(before, now) {
    const field = document.querySelector("#control_guidance input");
    if (now == null || (before != null && Number(field.value) !== before)) return;
    field.value = now;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  radio(id, title, choices, chosen, changed) {
    const group = element("fieldset", "radio");
    group.id = id;
    group.append(element("legend", "", title));
    for (const [value, label] of choices) {
      const line = element("label", "");
      const dot = document.createElement("input");
      Object.assign(dot, { type: "radio", name: id, value, checked: value === chosen });
      dot.addEventListener("change", () => changed(value));
      line.append(dot, element("span", "", label));
      group.append(line);
    }
    return group;
  }

  range(id, least, most, step, value, changed, title = say(id)) {
    const line = element("label", "range");
    const slide = document.createElement("input");
    Object.assign(slide, { type: "range", id, min: least, max: most, step, value });
    const digits = step < 1 ? (step < 0.1 ? 2 : 1) : 0;
    const number = element("output", "", figure(Number(value), digits));
    slide.addEventListener("input", () => {
      number.textContent = figure(Number(slide.value), digits);
      changed(Number(slide.value));
    });
    line.append(element("span", "", title), slide, number);
    return line;
  }

  paste(event) {
    if (this.box.offsetParent === null) return;
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (file) this.open(file);
  }

  /** A picture file: the server keeps it whole, the sheet shows it. */
  open(file) {
    if (!file) return;
    this.file.value = "";
    if (file.size > MOST) return this.tell({ key: "control_too_large", arguments: { most: MOST / 2 ** 20 } });
    const reader = new FileReader();
    reader.onload = () => this.see(this.sheet, reader.result);
    reader.readAsDataURL(file);
  }

  drew(sheet) {
    if (sheet.paper.empty) {
      sheet.control.image = sheet.hint = "";
      sheet.asked = (sheet.asked ?? 0) + 1; // an answer on its way is of a sheet that is no more
      sheet.waits = false;
      clearTimeout(sheet.timer);
      this.publish();
      return this.show();
    }
    sheet.control.image = "";
    this.suit(sheet);
    if (sheet === this.sheet) this.layFields();
    this.later(sheet);
  }

  later(sheet, wait = WAIT) {
    clearTimeout(sheet.timer);
    sheet.waits = true;
    sheet.timer = setTimeout(() => this.see(sheet), wait);
  }

  /** A click on Generate waits until the server has what is on the sheets now. */
  async before(event) {
    const go = event.target.closest?.("#control_go");
    const behind = this.sheets.filter((sheet) => sheet.waits);
    if (!go || !behind.length) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    await Promise.all(behind.map((sheet) => sheet.seeing ?? this.see(sheet)));
    behind.forEach((sheet) => (sheet.waits = false));
    setTimeout(() => go.click(), 0);
  }

  /** Lay something anew and give the focus back to what had it. */
  refocus(lay) {
    const { activeElement: was } = document;
    const name = was.type === "radio" ? `input[name="${was.name}"]:checked` : was.id && `#${was.id}`;
    const inside = name && this.box.contains(was);
    lay();
    if (inside && !this.box.contains(was)) (this.box.querySelector(name) ?? this.tabs.querySelector("[aria-pressed=true]"))?.focus();
  }

  /** Ask for the hint of a sheet; `file` is a new picture for it. */
  see(sheet, file = "") {
    clearTimeout(sheet.timer);
    sheet.waits = true;
    const seeing = (sheet.seeing = this.ask(sheet, file).finally(() => {
      if (sheet.seeing === seeing) Object.assign(sheet, { seeing: null, waits: false });
    }));
    return seeing;
  }

  async ask(sheet, file) {
    const model = document.querySelector("#control_model input:checked")?.value ?? "";
    const source = file || (sheet.control.image || sheet.paper.empty ? "" : sheet.paper.address());
    if (!source && !sheet.control.image) return;
    const { preprocess, settings } = sheet.control;
    const lay = sheet.paper.picture;
    if (file) {
      sheet.paper.picture = true;
      this.suit(sheet);
    }
    const asked = (sheet.asked = (sheet.asked ?? 0) + 1);
    let answer;
    try {
      answer = await this.server.see({ source, control: sheet.control, model });
    } catch {
      answer = { problem: { key: "control_no_answer" } };
    }
    if (asked !== sheet.asked) return;
    if (answer.problem) {
      if (file) {
        sheet.paper.picture = lay;
        Object.assign(sheet.control, { preprocess, settings });
      } else this.publish();
      if (sheet === this.sheet) this.tell(answer.problem);
      return;
    }
    if (file) {
      await sheet.paper.cover(answer.picture);
      if (sheet === this.sheet) this.layFields();
    }
    sheet.control.image = answer.id;
    sheet.hint = answer.hint;
    sheet.problem = answer.fits;
    this.publish();
    this.show();
  }

  /** What the server reads: every sheet that has a picture. */
  publish() {
    const controls = this.sheets.map((s) => s.control).filter((c) => c.image);
    this.props.value = { ...this.said, controls: structuredClone(controls) };
  }

  /** What preprocessors need a network that is not installed, and the command that installs it. */
  notHere() {
    const absent = this.said.preprocessors.filter((p) => p.missing);
    if (!absent.length) return [];
    const names = absent.map((p) => sayText(p.title)).join(say("control_and"));
    const line = element("p", "not-here", `${say("control_not_here", { names })} `);
    line.append(element("code", "", `python -m studio extras install ${absent.map((p) => p.missing).join(" ")}`));
    return [line];
  }

  show() {
    const { hint, problem, control } = this.sheet;
    this.seen.src = hint || "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
    this.box.dataset.hint = hint ? "there" : "";
    const kind = this.kind(control.model);
    const receives = kind.whole ? "control_receives_whole" : "control_receives";
    this.caption.textContent = say(receives);
    this.seen.alt = say(hint ? receives : "control_receives_nothing");
    const other = kind.preprocessor && !["drawing", "none", kind.preprocessor].includes(control.preprocess);
    if (problem) this.tell(problem);
    else if (other) this.tell({ key: "control_other_hints", arguments: { trained: sayText(this.title(kind.preprocessor)) } }, "note");
    else this.tell(null);
  }

  title(id) {
    return this.said.preprocessors.find((p) => p.id === id)?.title ?? id;
  }

  tell(message, tone = "error") {
    this.note.textContent = message ? sayMessage(message) : "";
    this.note.className = `sheet-note ${message ? tone : ""}`;
    this.note.hidden = !message;
  }
}
