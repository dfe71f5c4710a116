// The token has done its work: take it out of the address and of the history.
if (location.hash || location.search) {
  history.replaceState(null, "", "/");
}

// The terminal's script tells a new size also while its connection is not there yet, which browsers refuse: it is told then.
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (this.readyState === WebSocket.CONNECTING) {
    this.addEventListener("open", () => send.call(this, data), { once: true });
  } else {
    send.call(this, data);
  }
};

// What is typed goes to the terminal from the first moment it shows something, without a click.
window.addEventListener("load", () => {
  const watch = new MutationObserver(() => {
    if (document.body.classList.contains("-first-byte")) {
      watch.disconnect();
      document.querySelector(".xterm-helper-textarea")?.focus();
    }
  });
  watch.observe(document.body, { attributes: true, attributeFilter: ["class"] });
});
