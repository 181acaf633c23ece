// Acts that leave the page where it is: <form method="post" data-stays> is sent by hand, and what the server tells, often
// with a way back, becomes a small message. Open panes hear of the change as of any other.
import { send } from "./htmx_setup.js";
import { toast, toastFragment } from "./toasts.js";

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-stays]");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  try {
    const answer = await send(form.action, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true", Accept: "text/html" } });
    const text = await answer.text();
    if (text.includes("data-toast")) toastFragment(text);
    else if (!answer.ok) toast(answer.status === 401 ? "expired" : "failed");
    // Not waiting for the stream: it may be lost, and the button must not be pressed for nothing.
    document.getElementById("handled")?.dispatchEvent(new CustomEvent("live:changed"));
  } catch {
    toast("offline");
  } finally {
    button.disabled = false;
  }
}, true);
