// What the theme leaves out for keyboards and screen readers: code and tables that scroll, and the level of captions.
addEventListener("DOMContentLoaded", () => {
  for (const part of document.querySelectorAll("pre, table.docutils")) part.tabIndex = 0;
  for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = "2";
  document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "On this page");
});
