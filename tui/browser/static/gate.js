// Exchange the token that stands after the # for a cookie, which scripts cannot read, and forget it.
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", "/");
  fetch("/token", { method: "POST", headers: { "Content-Type": "text/plain" }, body: token }).then(
    (answer) => {
      if (answer.ok) {
        location.reload();
      } else {
        document.getElementById("said").textContent = "This address is not, or no longer, the one that stretto serve printed.";
      }
    },
    () => {
      document.getElementById("said").textContent = "stretto serve does not answer.";
    },
  );
}
