// The page: what is asked for, and what comes back.

import { clipCard, drawBars, removeClips } from "./clip.js";
import * as server from "./server.js";

const VIEWS = ["caption", "speech", "asr", "sfx", "music", "env"];
const GUIDED = { guidance: "all", speech: "voices and words", sfx: "sounds", music: "music", env: "place" };
const USUAL_GUIDANCE = 5;
const DELIVERY = {
  loudness: ["Loudness, LUFS", 'type="number" min="-70" max="0" step="0.1" placeholder="as it is"'],
  true_peak: ["True peak, dBTP", 'type="number" min="-60" max="0" step="0.1" placeholder="-1 with a loudness"'],
  sample_rate: ["Sample rate, Hz", 'type="number" min="8000" max="192000" placeholder="as it is"'],
  channels: ["Channels", 'type="number" min="1" max="2" placeholder="as it is"'],
  fade: ["Fade at the ends, seconds", 'type="number" min="0" max="60" step="0.01" placeholder="none"'],
  loop: ["Loop, seconds of crossfade", 'type="number" min="0" max="60" step="0.01" placeholder="none"'],
};
const byId = (id) => document.getElementById(id);
const makeForm = byId("make-form"), editForm = byId("edit-form");

function selectTab(tab) {
  for (const other of document.querySelectorAll('[role="tab"]')) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  tab.focus();
}

function optional(form, name, read) {
  const text = form.elements[name].value.trim();
  return text === "" ? undefined : read(text);
}

function events() {
  return [...document.querySelectorAll("#events li")].map((item) => {
    const value = (name) => item.querySelector(`[name="${name}"]`).value.trim();
    const event = { start: Number(value("start")), end: Number(value("end")), view: value("view") };
    if (value("text")) event.text = value("text");
    return event;
  });
}

function showBars() {
  const listed = events().filter((event) => event.end > event.start);
  const seconds = Number(makeForm.elements.duration.value) || Math.max(0, ...listed.map((e) => e.end));
  const bars = byId("bars");
  bars.className = "bars";
  bars.style.height = listed.length ? `${20 * Math.min(5, listed.length) + 4}px` : "0";
  drawBars(bars, seconds > 0 ? listed : [], seconds, 2);
}

function addEvent() {
  const item = document.createElement("li");
  const start = events().at(-1)?.end ?? 0;
  const options = VIEWS.slice(1).map((view) => `<option>${view}</option>`).join("");
  item.innerHTML = `<select name="view" aria-label="What">${options}</select>
    <input name="start" type="number" min="0" step="0.1" value="${start}" required aria-label="From, seconds">
    <input name="end" type="number" min="0.1" step="0.1" value="${start + 1}" required aria-label="To, seconds">
    <input name="text" placeholder="all of it" aria-label="Which words of it">
    <button type="button" aria-label="Remove this time">✕</button>`;
  item.querySelector("button").onclick = () => {
    item.remove();
    showBars();
    byId("add-event").focus();
  };
  item.oninput = showBars;
  byId("events").append(item);
  showBars();
  item.querySelector("select").focus();
}

function addGuidance() {
  for (const [name, label] of Object.entries(GUIDED)) {
    const wrapper = document.createElement("label");
    wrapper.innerHTML = `<span>${label}: <b>as usual</b></span>
      <input type="range" name="guidance-${name}" min="0" max="15" step="0.5" value="${USUAL_GUIDANCE}">`;
    const [shown, slider] = [wrapper.querySelector("b"), wrapper.querySelector("input")];
    slider.oninput = () => {
      slider.dataset.set = "yes";
      shown.textContent = slider.value;
    };
    byId("guidance").append(wrapper);
  }
}

function guidance() {
  const set = (name) => {
    const slider = makeForm.elements[`guidance-${name}`];
    return slider.dataset.set ? Number(slider.value) : undefined;
  };
  const views = Object.keys(GUIDED).slice(1).filter((name) => set(name) !== undefined);
  const own = Object.fromEntries(views.map((name) => [name, set(name)]));
  return { guidance: set("guidance"), ...(views.length ? { view_guidance: own } : {}) };
}

function addDelivery() {
  const fields = Object.entries(DELIVERY).map(
    ([name, [label, attributes]]) => `<label>${label} <input name="${name}" ${attributes}></label>`,
  );
  for (const place of document.querySelectorAll(".delivery")) place.innerHTML = fields.join("");
}

