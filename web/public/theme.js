// Runs before the first paint, so that a dark page never flashes white.
(function () {
  var choice = null
  try { choice = localStorage.getItem('theme') } catch (e) { /* storage refused: follow the system */ }
  var dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.toggle('dark', dark)
})()
