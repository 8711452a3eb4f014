const PATIENCE_MS = 5000

/**
 * Leads to where a page was left. What it shows comes later than itself: its growth is followed until the place is there,
 * somebody does something, or some seconds are over. Returns what ends it sooner.
 */
export function scrollBack(place: { left: number; top: number }): () => void {
  const over = new AbortController()
  const end = () => over.abort()
  const observer = new ResizeObserver(() => {
    scrollTo(place)
    if (document.documentElement.scrollHeight - innerHeight + 1 >= place.top) end() // places are rounded
  })
  const timer = setTimeout(end, PATIENCE_MS)
  over.signal.addEventListener('abort', () => { observer.disconnect(); clearTimeout(timer) })
  for (const act of ['wheel', 'touchstart', 'pointerdown', 'keydown']) addEventListener(act, end, { passive: true, signal: over.signal })
  observer.observe(document.body) // which tells of its size at once
  return end
}
