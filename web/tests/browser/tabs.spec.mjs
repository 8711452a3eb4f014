// Several tabs and several hands: the browser becomes somebody else's, a session ends, somebody else is quicker, a button is pressed twice.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { becomes, call, launch, open, session, settled } from './browser.mjs'
import { endAll, enter, logIn, logOut, PASSWORD, register, someone } from './people.mjs'

let browser, staff
before(async () => {
  browser = await launch()
  staff = await session('staff')
})
after(() => browser?.close())

test('a tab that shows somebody else than the browser is signed in as changes nothing, and follows', async () => {
  const anna = someone('anna'), bert = someone('bert')
  await register(staff, anna, 'Anna Alpha')
  await register(staff, bert, 'Bert Beta')
  const { page, context, close } = await enter(browser, anna)
  await page.goto('/profile')
  const name = page.getByLabel('Name', { exact: true })
  await becomes(() => name.inputValue(), 'Anna Alpha')
  // As after a tab was frozen: it has heard nothing of the others.
  await page.addInitScript(() => { globalThis.BroadcastChannel = undefined })
  await page.reload()
  await becomes(() => name.inputValue(), 'Anna Alpha')

  const second = await context.newPage()
  await second.goto('/profile')
  await logOut(second)
  await logIn(second, bert)
  await second.waitForURL(/\/services$/)
  const third = await context.newPage()
  await third.goto('/profile')
  await becomes(() => third.getByLabel('Name', { exact: true }).inputValue(), 'Bert Beta')

  await name.fill('Anna Renamed')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Bert Beta is signed in here now').first().waitFor()
  await becomes(() => name.inputValue(), 'Bert Beta')
  await third.reload()
  await becomes(() => third.getByLabel('Name', { exact: true }).inputValue(), 'Bert Beta')

  await logOut(second) // the third hears of it
  await third.waitForURL(/\/login\?next=\/profile$/)
  await third.getByTestId('ended').waitFor()
  await logIn(second, anna)
  await second.waitForURL(/\/services$/)
  await second.goBack() // the login is no page to go back to
  assert.ok(!second.url().includes('/login'), second.url())
  await close()
})

test('a session that was ended elsewhere is told of, and the way leads back', async () => {
  const email = someone('ended')
  await register(staff, email)
  const { page, close } = await enter(browser, email)
  await page.goto('/account/members?from=a-link')
  await page.getByRole('button', { name: 'Invite …' }).click()
  await page.getByLabel('Email address').fill(someone('guest'))
  await endAll(email)
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  await page.getByTestId('ended').waitFor()
  await page.getByLabel('Email address').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.pathname + url.search === '/account/members?from=a-link')
  await page.getByRole('heading', { level: 1, name: 'People' }).waitFor()
  await close()
})

test('what is pressed twice is sent once, and what was not answered is done once', async () => {
  const email = someone('twice')
  await register(staff, email)
  const { page, close } = await enter(browser, email)
  await page.goto('/account/members')
  await settled(page)
  await page.evaluate(() => { // the first write arrives, its answer does not
    const real = globalThis.fetch
    globalThis.keys = []
    globalThis.fetch = async (url, init) => {
      const answer = await real(url, init)
      if (init.method === 'POST' && globalThis.keys.push(init.headers['Idempotency-Key']) === 1) throw new TypeError('lost')
      return answer
    }
  })
  await page.getByRole('button', { name: 'Invite …' }).click()
  await page.getByLabel('Email address').fill(someone('guest'))
  const press = () => page.getByRole('dialog').getByRole('button', { name: 'Invite', exact: true }).evaluate((button) => { button.click(); button.click() })
  await press()
  await page.getByRole('dialog').getByText('The server cannot be reached.').waitFor()
  await press()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await becomes(() => page.getByTestId('invitation-row').count(), 1)
  const keys = await page.evaluate(() => globalThis.keys)
  assert.equal(keys.length, 2)
  assert.equal(keys[0], keys[1])
  await close()
})

test('somebody else is quicker: a half-filled profile keeps what was typed', async () => {
  const email = someone('quick')
  await register(staff, email, 'Quick Example')
  const { page, close } = await enter(browser, email)
  await page.goto('/account')
  await settled(page)
  await page.getByLabel('Company').fill('Typed here')
  const theirs = await staff.get(`/customers/${encodeURIComponent(email)}`)
  const put = await call('admin', 'PUT', `/customers/${theirs.id}/profile`, { cookie: staff.cookie, body: { name: theirs.name, phone: '+44 20 1234', locale: theirs.locale, time_zone: theirs.time_zone, version: theirs.version } })
  assert.equal(put.status, 200, put.text)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Somebody else changed this meanwhile').waitFor()
  await becomes(() => page.getByLabel('Telephone').inputValue(), '+44 20 1234')
  assert.equal(await page.getByLabel('Company').inputValue(), 'Typed here')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.').waitFor()
  await close()
})

test('somebody else is quicker: a dialog does not write over what it never showed', async () => {
  const made = await staff.post('/exporters', { name: `quick-${process.pid}`, source: '198.51.100.77/32' })
  assert.equal(made.status, 201, made.text)
  const exporter = made.json()
  const { page, close } = await open(browser, { as: staff })
  await page.goto(`/exporters/${exporter.id}`)
  await page.getByRole('button', { name: 'Change …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Highest rate believed').fill('70000')
  const now = await staff.get(`/exporters/${exporter.id}`)
  const { source, agent, count_policy, rate_min } = now
  const theirs = await call('admin', 'PUT', `/exporters/${exporter.id}`, { cookie: staff.cookie, body: { source, agent, count_policy, rate_min, rate_max: 60_000 } })
  assert.equal(theirs.status, 200, theirs.text)
  const asked = page.waitForResponse(async (r) => new URL(r.url()).pathname.endsWith(`/exporters/${exporter.id}`) && (await r.json()).version > now.version)
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange'))) // the page behind the dialog asks for the newest
  await asked
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.getByText('Somebody else changed this meanwhile').waitFor()
  assert.equal((await staff.get(`/exporters/${exporter.id}`)).rate_max, 60_000)
  await close()
})
