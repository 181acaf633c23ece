"""A keyboard in one layout: physical keys with what that layout has on them, as a browser gets them from a person."""

from playwright.sync_api import Locator, Page, expect

RUSSIAN = dict(zip("qwertyuiopasdfghjklzxcvbnm", "йцукенгшщзфывапролдячсмить", strict=True))
CODES = {
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "Tab": ("Tab", 9, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "Backspace": ("Backspace", 8, ""),
    "F6": ("F6", 117, ""),
    "/": ("Slash", 191, "/"),
    "Space": ("Space", 32, " "),
}
RUSSIAN_SIGNS = {"/": "."}
ALT, CTRL, SHIFT = 1, 2, 8
MODIFIERS = {"Alt": ALT, "Ctrl": CTRL, "Shift": SHIFT}


class Keyboard:
    """Somebody's hands on a page. `layout` is latin or russian."""

    def __init__(self, page: Page, layout: str) -> None:
        self.page, self.layout = page, layout
        self.devtools = page.context.new_cdp_session(page)

    def press(self, combination: str) -> None:
        """Press and release: "j", "Shift+e", "Ctrl+Enter". A letter names the key that bears it on a Latin keyboard."""
        *held, name = combination.split("+")
        modifiers = sum(MODIFIERS[one] for one in held)
        key = self._key(name, bool(modifiers & SHIFT))
        # With Ctrl or Alt held a key writes nothing.
        text = "" if modifiers & (CTRL | ALT) else key.pop("text")
        key.pop("text", None)
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.devtools.send("Input.dispatchKeyEvent", {**down, **key, "modifiers": modifiers})
        self.devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key, "modifiers": modifiers})

    def _key(self, name: str, shifted: bool) -> dict[str, object]:
        if name in CODES:
            code, number, text = CODES[name]
            shown = RUSSIAN_SIGNS.get(name, text) if self.layout == "russian" else text
            key = shown if len(name) == 1 else name
            return {
                "code": code,
                "key": " " if name == "Space" else key,
                "windowsVirtualKeyCode": number,
                "text": shown,
            }
        shown = RUSSIAN[name] if self.layout == "russian" else name
        shown = shown.upper() if shifted else shown
        return {"code": f"Key{name.upper()}", "key": shown, "windowsVirtualKeyCode": ord(name.upper()), "text": shown}

    def character(self, sign: str) -> None:
        """Type "/", where this layout has it."""
        code, shift = ("Backslash", SHIFT) if self.layout == "russian" else ("Slash", 0)
        key = {"code": code, "key": sign, "modifiers": shift}
        self.devtools.send("Input.dispatchKeyEvent", {"type": "keyDown", "text": sign, **key})
        self.devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})

    def write(self, text: str) -> None:
        """Write text into what has the focus, letter by letter."""
        self.page.keyboard.type(text)

    def tab_to(self, wanted: Locator, most: int = 60, back: bool = False) -> None:
        """Press Tab (with `back` Shift+Tab) until this has the focus."""
        expect(wanted).to_be_visible()
        for _step in range(most):
            if wanted.evaluate("element => element === document.activeElement"):
                return
            self.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"Tab does not lead to {wanted}")

    def choose(self, wanted: Locator, back: bool = False) -> None:
        """Go to a button or link by Tab (with `back` by Shift+Tab), and press it."""
        self.tab_to(wanted, back=back)
        self.press("Enter")
