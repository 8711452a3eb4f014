// People of the browser tests: their mails, their authenticators, and the way to an account.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { call, open } from './browser.mjs'

export const PASSWORD = 'plum harbour teaspoon nineteen'

let made = 0
export const someone = (name) => `${name}-${process.pid}-${++made}@people.example`

/** The token of the newest link that was mailed to an address and leads to a page. */
export async function mailed(staff, to, page) {
  const pattern = new RegExp(`/${page}#([\\w-]+)`)
  for (let end = Date.now() + 20_000; Date.now() < end; await new Promise((wait) => setTimeout(wait, 250))) {
    const mails = (await staff.get('/dev/mailbox')).items.filter((m) => m.to.includes(to) && pattern.test(m.text))
    const newest = mails.sort((a, b) => b.received_at.localeCompare(a.received_at))[0]
    if (newest) return pattern.exec(newest.text)[1]
  }
  return assert.fail(`no mail to ${to} leads to /${page}`)
}

/** Opens an account over the API and verifies its address. */
export async function register(staff, email, name = 'Robin Example') {
  const body = { email, name, password: PASSWORD }
  const answer = await call('account', 'POST', '/register', { body })
  assert.equal(answer.status, 202, answer.text)
  const verified = await call('account', 'POST', '/links/verify', { body: { token: await mailed(staff, email, 'verify'), password: PASSWORD } })
  assert.equal(verified.status, 200, verified.text)
}

/** The token of a link by which a password is set that was forgotten. */
export async function afresh(staff, email) {
  const answer = await call('account', 'POST', '/password/forgot', { body: { email } })
  assert.equal(answer.status, 202, answer.text)
  return mailed(staff, email, 'reset')
}

/** Has staff make an account and invite its owner. Strangers register for a few accounts an hour only, staff as they like. */
export async function settle(staff, email, name = 'Robin Example') {
  const made = await staff.post('/customers', { email, name })
  assert.equal(made.status, 201, made.text)
  await join(staff, email, name, { email, rights: 'owner' })
}

/** Has staff invite somebody new into a customer's account, to see it unless said otherwise, and follows the link. */
export async function join(staff, customer, name, { email = someone('member'), rights = 'read_only' } = {}) {
  const invited = await staff.post(`/customers/${encodeURIComponent(customer)}/invitations`, { email, rights })
  assert.equal(invited.status, 201, invited.text)
  const accepted = await call('account', 'POST', '/invitations/accept', { body: { token: await mailed(staff, email, 'invitation'), name, password: PASSWORD } })
  assert.equal(accepted.status, 200, accepted.text)
}

/** A device that keeps passkeys and checks the person, built into Chromium (CDP, WebAuthn). */
export async function device(page, { present = true } = {}) {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const options = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: present }
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options })
  return {
    present: (enabled) => cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled }),
    keys: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
  }
}

/** What an authenticator shows for a secret, some steps of half a minute from now (RFC 6238). */
export function codeOf(secret, steps = 0) {
  const bits = [...secret.replaceAll(' ', '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps))
  const mac = createHmac('sha1', key).update(counter).digest(), at = mac.at(-1) & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

export async function logIn(page, email, password = PASSWORD) {
  await page.goto('/login')
  await logInHere(page, email, password)
}

/** Logs in at the login that is there already: where a page that lost its session leads, which is not loaded anew. */
export async function logInHere(page, email, password = PASSWORD) {
  await page.getByLabel('Email address').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
}

export async function logOut(page) {
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.waitForURL(/\/login/)
}

/**
 * Logs out, then in by the button for passkeys. Nobody touches the device before the button is pressed: else the list below the
 * field would log in by itself. It answers only what it is asked after it was touched, so its options wait for that.
 */
export async function logInAgainByPasskey(page, keyring) {
  await keyring.present(false)
  const offered = page.waitForResponse('**/login/passkey/options')
  await logOut(page)
  await offered
  await page.route('**/login/passkey/options', async (route) => {
    await keyring.present(true)
    await route.continue()
  })
  await page.getByRole('button', { name: 'Log in with a passkey' }).click()
}

/** Opens a page and logs somebody in, who sees their services. */
export async function enter(browser, email) {
  const opened = await open(browser)
  await logIn(opened.page, email)
  await opened.page.waitForURL(/\/services$/)
  return opened
}

/** Ends all sessions of somebody, as from another browser. */
export async function endAll(email) {
  const elsewhere = await call('account', 'POST', '/login', { body: { email, password: PASSWORD } })
  const cookie = elsewhere.cookies.find((c) => c.startsWith('__Host-session='))
  assert.equal((await call('account', 'DELETE', '/me/sessions', { cookie })).status, 204)
  assert.equal((await call('account', 'DELETE', '/session', { cookie })).status, 204)
}
