// An application asks a customer for access, gets it, uses it, and loses it. The application is a server of the test's own.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, request } from 'node:http'
import { after, before, test } from 'node:test'
import { call, clean, enter, launch, open, PHONE, session, settled, shoot, SITES } from './browser.mjs'
import { PASSWORD, register as signUp, someone } from './people.mjs'

const CUSTOMER = 'jo@jo-codes.example'
const run = randomBytes(4).toString('hex')
let browser, staff, customer, application
before(async () => {
  browser = await launch()
  staff = await session('staff')
  customer = await session('customer', CUSTOMER)
  application = await listen()
})
after(async () => {
  application?.server.close()
  await browser?.close()
})

/** The application's end of the redirect: remembers with what people come back. */
async function listen() {
  const back = []
  const server = createServer((req, res) => { back.push(new URL(req.url, 'http://127.0.0.1').searchParams); res.setHeader('Content-Type', 'text/plain').end('The application has its answer.') })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, back, redirect: `http://127.0.0.1:${server.address().port}/callback` }
}

/** A request of the application itself, which has no cookies. */
function ask(method, path, { form, secret, token } = {}) {
  const { port, host } = new URL(SITES.account)
  const headers = { Host: host, ...(form ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}), ...(token ? { Authorization: `Bearer ${token}` } : {}),
    ...(secret ? { Authorization: `Basic ${Buffer.from(secret).toString('base64')}` } : {}) }
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers }, async (response) => {
      let text = ''
      for await (const part of response.setEncoding('utf8')) text += part
      resolve({ status: response.statusCode, text, json: () => JSON.parse(text) })
    })
    sent.on('error', reject)
    sent.end(form && new URLSearchParams(form).toString())
  })
}

async function register(name) {
  const answer = await staff.post('/clients', { name, site: 'account', redirect_uris: [application.redirect], grants: ['authorization_code', 'refresh_token'],
    scopes: ['openid', 'offline_access', 'services.read'] })
  assert.equal(answer.status, 201, answer.text)
  return answer.json()
}

function authorisation(client, scope = 'openid offline_access services.read') {
  const verifier = randomBytes(40).toString('base64url')
  const query = new URLSearchParams({ response_type: 'code', client_id: client.id, redirect_uri: application.redirect, scope, state: 'state-of-the-test',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256' })
  return { verifier, path: `/oauth/authorize?${query}` }
}

const unexpected = (wrong) => wrong.filter((line) => !line.startsWith(`outside: ${application.redirect}`) && !/favicon|status of (401|404)/.test(line))

test('a customer lets an application see the services, and takes it back', async () => {
  const client = await register(`Traffic board ${run}`)
  const { verifier, path } = authorisation(client)
  const { page, wrong, close } = await open(browser, { as: customer })
  await page.goto(path)
  await page.getByTestId('client').getByText(`Traffic board ${run}`).waitFor()
  assert.match(await page.getByTestId('host').textContent(), /127\.0\.0\.1/)
  await clean(page)
  await shoot(page, 'customer-consent-wide-light')
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByText('The application has its answer.').waitFor()
  const [came] = application.back.splice(0)
  assert.equal(came.get('state'), 'state-of-the-test')

  const secret = `${client.id}:${client.client_secret}`
  const answer = await ask('POST', '/oauth/token', { secret, form: { grant_type: 'authorization_code', code: came.get('code'), code_verifier: verifier, redirect_uri: application.redirect } })
  assert.equal(answer.status, 200, answer.text)
  const { access_token: token, id_token: identity } = answer.json()
  assert.ok(identity, 'an identity token was asked for')
  assert.equal((await ask('GET', '/api/v1/services', { token })).status, 200)
  assert.equal((await ask('GET', '/api/v1/invoices', { token })).status, 403, 'what was not asked for')
  assert.equal((await ask('GET', '/oauth/userinfo', { token })).status, 200)

  await page.goto('/security')
  const row = page.getByTestId('application').filter({ hasText: `Traffic board ${run}` })
  await row.waitFor()
  await row.scrollIntoViewIfNeeded()
  await shoot(page, 'customer-applications-wide-light')
  await row.getByRole('button').click()
  await page.getByRole('dialog').getByRole('button', { name: /Take|End|Revoke/ }).click()
  await row.waitFor({ state: 'detached' })
  assert.equal((await ask('GET', '/api/v1/services', { token })).status, 401, 'the token died with the access')
  assert.deepEqual(unexpected(wrong), [])
  await close()
})

test('a refusal goes back to the application, and whoever is not signed in logs in first', async () => {
  const client = await register('Curious')
  const { path } = authorisation(client)
  const stranger = await open(browser, { size: PHONE })
  await stranger.page.goto(path)
  await stranger.page.waitForURL(/\/login\?next=/)
  assert.match(decodeURIComponent(stranger.page.url()), /next=\/consent\?.*client_id=/)
  await stranger.close()
  const { page, wrong, close } = await open(browser, { as: customer, size: PHONE, dark: true })
  await page.goto(path)
  await page.getByTestId('client').waitFor()
  await shoot(page, 'customer-consent-phone-dark')
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than the window')
  await page.getByRole('button', { name: 'Refuse' }).click()
  await page.getByText('The application has its answer.').waitFor()
  assert.equal(application.back.splice(0)[0].get('error'), 'access_denied')
  assert.deepEqual(unexpected(wrong), [])
  await close()
})

test('who signs in at the browser meanwhile is asked anew', async () => {
  const email = someone('consent')
  await signUp(staff, email, 'Robin Consent')
  const { path } = authorisation(await register(`Meanwhile ${run}`), 'openid services.read')
  const { page, wrong, close } = await open(browser, { as: customer })
  await page.goto(path)
  await page.getByTestId('client').waitFor()
  const other = await call('account', 'POST', '/login', { body: { email, password: PASSWORD } })
  assert.equal(other.status, 200, other.text)
  await enter(page, { site: 'account', cookie: other.cookies.find((c) => c.startsWith('__Host-session=')) })
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByText('You are signed in as somebody else now').waitFor()
  await page.getByText('You are signed in as Robin Consent').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'alert', 'what went wrong has the focus')
  assert.deepEqual(application.back, [], 'nobody has allowed anything')
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByText('The application has its answer.').waitFor()
  assert.ok(application.back.splice(0)[0].get('code'))
  assert.deepEqual(unexpected(wrong).filter((line) => !/status of 409/.test(line)), [])
  await close()
})

test('staff register an application and see its secret once', async () => {
  const { page, wrong, close } = await open(browser, { as: staff })
  await page.goto('/clients')
  await settled(page)
  await page.getByRole('button', { name: /New|Register|Add/ }).first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name', { exact: true }).fill(`Made by hand ${run}`)
  await dialog.getByLabel(/redirect/i).first().fill(application.redirect)
  await shoot(page, 'staff-client-dialog-wide-light')
  await dialog.locator('button[type=submit]').click()
  await page.getByText(/ezs_client_/).first().waitFor()
  await clean(page)
  await shoot(page, 'staff-client-secret-wide-light')
  await page.reload()
  await page.getByText(`Made by hand ${run}`).waitFor()
  assert.equal(await page.getByText(/ezs_client_\w{10}/).count(), 0, 'the secret is shown once')
  await shoot(page, 'staff-clients-wide-light')
  assert.deepEqual(unexpected(wrong), [])
  await close()
})
