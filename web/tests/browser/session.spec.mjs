// Sessions that live where people log in, that are too old for what is sensitive, and that end under somebody who types.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { becomes, call, clean, launch, open, session, settled } from './browser.mjs'
import { endAll, enter, logIn, logInHere, logOut, mailed, PASSWORD, settle, someone } from './people.mjs'

let browser, staff
before(async () => {
  browser = await launch()
  staff = await session('staff')
})
after(() => browser?.close())

test('whoever is signed in is led on from where people log in, and mailed links still open', async () => {
  const email = someone('led')
  await settle(staff, email, 'Lee Led')
  const { page, context, close } = await open(browser)
  const second = await context.newPage()
  await second.goto('/login?next=/account')
  await second.getByRole('heading', { name: 'Log in' }).waitFor()
  await logIn(page, email)
  await page.waitForURL(/\/services$/)
  await second.waitForURL(/\/account$/) // the first one told
  await second.getByLabel('Company').waitFor()

  for (const [door, on] of [['/login?next=/profile', '/profile'], ['/login?next=//evil.example', '/services'], ['/register', '/services'], ['/forgot', '/services']]) {
    await page.goto(door)
    await page.waitForURL((url) => url.pathname === on)
    await page.getByRole('heading', { level: 1 }).waitFor()
  }
  const guest = someone('guest')
  const invited = await staff.post(`/customers/${encodeURIComponent(email)}/invitations`, { email: guest, rights: 'read_only' })
  assert.equal(invited.status, 201, invited.text)
  await page.goto(`/invitation#${await mailed(staff, guest, 'invitation')}`)
  await page.getByText(`You are signed in as ${email}`).waitFor()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('link', { name: 'Go to the login' }).click()
  await page.waitForURL(/\/login$/)
  await page.getByRole('heading', { name: 'Log in' }).waitFor() // nobody is there by now
  await close()
})

test('who has to set up a second factor, or looks as somebody else, is led on to where they may be', async () => {
  const member = someone('seen'), worker = someone('worker')
  await settle(staff, member, 'Sandy Seen')
  const enrolled = await staff.post('/staff', { email: worker, name: 'Wren Worker', roles: ['support'] })
  assert.equal(enrolled.status, 201, enrolled.text)
  const theirs = await open(browser, { site: 'admin' })
  await theirs.page.goto(`/enrol#${await mailed(staff, worker, 'enrol')}`)
  await theirs.page.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await theirs.page.getByRole('button', { name: 'Go on' }).click()
  await theirs.page.waitForURL(/\/security$/)
  await theirs.page.goto('/login?next=/customers')
  await theirs.page.waitForURL(/\/security$/)
  await theirs.page.getByText('Set up a passkey or an authenticator first.').waitFor()
  await logOut(theirs.page)
  await theirs.page.getByLabel('Email address').waitFor()
  await theirs.close()

  const customer = await staff.get(`/customers/${encodeURIComponent(member)}`)
  const begun = await staff.post('/impersonations', { person_id: customer.members[0].person_id, customer_id: customer.id, reason: 'a test of the doors' })
  assert.equal(begun.status, 201, begun.text)
  const looking = await open(browser)
  await looking.page.goto(begun.json().url)
  await looking.page.waitForURL(/\/services$/)
  await looking.page.goto('/login?next=/account')
  await looking.page.waitForURL(/\/account$/)
  await looking.page.getByTestId('impersonation').waitFor()
  await looking.close()
})

test('the dialog that asks for a proof says for what', async () => {
  const email = someone('why'), guest = someone('guest')
  await settle(staff, email)
  const { page, close } = await enter(browser, email)
  const stale = (route) => (route.request().method() === 'GET' ? route.continue()
    : route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify({ status: 403, code: 'proof_required', detail: 'prove again who you are' }) }))
  for (const path of ['me/tokens', 'account/invitations']) await page.route(`**/api/v1/${path}`, stale) // as after ten minutes
  const proof = page.getByRole('dialog', { name: 'Is it still you?' })
  const said = () => proof.evaluate((dialog) => document.getElementById(dialog.getAttribute('aria-describedby'))?.textContent?.trim())

  await page.goto('/security')
  await page.getByRole('button', { name: 'Make a token …' }).click()
  await page.getByLabel('Name', { exact: true }).fill('export')
  await page.getByRole('checkbox', { name: /invoices/ }).check()
  await page.getByRole('button', { name: 'Make the token' }).click()
  await proof.waitFor()
  await becomes(said, 'Fresh proof of who you are is needed to make the token “export”. It lasts for ten minutes.')
  await clean(page)

  await page.goto('/account/members')
  await page.getByRole('button', { name: 'Invite …' }).click()
  await page.getByLabel('Email address').fill(guest)
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  await proof.waitFor()
  await becomes(said, `Fresh proof of who you are is needed to invite ${guest}. It lasts for ten minutes.`)
  await close()
})

