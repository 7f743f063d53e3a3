// Says why the page does not start: in files opened without a server, and in browsers that do not know its language.
// So this is a plain script, in the JavaScript of old browsers.
window.addEventListener(
  "error",
  function (event) {
    var error = document.getElementById("error");
    var element = event.target.tagName; // none for errors in scripts; the page works without pictures
    if (!window.pageStarted && error && (!element || element === "SCRIPT")) {
      error.textContent = location.protocol === "file:"
        ? "Browsers load the scripts of a page from a server only: run make web."
        : "The scripts of this page did not load: try again, or use a current browser.";
      error.hidden = false;
      document.getElementById("status").textContent = "";
    }
  },
  true // with errors of loading, which go no further than their element
);
