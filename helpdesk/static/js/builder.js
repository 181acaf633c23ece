// A message put together of blocks: text, picture, link, video, file; kept with the draft as they change. On saving they
// become one plain text (pictures by their marks, links as lines) and the files of the message.
import { open as openAnswers } from "./answers.js";
import { current, insert, sendNow, textOf } from "./composer.js";
import { placeOf } from "./drafts.js";
import { onMount } from "./mount.js";
import { announce } from "./toasts.js";
import { bringUp, tooLarge } from "./uploads.js";

const WEB = /^https?:\/\/[^\s/]+\.?[^\s]*$/i;
let blocks = [];
let waitingKind = "";
let going = 0;

const dialog = () => document.getElementById("builder");
const words = () => dialog().querySelector("[data-block-words]").dataset;

/** Open the builder with the blocks that the draft holds. */
export function open() {
  const composer = current();
  if (!composer) return;
  blocks = JSON.parse(composer.dataset.blocks || "[]");
  fault("");
  show();
  dialog().showModal();
  if (!blocks.length) add("text");
}

function fault(sentence) {
  const line = dialog().querySelector("[data-blocks-error]");
  line.textContent = sentence;
  line.hidden = !sentence;
}

function keep() {
  const composer = current();
  const kept = blocks.map(({ kind, ...parts }) => ({ kind, ...Object.fromEntries(Object.entries(parts).filter(([name]) => !name.startsWith("_")).map(([name, value]) => [name, String(value ?? "")])) }));
  const written = JSON.stringify(kept.filter(({ kind, ...parts }) => Object.values(parts).some(Boolean)));
  if (!composer || composer.dataset.blocks === written) return;
  composer.dataset.blocks = written;
  composer.querySelector("[data-has-blocks]").hidden = written === "[]";
  placeOf(composer)?.add({ blocks: written });
}

function show(focusAt = -1) {
  const row = dialog().querySelector("[data-block-row]").content.firstElementChild;
  const list = dialog().querySelector("[data-blocks-list]");
  list.replaceChildren(...blocks.map((block, place) => {
    const item = row.cloneNode(true);
    const parts = dialog().querySelector(`[data-block-kind="${block.kind}"]`);
    item.dataset.place = place;
    item.querySelector(".block-kind").textContent = parts.dataset.label;
    item.querySelector(".block-body").append(parts.content.cloneNode(true));
    for (const part of item.querySelectorAll("[data-part]")) {
      if ("value" in part) part.value = block[part.dataset.part] ?? "";
      else part.textContent = block[part.dataset.part] ?? "";
    }
    const bar = item.querySelector("progress");
    if (bar) bar.hidden = Boolean(block.file);
    block._bar = bar;
    return item;
  }));
  const item = list.children[focusAt];
  (item?.querySelector("[data-part]:is(input, textarea)") ?? item?.querySelector("button"))?.focus();
}

function add(kind, parts = {}) {
  blocks.push({ kind, ...parts });
  show(blocks.length - 1);
  keep();
  return blocks.at(-1);
}

function move(place, step) {
  const to = place + step;
  if (to < 0 || to >= blocks.length) return;
  [blocks[place], blocks[to]] = [blocks[to], blocks[place]];
  show(to);
  keep();
  announce(words().moved.replace("%PLACE%", to + 1).replace("%COUNT%", blocks.length));
}

async function addFile(file) {
  const refusal = tooLarge(file);
  if (refusal) return fault(`${file.name} ${refusal}`);
  const block = add(waitingKind, { name: file.name });
  const url = current().dataset.uploadUrl;
  going += 1;
  try {
    const kept = await bringUp(url, file, waitingKind === "picture", (part) => block._bar && (block._bar.value = part));
    Object.assign(block, { file: kept.id, mark: kept.mark });
    if (block._bar) block._bar.hidden = true;
    keep();
  } catch (sentence) {
    blocks = blocks.filter((one) => one !== block);
    fault(`${file.name}: ${sentence}`);
    show();
  } finally {
    going -= 1;
  }
}

