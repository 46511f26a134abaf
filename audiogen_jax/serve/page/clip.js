// A clip on the page: its picture with the times over it, a player, and downloads.

import { drawSpectrogram } from "./spectrogram.js";
import { zip } from "./zip.js";

/** Shows a WAV blob; `project` is what made it, or null for a recording of the user's; `notes` on it. */
export async function clipCard(title, wav, name, events = [], project = null, notes = "") {
  const card = document.createElement("article");
  card.className = "clip";
  const heading = document.createElement("h2");
  heading.textContent = title;
  const picture = document.createElement("div");
  picture.className = "bars";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Spectrogram of ${title}`);
  picture.append(canvas);
  const player = document.createElement("audio");
  player.controls = true;
  const address = URL.createObjectURL(wav);
  player.src = address;
  player.setAttribute("aria-label", title);
  const row = document.createElement("div");
  row.className = "row";
  card.append(heading, picture, player, row);
  if (notes) card.append(Object.assign(document.createElement("p"), { className: "notes", textContent: notes }));
  const bytes = await wav.arrayBuffer();
  const context = new OfflineAudioContext(1, 1, rateOf(bytes));
  const sound = await context.decodeAudioData(bytes.slice(0));
  drawSpectrogram(canvas, sound.getChannelData(0));
  drawBars(picture, events, sound.duration, 8);
  if (project !== null) {
    row.append(link("wav", address, `${name}.wav`));
    const files = {
      [`${name}.wav`]: new Uint8Array(bytes),
      [`${name}.json`]: new TextEncoder().encode(`${JSON.stringify(project, null, 1)}\n`),
    };
    row.append(link("project (zip)", URL.createObjectURL(zip(files)), `${name}.zip`));
  }
  return card;
}

/** Removes clips from an element, and what the browser holds for them. */
export function removeClips(element) {
  for (const held of element.querySelectorAll("audio, a")) URL.revokeObjectURL(held.src ?? held.href);
  element.replaceChildren();
}

/** Draws events as bars on an element as wide as the clip, from `top` pixels down. */
export function drawBars(element, events, seconds, top) {
  element.querySelectorAll("i").forEach((bar) => bar.remove());
  events.forEach((event, row) => {
    const bar = document.createElement("i");
    bar.className = event.view;
    bar.textContent = event.text || event.view;
    bar.style.left = `${(100 * event.start) / seconds}%`;
    bar.style.width = `${(100 * Math.max(0, Math.min(event.end, seconds) - event.start)) / seconds}%`;
    bar.style.top = `${top + 20 * (row % 5)}px`;
    element.append(bar);
  });
}

/** The sample rate in the header of a WAV file, so that its picture ends where its band does. */
function rateOf(bytes) {
  const view = new DataView(bytes);
  const isWav = bytes.byteLength > 28 && view.getUint32(0) === 0x52494646; // "RIFF"
  const rate = isWav ? view.getUint32(24, true) : 0;
  return rate >= 8000 && rate <= 96000 ? rate : 44100;
}

function link(text, address, name) {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  anchor.textContent = text;
  return anchor;
}
