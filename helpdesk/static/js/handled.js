// Acts that leave the page where it is: <form method="post" data-stays>, or any such form in what is marked so, is sent by
// hand, and what the server tells, often with a way back, becomes a small message. Open panes hear of the change as of any
// other, and the dialog that asked for it closes.
import { send } from "./htmx_setup.js";
import { toast, toastFragment } from "./toasts.js";

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const place = form.closest("[data-stays]");
  if (!place || form.method !== "post" || form.hasAttribute("hx-post") || event.defaultPrevented) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button");
  if (button.ariaDisabled) return;
  button.ariaDisabled = "true"; // and not disabled: it keeps the focus, and what it stands for is sent
  try {
    const headers = { "HX-Request": "true", "X-Stays": "1", Accept: "text/html" };
    const body = new FormData(form, event.submitter);
    const answer = await send(event.submitter?.getAttribute("formaction") ?? form.getAttribute("action"), { method: "POST", body, headers });
    const text = await answer.text();
    if (answer.ok && place instanceof HTMLDialogElement) place.close();
    if (text.includes("data-toast")) toastFragment(text);
    else if (!answer.ok) toast(answer.status === 401 ? "expired" : "failed");
    // Not waiting for the stream: it may be lost, and the button must not be pressed for nothing.
    document.getElementById("handled")?.dispatchEvent(new CustomEvent("live:changed"));
  } catch {
    toast("offline");
  } finally {
    button.ariaDisabled = null;
  }
}, true);
