// Where one is in a list: it stands in the address, and back, forward and a reload come to it again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { becomes, launch, open, session, settled } from './browser.mjs'

const BEGIN = `p${process.pid}`, MARK = `${BEGIN}shelf`
const called = (...numbers) => numbers.map((n) => `${MARK} ${n}`)

let browser, staff
before(async () => {
  browser = await launch()
  staff = await session('staff')
  for (let n = 1; n <= 7; n++) {
    const made = await staff.post('/customers', { email: `${MARK}-${n}@people.example`, name: `${MARK} ${n}` })
    assert.equal(made.status, 201, made.text)
  }
})
after(() => browser?.close())

const rows = (page) => page.getByTestId('customer-row').locator('td:first-child').allTextContents()
const shows = (page, ...numbers) => becomes(() => rows(page), called(...numbers))
const turn = (page, name) => page.getByRole('button', { name, exact: true }).click()
const field = (page) => page.getByLabel('Search customers')

/** A tab whose lists of customers are cut every two rows. */
async function short() {
  const tab = await open(browser, { as: staff })
  await tab.page.route('**/api/v1/customers?*', (route) => {
    const url = new URL(route.request().url())
    url.searchParams.set('limit', '2')
    return route.continue({ url: url.toString() })
  })
  return tab
}

test('back, forward, a reload and the way back from what was opened come to the same page of a list', async () => {
  const { page, wrong, close } = await short()
  await page.goto(`/customers?q=${MARK}`)
  await shows(page, 1, 2)
  await turn(page, 'Next')
  await shows(page, 3, 4)
  await turn(page, 'Next')
  await shows(page, 5, 6)
  const third = page.url()
  assert.match(third, /[?&]page=3\./)

  const opened = async () => {
    await page.getByRole('link', { name: `${MARK} 5`, exact: true }).click()
    await page.getByRole('heading', { level: 1, name: `${MARK} 5` }).waitFor()
  }
  await opened()
  await page.goBack()
  await shows(page, 5, 6)
  await page.getByText('Page 3').waitFor()
  await page.reload()
  await shows(page, 5, 6)
  await turn(page, 'Previous')
  await shows(page, 3, 4)
  await page.goBack()
  await shows(page, 5, 6)
  await page.goBack()
  await shows(page, 3, 4)
  await page.goForward()
  await shows(page, 5, 6)

  await opened()
  await page.locator('main').getByRole('link', { name: 'Customers', exact: true }).click()
  await shows(page, 5, 6)
  assert.equal(page.url(), third)
  await turn(page, 'Next')
  await shows(page, 7)
  await turn(page, 'Previous')
  await shows(page, 5, 6)
  assert.deepEqual(wrong, [])
  await close()
})

test('a search begins the list anew, and is one step of the way back, however many letters it has', async () => {
  const { page, wrong, close } = await short()
  await page.goto(`/customers?q=${BEGIN}`)
  await shows(page, 1, 2)
  await turn(page, 'Next')
  await shows(page, 3, 4)
  await field(page).press('End')
  for (const letters of ['sh', 'elf', ' 7']) { // each of them still for long enough to be searched for
    await field(page).pressSequentially(letters)
    await becomes(() => new URL(page.url()).searchParams.get('q'), (await field(page).inputValue()).trim())
  }
  await shows(page, 7)
  assert.ok(!page.url().includes('page='), page.url())
  await page.goBack()
  await shows(page, 1, 2)
  assert.equal(await field(page).inputValue(), BEGIN)
  await page.goForward()
  await shows(page, 7)
  assert.equal(await field(page).inputValue(), `${MARK} 7`)
  assert.deepEqual(wrong, [])
  await close()
})

test('a link leads to a page of a list, from which the first is found; one that is none leads to the first', async () => {
  const cut = async (cursor) => (await staff.get(`/customers?q=${MARK}&limit=2${cursor ? `&cursor=${cursor}` : ''}`)).next_cursor
  const cursor = await cut(await cut(''))
  const { page, wrong, close } = await short()
  await page.goto(`/customers?q=${MARK}&page=3.${cursor}`)
  await shows(page, 5, 6)
  await page.getByText('Page 3').waitFor()
  await turn(page, 'Next')
  await shows(page, 7)
  await turn(page, 'Previous')
  await shows(page, 5, 6)
  await turn(page, 'First page')
  await shows(page, 1, 2)
  await page.getByText('Page 1').waitFor()

  // No cursor, one of another list, and one behind which nothing is by now.
  for (const [search, place, ...numbers] of [[MARK, '3.bogus', 1, 2], [MARK, `3.${Buffer.from('["a","b","c"]').toString('base64url')}`, 1, 2], [`${MARK} 1`, `3.${cursor}`, 1]]) {
    await page.goto(`/customers?q=${encodeURIComponent(search)}&page=${place}`)
    await shows(page, ...numbers)
    await page.waitForURL((url) => !url.searchParams.has('page') && url.searchParams.get('q') === search)
    assert.equal(await page.getByRole('alert').count(), 0, place)
  }
  assert.deepEqual(wrong.filter((line) => !/422/.test(line)), [])
  await close()
})

test('who comes back to a list finds it scrolled as it was left', async () => {
  const { page, wrong, close } = await open(browser, { as: staff, size: { width: 1360, height: 400 } })
  await page.goto(`/customers?q=${MARK}`)
  await shows(page, 1, 2, 3, 4, 5, 6, 7)
  const height = () => page.evaluate(() => Math.round(scrollY))
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
  const left = await height()
  assert.ok(left > 50, `the list is higher than its window: ${left}`)
  await page.route('**/api/v1/customers?*', async (route) => { // slow, so that the page is there before what it shows
    await new Promise((wait) => setTimeout(wait, 300))
    return route.continue()
  })
  await page.getByRole('link', { name: `${MARK} 7`, exact: true }).click()
  await page.getByRole('heading', { level: 1, name: `${MARK} 7` }).waitFor()
  await becomes(height, 0)
  await page.goBack()
  await becomes(height, left)
  await page.reload()
  await becomes(height, left)
  assert.deepEqual(wrong, [])
  await close()
})

test('what the audit log and the impersonations are narrowed by survives a reload', async () => {
  const { page, wrong, close } = await open(browser, { as: staff })
  await page.goto('/audit')
  await page.getByLabel('Action').fill('catalog.')
  await page.waitForURL(/command=catalog\./)
  await page.reload()
  await becomes(() => page.getByLabel('Action').inputValue(), 'catalog.')
  await page.goto('/impersonations')
  await settled(page)
  await page.getByLabel('Running now').check()
  await page.waitForURL(/open=true/)
  await page.reload()
  await becomes(() => page.getByLabel('Running now').isChecked(), true)
  assert.deepEqual(wrong, [])
  await close()
})
