// Keeps a page up to date while it says how often, and lets people pause that. Without this script it reloads itself.
"use strict";
(() => {
  const live = document.getElementById("live");
  const pause = document.getElementById("pause");
  const old = document.getElementById("old");
  if (!live || !pause) return;
  let paused = false;
  const update = async () => {
    if (paused || document.hidden || live.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (!fresh) throw new Error("signed out");
      const open = [...live.querySelectorAll("details")].map((each) => each.open);
      live.replaceChildren(...fresh.childNodes);
      live.querySelectorAll("details").forEach((each, number) => { each.open = Boolean(open[number]); });
      live.classList.remove("stale");
      old.textContent = "";
      if (!fresh.dataset.every) {
        clearInterval(updating);
        pause.hidden = true;
      }
    } catch {
      live.classList.add("stale");
      old.textContent = old.dataset.says;
    }
  };
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume updates" : "Pause updates";
  });
  const updating = setInterval(update, 1000 * Number(live.dataset.every));
})();
