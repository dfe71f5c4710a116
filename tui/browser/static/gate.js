// Exchange the token that stands after the # for a cookie, which scripts cannot read, and forget it.
function say(text) {
  document.getElementById("said").textContent = text;
}

function enter() {
  const token = location.hash.slice(1);
  if (!token) {
    return;
  }
  history.replaceState(null, "", "/");
  fetch("/token", { method: "POST", headers: { "Content-Type": "text/plain" }, body: token }).then(
    (answer) => {
      if (answer.ok) {
        location.reload();
      } else {
        say("This address is not, or no longer, the one that stretto serve printed.");
      }
    },
    () => say("stretto serve does not answer."),
  );
}

window.addEventListener("hashchange", enter);
enter();
