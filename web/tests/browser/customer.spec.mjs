import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { becomes, busyCustomer, launch, open, PHONE, session, settled, shoot } from './browser.mjs'

let browser, staff, busy, customer
before(async () => {
  browser = await launch()
  staff = await session('staff')
  busy = await busyCustomer(staff)
  customer = await session('customer', busy.customer)
})
after(() => browser?.close())

const lastPoint = (page) => page.getByTestId('graph').getAttribute('data-last-point').then(Number)

test('a customer logs in and finds the service', async () => {
  const { page, wrong, close } = await open(browser)
  await page.goto('/services')
  await page.waitForURL(/\/login/)
  await page.getByLabel('Customer to log in as').fill('nobody@nowhere.example')
  await page.getByRole('button', { name: 'Log in as customer' }).click()
  await page.getByRole('alert').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'alert', 'what went wrong has the focus')
  await page.getByLabel('Customer to log in as').fill(busy.customer)
  await page.getByRole('button', { name: 'Log in as customer' }).click()
  await page.getByRole('link', { name: busy.service.name, exact: true }).click()
  await page.getByRole('heading', { level: 1, name: busy.service.name }).waitFor()
  assert.match(await page.title(), new RegExp(busy.service.name.replaceAll('.', '\\.')))
  // Before the login the page asked who is there and was told 401, and there is nobody at nowhere; nothing else may go wrong.
  assert.deepEqual(wrong.filter((line) => !/401|404/.test(line)), [])
  await close()
})

test('the live graph moves', async () => {
  const { page, wrong, close } = await open(browser, { as: customer })
  await page.goto(`/services/${busy.service.id}`)
  await page.getByTestId('live-state').getByText('Live').waitFor()
  await page.getByTestId('graph').locator('canvas').waitFor()
  const first = await lastPoint(page)
  assert.ok(first > 0, 'the graph has points')
  // Slots are ten seconds long: within that and the five seconds a byte may take, there is a new one.
  await page.waitForFunction((before) => Number(document.querySelector('[data-testid=graph]')?.getAttribute('data-last-point')) > before, first, { timeout: 20_000 })
  assert.match(await page.getByTestId('rate-in').textContent(), /bit\/s/)
  assert.deepEqual(wrong, [])
  await close()
})

test('ranges, basis, shape and table', async () => {
  const { page, wrong, close } = await open(browser, { as: customer })
  await page.goto(`/services/${busy.service.id}`)
  await page.getByTestId('graph').waitFor()
  for (const range of ['6 h', '24 h', '7 d', '30 d', 'Cycle', 'Live']) {
    await page.getByRole('radio', { name: range, exact: true }).check({ force: true })
    await page.getByTestId('graph').waitFor()
  }
  await page.getByRole('radio', { name: 'L3' }).check({ force: true })
  await page.getByRole('radio', { name: 'Both above' }).check({ force: true })
  await page.getByRole('radio', { name: 'Table' }).check({ force: true })
  await page.getByRole('region', { name: 'Traffic as a table' }).getByText('bit/s').first().waitFor()
  assert.deepEqual(wrong, [])
  await close()
})

test('quota, alerts and invoice', async () => {
  const { page, wrong, close } = await open(browser, { as: customer })
  await page.goto(`/services/${busy.service.id}`)
  const detail = await staff.get(`/services/${busy.service.id}`)
  if (detail.cycle?.quota_bytes) {
    const meter = page.getByTestId('quota-bar').getByRole('meter')
    assert.ok(Number(await meter.getAttribute('aria-valuenow')) >= 0)
    assert.match(await meter.getAttribute('aria-valuetext'), /of .*B/)
  }
  const alerts = (await staff.get(`/services/${busy.service.id}/alerts`)).items
  if (alerts.length) await page.getByTestId('alerts').getByRole('listitem').nth(alerts.length - 1).waitFor()
  if (busy.invoice) {
    await page.getByRole('link', { name: busy.invoice.number }).click()
    const invoice = page.getByTestId('invoice')
    await invoice.waitFor()
    assert.ok((await invoice.getByTestId('total').textContent()).replaceAll(',', '').replace('−', '-').includes(busy.invoice.total.amount))
    for (const word of ['Error bound', 'Known loss', 'Datagrams lost']) await invoice.getByText(word).first().waitFor()
    await page.setViewportSize({ width: 794, height: 1123 }) // A4 at 96 dpi
    await page.emulateMedia({ media: 'print' })
    assert.equal(await page.getByRole('button', { name: 'Print' }).isVisible(), false)
    await shoot(page, 'invoice-print')
  }
  assert.deepEqual(wrong, [])
  await close()
})

test('what is not a customer’s is not there', async () => {
  const { page, close } = await open(browser, { as: customer })
  for (const path of ['/exporters', '/dev/mailbox', '/nothing/here']) {
    await page.goto(path)
    await page.getByRole('heading', { name: 'Page not found' }).waitFor()
  }
  await page.goto('/services/00000000-0000-7000-8000-00000000ffff')
  await page.getByRole('alert').getByRole('button', { name: 'Try again' }).waitFor()
  await close()
})

test('a lost connection is said, and comes back', async () => {
  const { context, page, close } = await open(browser, { as: customer })
  let cut = true
  await page.route('**/live', (route) => (cut ? route.abort() : route.continue()))
  await page.goto(`/services/${busy.service.id}`)
  await page.getByTestId('live-state').getByText('Reconnecting, stale since').waitFor()
  cut = false
  await page.getByTestId('live-state').getByText('Live').waitFor()
  await context.setOffline(true)
  await page.getByRole('radio', { name: '6 h' }).check({ force: true })
  await page.getByRole('alert').getByText('cannot be reached').waitFor()
  await context.setOffline(false)
  await page.getByRole('button', { name: 'Try again' }).first().click()
  await page.getByTestId('graph').waitFor()
  await close()
})

test('by keyboard alone', async () => {
  const { page, close } = await open(browser, { as: customer })
  await page.goto('/services')
  await settled(page)
  await page.keyboard.press('Tab')
  await becomes(() => page.evaluate(() => document.activeElement?.textContent), 'Skip to content')
  await page.keyboard.press('Enter')
  await becomes(() => page.evaluate(() => document.activeElement?.id), 'main')
  for (let i = 0; i < 12 && await page.evaluate(() => !document.activeElement?.matches('td a')); i++) await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/services\/./)
  await page.getByTestId('graph').waitFor()
  await becomes(() => page.evaluate(() => document.activeElement?.id), 'main') // a new page takes the focus
  for (let i = 0; i < 12 && await page.evaluate(() => !document.activeElement?.matches('input[type=radio]')); i++) await page.keyboard.press('Tab')
  await page.keyboard.press('ArrowRight')
  await becomes(() => page.getByRole('radio', { name: '6 h' }).isChecked(), true)
  await page.getByTestId('graph').waitFor()
  await page.getByTestId('graph').focus()
  await page.keyboard.press('ArrowLeft')
  const visible = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)
  assert.notEqual(visible, 'none', 'the focus is visible')
  await close()
})

test('the phone menu opens, closes and leads', async () => {
  const { page, wrong, close } = await open(browser, { as: customer, size: PHONE })
  await page.goto('/services')
  await settled(page)
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('dialog').getByRole('link', { name: 'Invoices' }).click()
  await page.waitForURL(/\/invoices$/)
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out sideways')
  assert.deepEqual(wrong, [])
  await close()
})
