// What the browser tests share. BASE_URL names a running platform in development mode; CHROMIUM a browser.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

export const BASE = process.env.BASE_URL ?? 'http://127.0.0.1:8080'
const SHOTS = process.env.SCREENSHOTS ?? fileURLToPath(new URL('../../../var/screenshots', import.meta.url))
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const FLAGS = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run']

export const WIDE = { width: 1360, height: 900 }
export const PHONE = { width: 390, height: 844 }

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox', ...FLAGS] : FLAGS,
})

/** A page that remembers what went wrong on it: script errors, console errors, refused policies, outside hosts. */
export async function open(browser, { size = WIDE, dark = false, cookies } = {}) {
  const context = await browser.newContext({ viewport: size, colorScheme: dark ? 'dark' : 'light', baseURL: BASE })
  if (cookies) await context.addCookies(cookies)
  const page = await context.newPage()
  const wrong = []
  page.on('pageerror', (error) => wrong.push(`script: ${error.message}`))
  // A machine whose interfaces come and go makes Chromium drop requests; the page asks again, and so do we.
  page.on('console', (message) => { if (message.type() === 'error' && !/ERR_NETWORK_CHANGED/.test(message.text())) wrong.push(`console: ${message.text()}`) })
  page.on('request', (request) => { if (!request.url().startsWith(BASE) && !/^(data|blob):/.test(request.url())) wrong.push(`outside: ${request.url()}`) })
  return { context, page, wrong, close: () => context.close() }
}

/** The API as a session sees it, without a page. */
export async function session(browser, role, customer) {
  const context = await browser.newContext({ baseURL: BASE })
  const post = (path, data) => context.request.post('/api/v1' + path, { data, headers: { 'Sec-Fetch-Site': 'same-origin' } })
  const answer = await post('/session', { role, customer })
  assert.equal(answer.status(), 200, `login as ${role}: ${await answer.text()}`)
  const get = async (path) => {
    const response = await context.request.get('/api/v1' + path)
    assert.equal(response.status(), 200, `${path}: ${await response.text()}`)
    return response.json()
  }
  return { get, post, cookies: await context.cookies(), close: () => context.close() }
}

/** The customer with the most to show: an invoice if any has one, else alerts, else traffic. */
export async function busyCustomer(staff) {
  const [invoice] = (await staff.get('/invoices?limit=1')).items
  if (invoice) return { customer: invoice.customer.email, service: invoice.service, invoice }
  const [alert] = (await staff.get('/alerts?limit=1')).items
  const service = alert ? await staff.get(`/services/${alert.service.id}`) : (await staff.get('/services?limit=1')).items[0]
  assert.ok(service, 'the platform has no service: start it with --demo')
  return { customer: service.customer.email, service: { id: service.id, name: service.name } }
}

export async function shoot(page, name) {
  mkdirSync(SHOTS, { recursive: true })
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true })
}

/** Serious and critical findings of axe-core, in words. */
export async function findings(page) {
  // evaluate runs outside of the page's policy, where a script element would be refused.
  const source = (await import('node:fs')).readFileSync(AXE, 'utf8')
  await page.evaluate(source)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
  return violations.filter((v) => ['serious', 'critical'].includes(v.impact))
    .map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 4).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`)
}

/** Waits until a page has loaded what it shows first. */
export async function settled(page) {
  await page.waitForSelector('h1', { timeout: 15_000 })
  await page.waitForFunction(() => !document.querySelector('main [role=status] .sr-only')?.textContent?.includes('Loading'), undefined, { timeout: 15_000 })
}