function sceneBody() {
  const views = Object.fromEntries(
    VIEWS.map((view) => [view, optional(makeForm, view, String)]).filter(([, text]) => text),
  );
  const sentence = byId("sentence").value.trim();
  const said = Object.keys(views).length ? views : { prompt: sentence, refine: true };
  if (said === views && !views.caption && sentence) views.caption = sentence;
  const timeline = events();
  return {
    ...said,
    ...(timeline.length ? { timeline } : {}),
    duration: optional(makeForm, "duration", Number),
    steps: optional(makeForm, "steps", Number),
    ...guidance(),
    ...Object.fromEntries(Object.keys(DELIVERY).map((name) => [name, optional(makeForm, name, Number)])),
  };
}

/** Runs work of a form: one at a time, can be stopped, says what went wrong. */
async function run(form, work) {
  const message = form.querySelector(".message"), stop = form.querySelector(".stop");
  const submit = form.querySelector('[type="submit"]');
  const controller = new AbortController();
  message.textContent = "";
  submit.disabled = true;
  stop.hidden = false;
  stop.onclick = () => controller.abort();
  try {
    await work(controller.signal);
  } catch (error) {
    message.textContent = error.name === "AbortError" ? "stopped" : error.message;
  } finally {
    submit.disabled = false;
    stop.hidden = true;
  }
}

makeForm.onsubmit = (event) => {
  event.preventDefault();
  run(makeForm, async (signal) => {
    const body = sceneBody(), first = Number(makeForm.elements.seed.value);
    const seeds = Array.from({ length: Number(makeForm.elements.takes.value) }, (_, n) => first + n);
    const takes = byId("takes");
    removeClips(takes);
    const cards = seeds.map(async (seed) => {
      const project = { ...body, seed, response_format: "wav" };
      const { wav, notes } = await server.scene(project, signal);
      return clipCard(`seed ${seed}`, wav, `scene-${seed}`, body.timeline, project, notes);
    });
    const failures = [];
    for (const card of cards) await card.then((made) => takes.append(made), (error) => failures.push(error));
    if (failures.length) throw failures[0];
  });
};

editForm.onsubmit = (event) => {
  event.preventDefault();
  run(editForm, async (signal) => {
    const file = editForm.elements.file.files[0];
    const form = new FormData(editForm);
    for (const [name, value] of [...form]) if (value === "") form.delete(name);
    if (form.get("kind") !== "restyle") form.delete("to");
    removeClips(byId("edited"));
    byId("edited").append(await clipCard("before", file, "before"));
    const { wav, notes } = await server.edit(form, signal);
    const asked = Object.fromEntries([...form].filter(([name]) => name !== "file"));
    const project = { file: file.name, ...asked };
    byId("edited").append(await clipCard("after", wav, "edited", [], project, notes));
  });
};

editForm.elements.kind.onchange = () => {
  const restyle = editForm.elements.kind.value === "restyle";
  byId("to-label").hidden = !restyle;
  editForm.elements.to.required = restyle;
};

byId("refine").onclick = () => run(makeForm, async (signal) => {
  const views = await server.refine(byId("sentence").value, signal);
  for (const view of VIEWS) makeForm.elements[view].value = views[view] ?? "";
});

const drop = byId("drop");
drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
drop.ondragleave = () => drop.classList.remove("over");
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  editForm.elements.file.files = event.dataTransfer.files;
};

const tabs = [...document.querySelectorAll('[role="tab"]')];
for (const tab of tabs) {
  tab.onclick = () => selectTab(tab);
  tab.onkeydown = (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (move) selectTab(tabs[(tabs.indexOf(tab) + move + tabs.length) % tabs.length]);
  };
}

async function showModel() {
  try {
    const model = await server.model();
    byId("model").textContent = `${model.id}, ${model.sample_rate / 1000} kHz`;
    byId("timeline").hidden = !model.timeline;
    byId("edits-nothing").hidden = model.edits;
    editForm.querySelector('[type="submit"]').disabled = !model.edits;
  } catch (error) {
    byId("model").textContent = error.message;
    byId("key-details").open = true;
  }
}

byId("add-event").onclick = addEvent;
byId("key").onchange = showModel;
byId("key-form").onsubmit = (event) => event.preventDefault();
makeForm.elements.duration.oninput = showBars;
addGuidance();
addDelivery();
showModel();
