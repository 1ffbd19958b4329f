// Not a module: it runs before the page is painted, so that a chosen appearance does not flash.
try {
  const theme = localStorage.getItem('tomi.theme');
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's appearance stays.
}
