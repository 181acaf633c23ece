// Files by choosing, pasting and dropping; each goes up at once, with progress, to data-upload-url.
// The server answers JSON {id, name}; the form then carries a hidden `upload` field for each. DELETE <url>/<id> removes.
// A pasted picture stands in the text: for it the server answers with a `mark` too, which is put where the caret is.
// Without scripts the file field itself is posted as `files`.
import { insert } from "./composer.js";
import { send, token } from "./htmx_setup.js";
import { onMount } from "./mount.js";

function chip(composer, name) {
  const item = document.getElementById("upload-chip").content.firstElementChild.cloneNode(true);
  item.querySelector("[data-name]").textContent = name;
  composer.querySelector(".uploads").append(item);
  return item;
}

function failed(item, sentence) {
  item.classList.add("is-bad");
  item.querySelector("progress")?.remove();
  item.querySelector("[data-error]").textContent = sentence || item.dataset.failedWords;
}

function done(item, file) {
  item.querySelector("progress")?.remove();
  item.dataset.uploadDone = file.id;
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: "upload", value: file.id });
  item.append(field);
  if (!file.mark) return;
  item.dataset.mark = file.mark;
  insert(file.mark);
}

/** Take a removed picture's mark out of the text. */
function unmark(composer, mark) {
  const text = composer.querySelector("textarea");
  if (!mark || !text.value.includes(mark)) return;
  text.value = text.value.replace(mark, "");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

function upload(composer, file, inline = false) {
  const item = chip(composer, file.name);
  // XMLHttpRequest, because fetch does not report how much has gone up.
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append("file", file);
  if (inline) form.append("inline", "1");
  request.open("POST", composer.dataset.uploadUrl);
  request.setRequestHeader("X-CSRFToken", token());
  request.setRequestHeader("Accept", "application/json");
  request.upload.onprogress = (event) => {
    const bar = item.querySelector("progress");
    if (bar && event.lengthComputable) bar.value = event.loaded / event.total;
  };
  request.onload = () => {
    let answer = null;
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      // Not JSON: a proxy or an error page answered; the chip says that it failed.
    }
    if (request.status < 300 && answer?.id) done(item, answer);
    else failed(item, answer?.error);
  };
  request.onerror = () => failed(item);
  request.send(form);
}

onMount("#composer[data-upload-url]", (composer) => {
  const picker = composer.querySelector('input[type="file"]');
  picker?.addEventListener("change", () => {
    [...picker.files].forEach((file) => upload(composer, file));
    picker.value = "";
  });
  composer.addEventListener("click", (event) => {
    if (event.target.closest("[data-pick-files]")) picker?.click();
    const item = event.target.closest("[data-remove-upload]")?.closest(".upload");
    if (!item) return;
    if (item.dataset.uploadDone) send(`${composer.dataset.uploadUrl}/${item.dataset.uploadDone}`, { method: "DELETE" });
    unmark(composer, item.dataset.mark);
    item.remove();
  });
  composer.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    [...event.clipboardData.files].forEach((file) => upload(composer, file, file.type.startsWith("image/")));
  });
});

// The whole conversation takes the drop: people aim at the text, not at the field.
function dropped(event, on) {
  const composer = document.querySelector("#composer[data-upload-url]");
  if (!composer || !(composer.closest("main") ?? composer).contains(event.target)) return null;
  if (!event.dataTransfer?.types.includes("Files")) return null;
  event.preventDefault();
  composer.classList.toggle("is-over", on);
  return composer;
}

document.addEventListener("dragover", (event) => dropped(event, true));
document.addEventListener("dragleave", (event) => dropped(event, false));
document.addEventListener("drop", (event) => {
  const composer = dropped(event, false);
  if (composer) [...event.dataTransfer.files].forEach((file) => upload(composer, file));
});
