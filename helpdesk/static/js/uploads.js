// Files by choosing, pasting and dropping; each goes up at once, with progress, to data-upload-url, and can be stopped or
// tried again. The server answers JSON {id, name, mark}; the form then carries a hidden `upload` field for each, and
// DELETE <url>/<id> removes. A pasted picture stands in the text: its `mark` is put where the caret is.
// Without scripts the file field itself is posted as `files`.
import { insert } from "./composer.js";
import { send, token } from "./htmx_setup.js";
import { onMount } from "./mount.js";

const waiting = new WeakMap(); // chip -> {file, inline, request}
const words = () => document.getElementById("upload-chip");

function chip(form, name) {
  const item = words().content.firstElementChild.cloneNode(true);
  item.querySelector("[data-name]").textContent = name;
  form.querySelector(".uploads").append(item);
  return item;
}

function failed(item, sentence, again) {
  item.classList.add("is-bad");
  item.querySelector("progress").hidden = true;
  item.querySelector("[data-error]").textContent = sentence;
  item.querySelector("[data-retry-upload]").hidden = !again;
}

function done(item, file, place) {
  waiting.delete(item);
  item.querySelector("progress").remove();
  item.querySelector("[data-retry-upload]").remove();
  item.dataset.uploadDone = file.id;
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: "upload", value: file.id });
  item.append(field);
  if (!file.mark) return;
  item.dataset.mark = file.mark;
  place(file.mark);
}

/** Take a removed picture's mark out of the text. */
function unmark(form, mark) {
  const text = form.elements.body;
  if (!mark || !text.value.includes(mark)) return;
  text.value = text.value.replace(mark, "");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

function whyNot(status) {
  const { dataset } = words();
  return status === 401 ? dataset.signedOut : status === 0 ? dataset.offline : dataset.failed;
}

/** Bring one file up to `url`. Calls `progress(part)`; resolves to {id, name, mark}, rejects with a sentence. */
export function bringUp(url, file, inline, progress, request = new XMLHttpRequest()) {
  // XMLHttpRequest, because fetch does not report how much has gone up.
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("file", file, file.name);
    if (inline) form.append("inline", "1");
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", token());
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => {
      let answer = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // Not JSON: a proxy or an error page answered; the sentence says that it failed.
      }
      if (request.status < 300 && answer?.id) resolve(answer);
      else reject(answer?.error ?? whyNot(request.status));
    };
    request.onerror = () => reject(whyNot(0));
    request.send(form);
  });
}

function start(form, item) {
  const held = waiting.get(item);
  const bar = item.querySelector("progress");
  item.classList.remove("is-bad");
  item.querySelector("[data-error]").textContent = "";
  item.querySelector("[data-retry-upload]").hidden = true;
  Object.assign(bar, { hidden: false, value: 0 });
  held.request = new XMLHttpRequest();
  const url = form.dataset.uploadUrl;
  held.going = bringUp(url, held.file, held.inline, (part) => (bar.value = part), held.request).then(
    (file) => {
      // Sent or thrown away meanwhile: the server need not keep it either.
      if (!item.isConnected) return send(`${url}/${file.id}`, { method: "DELETE" });
      return done(item, file, form.id === "composer" ? insert : () => {});
    },
    (sentence) => failed(item, sentence, true),
  );
}

/** Resolves when nothing of this form is on its way up any more: to the names of what did not arrive. */
export async function arrived(form) {
  const items = [...form.querySelectorAll(".upload")];
  await Promise.all(items.map((item) => waiting.get(item)?.going));
  return items.filter((item) => item.isConnected && item.classList.contains("is-bad")).map((item) => item.querySelector("[data-name]").textContent);
}

/** Whether a file may go up at all; the sentence why not, or "". */
export const tooLarge = (file) => (file.size > Number(words().dataset.largest) ? words().dataset.tooLarge : "");

/** Attach a file to what is being written. */
export function attach(form, file, inline = false) {
  const item = chip(form, file.name);
  const refusal = tooLarge(file);
  if (refusal) return failed(item, refusal, false);
  waiting.set(item, { file, inline });
  return start(form, item);
}

/** Show the files that another window's draft has. */
function replace(form, files) {
  for (const item of form.querySelectorAll(".upload[data-upload-done]")) item.remove();
  for (const file of files ?? []) done(chip(form, file.name), file, () => {});
}

function remove(form, item) {
  waiting.get(item)?.request?.abort();
  if (item.dataset.uploadDone) send(`${form.dataset.uploadUrl}/${item.dataset.uploadDone}`, { method: "DELETE" });
  unmark(form, item.dataset.mark);
  item.remove();
  form.elements.body.focus();
}

onMount("form[data-upload-url]", (form) => {
  const picker = form.querySelector('input[type="file"]');
  picker?.addEventListener("change", () => {
    [...picker.files].forEach((file) => attach(form, file));
    picker.value = "";
  });
  form.addEventListener("click", (event) => {
    if (event.target.closest("[data-pick-files]")) picker?.click();
    const item = event.target.closest(".upload");
    if (item && event.target.closest("[data-remove-upload]")) remove(form, item);
    else if (item && event.target.closest("[data-retry-upload]")) start(form, item);
  });
  form.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    const inText = form.id === "composer";
    [...event.clipboardData.files].forEach((file) => attach(form, file, inText && file.type.startsWith("image/")));
  });
  form.addEventListener("draft:files", (event) => replace(form, event.detail));
});

// The whole conversation takes the drop: people aim at the text, not at the field.
function dropped(event, on) {
  const form = document.querySelector("form[data-upload-url]");
  if (!form || !event.dataTransfer?.types.includes("Files")) return null;
  if (!(form.closest("main") ?? form).contains(event.target)) return null;
  event.preventDefault();
  form.classList.toggle("is-over", on);
  return form;
}

document.addEventListener("dragover", (event) => dropped(event, true));
document.addEventListener("dragleave", (event) => dropped(event, false));
document.addEventListener("drop", (event) => {
  const form = dropped(event, false);
  if (form) [...event.dataTransfer.files].forEach((file) => attach(form, file));
});
