// Buttons with the attribute data-copy put its text, or that of the code beside them, on the clipboard.
(() => {
  "use strict";
  const SAID = 1500; // milliseconds for which a button says that it is done

  // A page that was opened from a disk may not be trusted with the clipboard; selecting and copying works there too.
  function copyByHand(text) {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyByHand(text);
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const done = await copy(button.dataset.copy || button.parentElement.querySelector("code").textContent);
    const said = button.dataset.said ?? button.textContent;
    button.dataset.said = said;
    button.textContent = done ? "copied" : "select it and copy";
    setTimeout(() => { button.textContent = said; }, SAID);
  });
})();