/** The blocks as one text; a fault is a sentence thrown. */
function asText() {
  if (going) throw words().busy;
  const pieces = blocks.map((block) => {
    if (block.kind === "text") return block.text?.trim() ?? "";
    if (block.kind === "picture") return block.mark ?? "";
    if (block.kind === "file") return "";
    const url = block.url?.trim() ?? "";
    if (!url && !block.title?.trim()) return "";
    if (!WEB.test(url)) throw words().urlFault;
    return block.title?.trim() ? `${block.title.trim()}: ${url}` : url;
  });
  const text = pieces.filter(Boolean).join("\n\n");
  if (!text && !blocks.some((block) => block.file)) throw words().nothing;
  return text;
}

function finish(sends) {
  const composer = current();
  let text;
  try {
    text = asText();
  } catch (sentence) {
    if (typeof sentence !== "string") throw sentence;
    return fault(sentence);
  }
  const files = blocks.filter((block) => block.file).map(({ file, name, mark }) => ({ id: file, name, mark }));
  blocks = [];
  keep();
  for (const file of files) hold(composer, file);
  // Only when the dialog is closed can the text below it take anything.
  dialog().addEventListener("close", () => {
    textOf(composer).focus();
    if (text) insert(text);
    if (sends) sendNow();
  }, { once: true });
  dialog().close();
  return undefined;
}

/** A file that is with the draft already becomes one of the message's. */
function hold(composer, { id, name, mark }) {
  if (composer.querySelector(`.upload[data-upload-done="${id}"]`)) return;
  const item = document.getElementById("upload-chip").content.firstElementChild.cloneNode(true);
  item.querySelector("[data-name]").textContent = name;
  item.querySelector("progress").remove();
  item.querySelector("[data-retry-upload]").remove();
  item.dataset.uploadDone = id;
  if (mark) item.dataset.mark = mark;
  item.append(Object.assign(document.createElement("input"), { type: "hidden", name: "upload", value: id }));
  composer.querySelector(".uploads").append(item);
}

function chosenKind(kind) {
  fault("");
  if (kind === "answer") return openAnswers(null, "", (text) => add("text", { text }));
  if (kind !== "picture" && kind !== "file") return add(kind);
  waitingKind = kind;
  const picker = dialog().querySelector("[data-block-file]");
  picker.accept = kind === "picture" ? "image/png,image/jpeg,image/gif,image/webp" : "";
  return picker.click();
}

onMount("#builder", (builder) => {
  builder.addEventListener("input", (event) => {
    const part = event.target.closest("[data-part]");
    if (!part) return;
    blocks[Number(part.closest(".block").dataset.place)][part.dataset.part] = part.value;
    keep();
  });
  builder.querySelector("[data-block-file]").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) addFile(file);
  });
  builder.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const place = Number(button.closest(".block")?.dataset.place);
    if ("addBlock" in button.dataset) chosenKind(button.dataset.addBlock);
    else if ("blockUp" in button.dataset) move(place, -1);
    else if ("blockDown" in button.dataset) move(place, 1);
    else if ("blockRemove" in button.dataset) {
      blocks.splice(place, 1);
      show(Math.min(place, blocks.length - 1));
      keep();
    } else if ("blocksClear" in button.dataset) {
      blocks = [];
      show();
      keep();
    } else if ("blocksPut" in button.dataset) finish(false);
    else if ("blocksSend" in button.dataset) finish(true);
  });
  builder.addEventListener("keydown", (event) => {
    const item = event.target.closest(".block");
    if (event.altKey && item && ["ArrowUp", "ArrowDown"].includes(event.key)) {
      event.preventDefault();
      move(Number(item.dataset.place), event.key === "ArrowUp" ? -1 : 1);
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      finish(true);
    }
  });
});
