// Every page, light and dark, wide and narrow: no serious finding of axe-core, nothing wider than the window,
// nothing in the console, and a picture to look at.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { busyCustomer, clean, launch, open, PHONE, session, settled, shoot, WIDE } from './browser.mjs'

let browser, staff, customer, busy, exporter, who
before(async () => {
  browser = await launch()
  staff = await session('staff')
  busy = await busyCustomer(staff)
  customer = await session('customer', busy.customer)
  who = (await staff.get(`/customers?q=${encodeURIComponent(busy.customer)}`)).items[0]
  exporter = (await staff.get('/exporters')).items[0]
})
after(() => browser?.close())

const LOOKS = [
  { name: 'wide-light', size: WIDE, dark: false },
  { name: 'wide-dark', size: WIDE, dark: true },
  { name: 'phone-light', size: PHONE, dark: false },
  { name: 'phone-dark', size: PHONE, dark: true },
]
const pages = () => [
  ['login', '/login', { site: 'account' }],
  ['staff-login', '/login', { site: 'admin' }],
  ['register', '/register', { site: 'account' }],
  ['forgot', '/forgot', { site: 'account' }],
  ['customer-profile', '/profile', customer],
  ['customer-security', '/security', customer],
  ['customer-account', '/account', customer],
  ['customer-members', '/account/members', customer],
  ['customer-accounts', '/accounts', customer],
  ['customer-services', '/services', customer],
  ['customer-service', `/services/${busy.service.id}`, customer],
  ['customer-invoices', '/invoices', customer],
  ...(busy.invoice ? [['customer-invoice', `/invoices/${busy.invoice.id}`, customer]] : []),
  ['customer-activity', '/activity', customer],
  ['missing', '/nothing/here', customer],
  ['staff-services', '/services', staff],
  ['staff-customers', '/customers', staff],
  ['staff-customer', `/customers/${who.id}`, staff],
  ['staff-people', '/people', staff],
  ['staff-impersonations', '/impersonations', staff],
  ['staff-staff', '/staff', staff],
  ['staff-roles', '/roles', staff],
  ['staff-clients', '/clients', staff],
  ['staff-security', '/security', staff],
  ['staff-profile', '/profile', staff],
  ['staff-invoices', '/invoices', staff],
  ['staff-activity', '/activity', staff],
  ['staff-exporters', '/exporters', staff],
  ...(exporter ? [['staff-exporter', `/exporters/${exporter.id}`, staff]] : []),
  ['staff-collectors', '/collectors', staff],
  ['staff-report-services', '/reports/top-services', staff],
  ['staff-report-reconciliation', '/reports/reconciliation?range=7d', staff],
  ['staff-unattributed', '/reports/unattributed', staff],
  ['staff-report-ingest', '/reports/ingest', staff],
  ['staff-quarantine', '/quarantine', staff],
  ...(exporter?.ports.length ? [['staff-port', `/exporters/${exporter.id}/ports/${exporter.ports.at(-1).if_index}`, staff]] : []),
  ['staff-alerts', '/alerts', staff],
  ['staff-audit', '/audit', staff],
  ['staff-mailbox', '/dev/mailbox', staff],
  ['staff-clock', '/dev/clock', staff],
]

const NAME = 'edge-cache-frankfurt-rack-17-slot-04-production', WORD = 'HundredGigabitEthernet1/0/49.4094', ADDRESS = '2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff'
const LONG = { name: NAME, service: NAME, exporter: NAME, port: WORD, host: `${WORD}.example/12345/abcdef`, source: `${ADDRESS}/128`, agent: ADDRESS, address: ADDRESS, email: `${WORD}@donaudampfschifffahrtsgesellschaft.example` }
function lengthened(value, key) {
  if (Array.isArray(value)) return value.map((v) => lengthened(v, key))
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, lengthened(v, k)]))
  return typeof value === 'string' && value && LONG[key] ? LONG[key] : value
}

for (const size of [PHONE, WIDE]) {
  test(`long names stay inside, ${size.width} pixels wide`, async (t) => {
    const { page, close } = await open(browser, { size, as: staff })
    await page.route(/\/api\/v1\/(?!session|dev\/)(?!.*\/live$)/, async (route) => {
      if (route.request().method() !== 'GET') return route.continue()
      const { pathname, search } = new URL(route.request().url())
      await route.fulfill({ json: lengthened(await staff.get(pathname.replace('/api/v1', '') + search)) })
    })
    for (const [name, path] of pages().filter(([n]) => /^staff-(?!mailbox|clock|login)/.test(n))) {
      await t.test(name, async () => {
        await page.goto(path)
        await settled(page)
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than the window')
      })
    }
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await close()
  })
}

for (const look of LOOKS) {
  test(look.name, async (t) => {
    const tabs = new Map() // one for each session
    for (const [name, path, who] of pages()) {
      if (!tabs.has(who)) tabs.set(who, await open(browser, { ...look, as: who?.cookie && who, site: who?.site }))
      const { page, wrong } = tabs.get(who)
      await t.test(name, async () => {
        wrong.length = 0
        await page.goto(path)
        await settled(page)
        if (name === 'customer-service') await page.getByTestId('graph').locator('canvas').waitFor()
        await shoot(page, `${name}-${look.name}`)
        await clean(page)
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than the window')
        assert.deepEqual(wrong, [])
      })
    }
    for (const tab of tabs.values()) await tab.close()
  })
}
