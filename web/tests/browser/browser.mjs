// What the browser tests share. ACCOUNT_URL and ADMIN_URL name the sites of a running platform in development mode;
// CHROMIUM a browser.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { chromium } from 'playwright-core'

export const SITES = { account: process.env.ACCOUNT_URL ?? 'http://account.localhost:8080', admin: process.env.ADMIN_URL ?? 'http://admin.localhost:8080' }
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
export async function open(browser, { size = WIDE, dark = false, as, site = as?.site ?? 'account' } = {}) {
  const origin = SITES[site]
  const context = await browser.newContext({ viewport: size, colorScheme: dark ? 'dark' : 'light', baseURL: origin })
  const page = await context.newPage()
  if (as) await enter(page, as)
  const wrong = []
  page.on('pageerror', (error) => wrong.push(`script: ${error.message}`))
  // Where people log in the page asks whether somebody is there, and Chromium notes that nobody is.
  const nobody = (message) => /status of 401/.test(message.text()) && new URL(message.location().url, origin).pathname === '/api/v1/session'
  // A machine whose interfaces come and go makes Chromium drop requests; the page asks again, and so do we.
  page.on('console', (message) => { if (message.type() === 'error' && !/ERR_NETWORK_CHANGED/.test(message.text()) && !nobody(message)) wrong.push(`console: ${message.text()}`) })
  page.on('request', (request) => { if (!request.url().startsWith(`${origin}/`) && !/^(data|blob):/.test(request.url())) wrong.push(`outside: ${request.url()}`) })
  return { context, page, wrong, close: () => context.close() }
}

/** Gives a page's browser a session's cookie. Playwright's own way makes it one without the Secure that its name asks for. */
export async function enter(page, { site, cookie }) {
  const cdp = await page.context().newCDPSession(page)
  const [, name, value] = /^([^=]*)=(.*)$/.exec(cookie)
  const { success } = await cdp.send('Network.setCookie', { url: `${SITES[site]}/`, name, value, path: '/', secure: true, httpOnly: true })
  assert.ok(success, 'the browser takes the cookie')
  await cdp.detach()
}

/** One call of a site's API. Names below localhost are this machine, which browsers know and Node does not. */
export function call(site, method, path, { cookie, body } = {}) {
  const { port, host } = new URL(SITES[site])
  const headers = { Host: host, 'Sec-Fetch-Site': 'same-origin', Accept: 'application/json', ...(cookie ? { Cookie: cookie } : {}), ...(body ? { 'Content-Type': 'application/json' } : {}) }
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path: '/api/v1' + path, headers }, async (response) => {
      let text = ''
      for await (const part of response.setEncoding('utf8')) text += part
      const set = response.headers['set-cookie']?.map((c) => c.split(';')[0]) ?? []
      resolve({ status: response.statusCode, text, cookies: set, json: () => JSON.parse(text) })
    })
    sent.on('error', reject)
    sent.end(body && JSON.stringify(body))
  })
}

/** The API as a session of the development login sees it, without a page: staff on the admin site, else a customer. */
export async function session(who, customer) {
  const site = who === 'staff' ? 'admin' : 'account'
  const answer = await call(site, 'POST', '/dev/session', { body: { customer } })
  assert.equal(answer.status, 200, `login as ${who}: ${answer.text}`)
  const cookie = answer.cookies.find((c) => c.startsWith('__Host-session='))
  const get = async (path) => {
    const response = await call(site, 'GET', path, { cookie })
    assert.equal(response.status, 200, `${path}: ${response.text}`)
    return response.json()
  }
  return { site, cookie, get, post: (path, body) => call(site, 'POST', path, { cookie, body }) }
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
async function findings(page) {
  // evaluate runs outside of the page's policy, where a script element would be refused.
  const source = (await import('node:fs')).readFileSync(AXE, 'utf8')
  await page.evaluate(source)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
  return violations.filter((v) => ['serious', 'critical'].includes(v.impact))
    .map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 4).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`)
}

/**
 * Holds a page to have no findings, once it stands still: what fades in or out is not what people read. A dialog that closes
 * between the wait and the look leaves a finding (its focus guards without it), so what was found is looked at again.
 */
export async function clean(page) {
  await still(page)
  if ((await findings(page)).length === 0) return
  await new Promise((wait) => setTimeout(wait, 500))
  await still(page)
  assert.deepEqual(await findings(page), [])
}

const still = (page) => page.waitForFunction(() =>
  document.getAnimations().every((a) => a.playState !== 'running' || a.effect?.getTiming().iterations === Infinity)
  && !document.querySelector('[role=dialog][data-state=closed]'))

/** What went wrong but for refusals: those that are tested for show in the console as well. */
export const unexpected = (wrong) => wrong.filter((line) => !/status of (401|403|404|409|422|429)/.test(line))

/** Holds something to be so within ten seconds: what a page shows comes when its answer does. */
export async function becomes(read, expected) {
  for (let end = Date.now() + 10_000; Date.now() < end; await new Promise((wait) => setTimeout(wait, 50))) {
    if (isDeepStrictEqual(await read(), expected)) return
  }
  assert.deepEqual(await read(), expected)
}

/** Waits until a page has loaded what it shows first. */
export async function settled(page) {
  await page.waitForSelector('h1', { timeout: 15_000 })
  await page.waitForFunction(() => !document.querySelector('main [role=status] .sr-only')?.textContent?.includes('Loading'), undefined, { timeout: 15_000 })
}
