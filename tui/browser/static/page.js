// The token has done its work: take it out of the address and of the history.
if (location.hash || location.search) {
  history.replaceState(null, "", "/");
}
