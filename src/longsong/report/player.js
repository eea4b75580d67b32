// What the players of player.html.j2 do beside playing: the line at the moment that is heard, moving to another one by
// pointer and keys, one sound at a time, and jumps between the sounds of a group. All events are heard at the document,
// so that players may come, go and move; then `numberPlayers()` gives them their numbers again.
(() => {
  "use strict";
  const KEYS = "1234567890";
  const wanted = new WeakMap(); // moments to be at as soon as a sound is loaded
  const current = new WeakMap(); // the player of each group that was used last

  const audioOf = (player) => player.querySelector("audio");
  const plotsOf = (player) => player.querySelector(".player-plots");
  const lengthOf = (player) => Number(player.dataset.seconds);
  const groupOf = (player) => player.closest("[data-player-group]");
  const playersIn = (group) => [...group.querySelectorAll(".player")].filter((player) => !player.closest("[hidden]"));
  const momentIn = (player) => wanted.get(player) ?? audioOf(player).currentTime;
  const spoken = (seconds, length) => `${seconds.toFixed(length < 10 ? 2 : 1)} seconds`;

  function draw(player) {
    const share = Math.min(1, momentIn(player) / lengthOf(player));
    player.querySelector(".player-now").style.left = `${100 * share}%`;
  }

  // A screen reader says the moment whenever this changes: not at every frame.
  function tell(player) {
    const moment = Math.min(momentIn(player), lengthOf(player));
    const plots = plotsOf(player);
    plots.setAttribute("aria-valuenow", moment.toFixed(2));
    plots.setAttribute("aria-valuetext", spoken(moment, lengthOf(player)));
    draw(player);
  }

  function follow(player) {
    draw(player);
    if (!audioOf(player).paused) requestAnimationFrame(() => follow(player));
  }

  function move(player, seconds) {
    const audio = audioOf(player);
    const moment = Math.min(Math.max(0, seconds), lengthOf(player));
    use(player);
    if (audio.readyState > 0) {
      audio.currentTime = moment;
    } else {
      // Nothing of it is loaded before somebody wants to hear it, and a moment cannot be set in nothing.
      wanted.set(player, moment);
      audio.preload = "metadata";
    }
    tell(player);
  }

  function use(player) {
    const group = groupOf(player);
    if (!group) return;
    current.get(group)?.classList.remove("player-current");
    current.set(group, player);
    player.classList.add("player-current");
  }

  function play(player) {
    // A browser that cannot play it says so in its own controls.
    audioOf(player).play().catch(() => {});
  }

  function toggle(player) {
    const audio = audioOf(player);
    if (audio.paused) play(player);
    else audio.pause();
  }

  function jump(player) {
    const before = current.get(groupOf(player));
    if (before === player) {
      toggle(player);
    } else {
      const moment = before ? momentIn(before) : momentIn(player);
      if (before) audioOf(before).pause();
      move(player, moment < lengthOf(player) ? moment : 0);
      play(player);
    }
    plotsOf(player).focus();
  }

  function numberPlayers() {
    for (const group of document.querySelectorAll("[data-player-group]")) {
      const players = playersIn(group);
      players.forEach((player, place) => {
        const button = player.querySelector(".player-number");
        const key = KEYS[place];
        button.hidden = players.length < 2 || key === undefined;
        button.textContent = key ?? "";
        const title = player.querySelector(".player-title").textContent;
        button.setAttribute("aria-label", `${key}: ${title}, from the moment at which you are`);
        if (key !== undefined) button.setAttribute("aria-keyshortcuts", key);
      });
      for (const hint of group.querySelectorAll(".player-keys")) hint.hidden = players.length < 2;
    }
  }

  function onKey(event) {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    // Numbers are keys only where the focus is among the players that have them (WCAG 2.2, 2.1.4).
    const group = event.target.closest("[data-player-group]");
    const place = KEYS.indexOf(event.key);
    if (group && event.key.length === 1 && place >= 0) {
      const chosen = playersIn(group)[place];
      if (!chosen || playersIn(group).length < 2) return;
      event.preventDefault();
      jump(chosen);
      return;
    }
    const plots = event.target.closest(".player-plots");
    if (!plots) return;
    const player = plots.closest(".player");
    const length = lengthOf(player);
    const step = Math.min(1, length / 20);
    const moments = {
      ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -length / 10, PageUp: length / 10,
    };
    if (event.key in moments) move(player, momentIn(player) + moments[event.key]);
    else if (event.key === "Home") move(player, 0);
    else if (event.key === "End") move(player, length);
    else if (event.key === " " || event.key === "Enter") toggle(player);
    else return;
    event.preventDefault();
  }

  function moveTo(event, plots) {
    const box = plots.querySelector(".player-screen").getBoundingClientRect();
    const player = plots.closest(".player");
    move(player, ((event.clientX - box.left) / box.width) * lengthOf(player));
  }

  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".player-number");
    if (button) jump(button.closest(".player"));
  });
  document.addEventListener("pointerdown", (event) => {
    const plots = event.target.closest(".player-plots");
    if (!plots || event.button !== 0) return;
    plots.setPointerCapture(event.pointerId);
    moveTo(event, plots);
  });
  document.addEventListener("pointermove", (event) => {
    const plots = event.target.closest(".player-plots");
    if (plots?.hasPointerCapture(event.pointerId)) moveTo(event, plots);
  });

  // Events of sounds do not bubble; they are met on their way down.
  function on(name, handle) {
    document.addEventListener(name, (event) => {
      const player = event.target.closest?.(".player");
      if (player && event.target === audioOf(player)) handle(player, event.target);
    }, true);
  }
  document.addEventListener("play", (event) => {
    for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
  }, true);
  on("loadedmetadata", (player, audio) => {
    if (!wanted.has(player)) return;
    audio.currentTime = wanted.get(player);
    wanted.delete(player);
  });
  on("play", (player) => {
    const group = groupOf(player);
    use(player);
    // A pointer on the browser's own controls does not move the focus everywhere, and numbers need it here.
    if (group && !group.contains(document.activeElement)) plotsOf(player).focus({ preventScroll: true });
    follow(player);
  });
  for (const name of ["pause", "seeked", "ended"]) on(name, tell);
  on("timeupdate", draw);

  window.numberPlayers = numberPlayers;
  numberPlayers();
})();