test('what was typed when the session ended is there again, and does not write over what somebody else changed', async () => {
  const email = someone('draft')
  await settle(staff, email, 'Dana Draft')
  const { page, close } = await enter(browser, email)
  await page.goto('/account')
  await settled(page)
  const company = page.getByLabel('Company'), phone = page.getByLabel('Telephone'), note = page.getByText('is here again')
  await company.fill('Typed Before')
  await endAll(email)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByTestId('ended').waitFor()
  assert.ok(!await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]).includes('Typed Before')), 'it lies in memory alone')
  const theirs = await staff.get(`/customers/${encodeURIComponent(email)}`)
  const put = await call('admin', 'PUT', `/customers/${theirs.id}/profile`, { cookie: staff.cookie, body: { name: theirs.name, phone: '+44 20 1234', locale: theirs.locale, time_zone: theirs.time_zone, version: theirs.version } })
  assert.equal(put.status, 200, put.text)

  await logInHere(page, email)
  await page.waitForURL(/\/account$/)
  await note.waitFor()
  assert.equal(await company.inputValue(), 'Typed Before')
  await clean(page)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Somebody else changed this meanwhile').waitFor()
  await becomes(() => phone.inputValue(), '+44 20 1234')
  assert.equal(await company.inputValue(), 'Typed Before')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.').waitFor()
  await note.waitFor({ state: 'detached' })
  const now = await staff.get(`/customers/${theirs.id}`)
  assert.deepEqual([now.company, now.phone], ['Typed Before', '+44 20 1234'])
  await close()
})

test('what was typed is nobody else’s, and gone after a log-out', async () => {
  const anna = someone('anna'), bert = someone('bert')
  await settle(staff, anna, 'Anna Alpha')
  await settle(staff, bert, 'Bert Beta')
  const { page, close } = await enter(browser, anna)
  const name = page.getByLabel('Name', { exact: true }), address = page.getByLabel('New address')
  async function profile() {
    await page.getByRole('link', { name: 'Profile', exact: true }).click()
    await page.waitForURL(/\/profile$/)
  }
  async function typed() {
    await profile()
    await becomes(() => name.inputValue(), 'Anna Alpha')
    await name.fill('Anna Renamed')
    await address.fill('anna@elsewhere.example')
  }
  async function lost() {
    await endAll(anna)
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByTestId('ended').waitFor()
  }
  const shown = async () => [await name.inputValue(), await address.inputValue(), await page.getByText('is here again').count()]

  await typed()
  await lost()
  await logInHere(page, anna)
  await page.waitForURL(/\/profile$/)
  await becomes(shown, ['Anna Renamed', 'anna@elsewhere.example', 2])
  await lost() // once more, and now somebody else comes
  await logInHere(page, bert)
  await page.waitForURL(/\/profile$/)
  await becomes(shown, ['Bert Beta', '', 0])
  await logOut(page)
  await logInHere(page, anna)
  await page.waitForURL(/\/services$/)
  await profile()
  await becomes(shown, ['Anna Alpha', '', 0])

  await page.getByRole('link', { name: 'Services', exact: true }).first().click()
  await page.waitForURL(/\/services$/)
  await typed()
  await logOut(page)
  await logInHere(page, anna)
  await page.waitForURL(/\/services$/)
  await profile()
  await becomes(shown, ['Anna Alpha', '', 0])
  await close()
})

test('a note that a session’s end interrupted is written down once staff are back', async () => {
  const email = someone('noted'), mine = await session('staff')
  await settle(staff, email, 'Nora Noted')
  const { id } = await staff.get(`/customers/${encodeURIComponent(email)}`)
  const { page, close } = await open(browser, { as: mine })
  await page.goto(`/customers/${id}`)
  await page.getByLabel('New note').fill('Called at noon; wants a second port.')
  await page.getByLabel('Company').fill('Noted Ltd')
  assert.equal((await call('admin', 'DELETE', '/session', { cookie: mine.cookie })).status, 204)
  await page.getByRole('button', { name: 'Write down' }).click()
  await page.getByTestId('ended').waitFor()
  await page.getByRole('button', { name: 'Log in as staff' }).click()
  await page.waitForURL((url) => url.pathname === `/customers/${id}`)
  await becomes(() => page.getByText('is here again').count(), 2)
  assert.equal(await page.getByLabel('Company').inputValue(), 'Noted Ltd')
  await page.getByRole('button', { name: 'Write down' }).click()
  await page.getByTestId('note').getByText('Called at noon').waitFor()
  await becomes(() => page.getByText('is here again').count(), 1)
  await close()
})
