import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { becomes, launch, open, session, settled } from './browser.mjs'

let browser, staff
before(async () => {
  browser = await launch()
  staff = await session('staff')
})
after(() => browser?.close())

test('staff log in and see their exporters', async () => {
  const { page, wrong, close } = await open(browser, { site: 'admin' })
  await page.goto('/login')
  await page.getByRole('button', { name: 'Log in as staff' }).click()
  await page.waitForURL(/\/exporters$/)
  const exporters = (await staff.get('/exporters')).items
  await becomes(() => page.getByTestId('exporter-row').count(), exporters.length)
  await page.getByRole('link', { name: exporters[0].name, exact: true }).click()
  await page.getByRole('heading', { level: 1, name: exporters[0].name }).waitFor()
  await page.getByRole('heading', { name: 'Hours', exact: true }).waitFor()
  assert.deepEqual(wrong, [])
  await close()
})

test('customers can be listed and picked at the login', async () => {
  const { page, wrong, close } = await open(browser)
  await page.goto('/login')
  await page.getByTestId('list-customers').click()
  const first = page.getByTestId('customer').first()
  const name = await first.locator('span').first().textContent()
  await first.click()
  await page.waitForURL(/\/services$/)
  await page.getByText(name).first().waitFor()
  assert.deepEqual(wrong, [])
  await close()
})

test('collectors, unattributed traffic, mailbox and clock answer', async () => {
  const { page, wrong, close } = await open(browser, { as: staff })
  for (const [path, title] of [['/collectors', 'Collectors'], ['/reports/unattributed', 'Unattributed traffic'], ['/quarantine', 'Quarantine'], ['/reports/ingest', 'Ingest health'], ['/dev/mailbox', 'Mailbox'], ['/dev/clock', 'Clock'], ['/alerts', 'Alerts'], ['/invoices', 'Invoices'], ['/services', 'Services']]) {
    await page.goto(path)
    await page.getByRole('heading', { level: 1, name: title }).waitFor()
    await settled(page)
    assert.equal(await page.getByRole('alert').count(), 0, path)
  }
  assert.deepEqual(wrong, [])
  await close()
})

test('the audit log is narrowed by order and says what changed', async () => {
  const { page, wrong, close } = await open(browser, { as: staff })
  await page.goto('/audit')
  await page.getByTestId('audit-row').first().waitFor()
  await page.getByLabel('Action').fill('catalog.CreatePlan')
  await becomes(async () => [...new Set(await page.getByTestId('audit-row').locator('td:first-child .name').allTextContents())], ['Create plan'])
  await page.getByText('Details').first().click()
  await page.getByText('Number in the chain').first().waitFor()
  await page.getByLabel('Action').fill('no.SuchAction')
  await page.getByText('Nothing matches').waitFor()
  assert.deepEqual(wrong, [])
  await close()
})

test('searching narrows the services', async () => {
  const { page, close } = await open(browser, { as: staff })
  const [service] = (await staff.get('/services?limit=1')).items
  await page.goto('/services')
  await page.getByLabel('Search services').fill(service.name)
  await page.getByRole('link', { name: service.name, exact: true }).waitFor()
  await page.getByLabel('Search services').fill('no such thing at all')
  await page.getByText('Nothing matches').waitFor()
  await close()
})

test('a wrong span of the clock is explained', async () => {
  const { page, close } = await open(browser, { as: staff })
  await page.goto('/dev/clock')
  await page.getByLabel(/^How far/).fill('soon')
  await page.getByRole('button', { name: 'Advance' }).click()
  await page.getByRole('alert').waitFor()
  await close()
})

test('a platform that cannot be reached says so, and leads on when it is back', async () => {
  const { page, close } = await open(browser, { as: staff })
  let cut = true
  await page.route('**/api/v1/**', (route) => (cut ? route.abort() : route.continue()))
  await page.goto('/quarantine')
  await page.getByRole('alert').getByText('cannot be reached').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Log in as staff' }).count(), 0, 'this is no login')
  cut = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.waitForURL(/\/quarantine$/)
  await settled(page)
  cut = true
  await page.getByRole('radio', { name: '7 d' }).check({ force: true })
  const alert = page.getByRole('alert').first()
  await alert.waitFor()
  const [inner, card] = [await alert.boundingBox(), await page.locator('section').first().boundingBox()]
  assert.ok(inner.x > card.x + 8 && inner.x + inner.width < card.x + card.width - 8, 'the message keeps away from the edges of its card')
  await close()
})

test('logging out ends it', async () => {
  const mine = await session('staff')
  const { page, close } = await open(browser, { as: mine })
  await page.goto('/exporters')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.waitForURL(/\/login/)
  await page.goto('/exporters')
  await page.waitForURL(/\/login\?next=\/exporters/)
  await close()
})

test('a list is turned by keyboard: the button keeps the focus', async () => {
  const { page, wrong, close } = await open(browser, { as: staff })
  await page.route('**/api/v1/customers?*', (route) => { // short pages, so that the demo has several
    const url = new URL(route.request().url())
    url.searchParams.set('limit', '4')
    return route.continue({ url: url.toString() })
  })
  await page.goto('/customers')
  await page.getByTestId('customer-row').first().waitFor()
  const focused = () => page.evaluate(() => document.activeElement?.textContent)
  await page.getByRole('button', { name: 'Next' }).focus()
  await page.keyboard.press('Enter')
  await page.getByText('Page 2').waitFor()
  await page.getByTestId('customer-row').first().waitFor()
  assert.equal(await focused(), 'Next')
  await page.getByRole('button', { name: 'Previous' }).focus()
  await page.keyboard.press('Enter')
  await page.getByText('Page 1').waitFor()
  await page.getByTestId('customer-row').first().waitFor()
  assert.equal(await focused(), 'Previous')
  await page.keyboard.press('Enter') // which leads nowhere
  assert.equal(await page.getByText('Page 1').count(), 1)
  assert.deepEqual(wrong, [])
  await close()
})
