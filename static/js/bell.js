// The bell: how many notifications are unread, asked once a minute and whenever somebody comes back to the page.
const EVERY = 60_000;

async function look() {
  const bell = document.querySelector(".im-bell");
  if (!bell || document.hidden) return;
  try {
    // As a fragment: who is signed out is answered with nothing then, and stays where he is.
    const answer = await fetch(bell.dataset.src, { headers: { "HX-Request": "true" } });
    if (answer.status !== 200) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".im-bell");
    if (!fresh || fresh.getAttribute("aria-label") === bell.getAttribute("aria-label")) return;
    bell.setAttribute("aria-label", fresh.getAttribute("aria-label"));
    bell.replaceChildren(...fresh.childNodes);
  } catch {
    // The server cannot be reached: the next minute tells.
  }
}

setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
