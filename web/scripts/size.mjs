// Fails when what a browser must fetch before the first page shows is above the limit.
// Counted: index.html, what it links, and the largest page chunk with what that imports.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const LIMIT_KB = 260
const site = fileURLToPath(new URL('../dist/site', import.meta.url))
const html = readFileSync(join(site, 'index.html'), 'utf8')
const gzipped = new Map(readdirSync(join(site, 'assets')).filter((n) => /\.(js|css)$/.test(n))
  .map((n) => [n, gzipSync(readFileSync(join(site, 'assets', n)), { level: 9 }).length]))

const linked = [...html.matchAll(/assets\/([\w.-]+\.(?:js|css))/g)].map((m) => m[1])
const imports = (name) => (name.endsWith('.js')
  ? [...readFileSync(join(site, 'assets', name), 'utf8').matchAll(/(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g)].map((m) => m[1])
  : [])
function closure(names) {
  const seen = new Set(), todo = [...names]
  while (todo.length) {
    const name = todo.pop()
    if (seen.has(name) || !gzipped.has(name)) continue
    seen.add(name)
    todo.push(...imports(name))
  }
  return seen
}
const sum = (names) => [...names].reduce((n, name) => n + gzipped.get(name), gzipSync(html).length)

const shell = closure(linked)
let worst = ['(shell)', sum(shell)]
for (const name of gzipped.keys()) {
  const css = [...gzipped.keys()].filter((n) => n.endsWith('.css') && n.split('-')[0] === name.split('-')[0])
  const total = sum(closure([...shell, name, ...css]))
  if (total > worst[1]) worst = [name, total]
}
const kb = (n) => `${(n / 1000).toFixed(1)} kB`
console.log(`first load, gzipped: shell ${kb(sum(shell))}, largest page ${kb(worst[1])} (${worst[0]}), limit ${LIMIT_KB} kB; all assets ${kb([...gzipped.values()].reduce((a, b) => a + b, 0))}`)
if (worst[1] > LIMIT_KB * 1000) {
  console.error('the first load is above its limit')
  process.exit(1)
}
