// HTML mail lives in a frame without scripts and without our origin, so nothing can measure it: people stretch it.
// The corner drags (CSS resize), this button gives it most of the screen and back.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-frame-tall]");
  if (!button) return;
  const tall = button.closest(".mail").classList.toggle("is-tall");
  button.setAttribute("aria-pressed", String(tall));
});
